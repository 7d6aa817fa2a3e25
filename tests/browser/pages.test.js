// Every page at three widths in both themes: axe is content, nothing is wider than the screen, and how it looks is kept.
import assert from "node:assert/strict";
import { before } from "node:test";
import { cancelAll, ended, eventually, GREET_ADA, launch, pageTest } from "./kit.js";

const SIZES = [[1440, 900], [768, 1024], [390, 844]];
const runs = {};

before(async () => {
  for (const job of ["breaks", "wide"]) runs[job] = (await ended(await launch(job))).runId;
  runs.hello = (await ended(await launch("hello", GREET_ADA))).runId;
  await cancelAll();
}, { timeout: 120_000 });

const PAGES = {
  home: ["/", "[data-bar]"],
  runs: ["/runs", "[data-run]"],
  "run-failed": [() => `/runs/${runs.breaks}?step=crunch`, "[data-failure] + * [data-row], [data-line]"],
  "run-open": [() => `/runs/${runs.wide}?open=work&tab=events`, "[data-events]"],
  "run-graph": [() => `/runs/${runs.wide}?view=graph&tab=config`, "[data-box=work]"],
  jobs: ["/jobs", "[data-job]"],
  job: [() => `/jobs/wide?run=${runs.wide}&step=work`, "[data-box=work][data-state]"],
  launchpad: ["/jobs/hello/run", "[data-verdict=valid]"],
  automation: ["/automation", "[data-automation]"],
  schedule: ["/automation/schedules/nightly", "[role=switch]"],
  sensor: ["/automation/sensors/files", "[role=switch]"],
  cluster: ["/cluster", "[data-worker]"],
  libraries: ["/libraries?library=text", "[data-library] code"],
  settings: ["/settings", "#definitions"],
  missing: ["/no/such/page", "h1"],
};

for (const scheme of ["light", "dark"])
  for (const [width, height] of SIZES)
    for (const [name, [path, ready]] of Object.entries(PAGES))
      pageTest(`j3_${name}_at_${width}_${scheme}`, path, async (page) => {
        await page.locator(ready).first().waitFor();
        await page.locator("[data-live=live]").waitFor();
        await eventually("nothing is loading", async () => (await page.getByText(/^Loading /).count()) === 0);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "the page is wider than the screen");
        await page.screenshot({ path: `${process.env.OUT}/${name}-${width}-${scheme}.png` });
      }, { width, height, scheme });

// What strangers have written stays text, wherever a page shows it: config, tags, log lines, outputs, descriptions.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { ask, ended, eventually, launch, pageTest } from "./kit.js";

const DEFINITIONS = `${process.env.PROJECT}/cofferdam.toml`;
const HOSTILE = `"'><img src=hostile onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)><a href="javascript:alert(4)">[x](javascript:alert(5))</a>&lt;b&gt;`;
/** Nothing of it may have become an element. */
const MADE = `img[src="hostile"], script:not([src]), svg[onload], a[href^="javascript:"], [onerror], [onload]`;

/** A page that shows it must show all of it, and must neither open a dialog nor ask for anything of it. */
async function isInert(page, path, shown = (text) => text.includes(HOSTILE)) {
  await page.goto(process.env.BASE_URL + path);
  await eventually(`${path} shows it as it is`, () => page.evaluate(() => document.body.innerText).then(shown));
  assert.equal(await page.locator(MADE).count(), 0);
}

function heard(page) {
  const heard = [];
  page.on("dialog", (dialog) => {
    heard.push(dialog.message());
    return dialog.dismiss();
  });
  page.on("request", (request) => new URL(request.url()).pathname.endsWith("/hostile") && heard.push(request.url()));
  return heard;
}

pageTest("h_042_what_a_run_was_given_and_has_made_stays_text", "/", async (page) => {
  const alarms = heard(page);
  const config = JSON.stringify({ ops: { greet: { config: { name: HOSTILE } } } });
  const { runId } = await ended(await launch("hello", config, [{ key: "who", value: HOSTILE }]));
  await isInert(page, "/runs");
  await isInert(page, `/runs/${runId}`);
  await isInert(page, `/runs/${runId}?step=greet`);
  await page.locator("[data-output=result] button").first().click();
  await page.locator("[data-output=result] pre").getByText("Hello, ").waitFor();
  assert.ok((await page.locator("[data-output=result] pre").innerText()).includes("<script>alert(2)</script>"));
  assert.equal(await page.locator(MADE).count(), 0);
  assert.deepEqual(alarms, []);
});

pageTest("h_042_what_definitions_and_addresses_say_stays_text", "/", async (page) => {
  const alarms = heard(page);
  const before = readFileSync(DEFINITIONS, "utf8");
  const described = `\n[jobs.strange]\ndescription = '''${HOSTILE}'''\ntags = { odd = '''${HOSTILE}''' }\n[jobs.strange.steps.load]\nop = "text.load"\n`;
  try {
    writeFileSync(DEFINITIONS, before + described);
    await eventually("the job is there", () => ask(`{ jobOrError(name: "strange") { __typename } }`).then((found) => found.jobOrError.__typename === "Job"));
    await isInert(page, "/jobs");
    await isInert(page, "/jobs/strange");
    // A name that is not there is told back.
    await isInert(page, `/jobs/${encodeURIComponent("<img src=hostile onerror=alert(1)>")}`, (text) => text.includes("<img src=hostile onerror=alert(1)>"));
  } finally {
    writeFileSync(DEFINITIONS, before);
  }
  await eventually("it is gone", () => ask(`{ jobOrError(name: "strange") { __typename } }`).then((found) => found.jobOrError.__typename !== "Job"));
  assert.deepEqual(alarms, []);
});

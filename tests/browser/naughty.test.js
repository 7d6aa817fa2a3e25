// The Big List of Naughty Strings in every field that people may fill, on the pages that show them: text, and nothing else. Its run is
// $RUN, its strings are in $STRINGS, a file.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BASE, eventually, pageTest } from "./kit.js";

const strings = JSON.parse(readFileSync(process.env.STRINGS, "utf8"));
const run = `/runs/${process.env.RUN}`;
/** What none of them may have become. */
const MADE = `script:not([src^="/built/"]):not([src^="${BASE}/built/"]), iframe, object, embed, base, meta[http-equiv], link:not([href^="/"]):not([href^="${BASE}/built/"]), img:not([src^="/"]):not([src^="data:"]), video, audio, marquee, form[action], a[href^="javascript:" i], a[href^="data:" i]`;
/** White space is as a page has it; what has no shape is not looked for. */
const plain = (text) => text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, "");

function heard(page) {
  const heard = [];
  page.on("dialog", (dialog) => {
    heard.push(dialog.message());
    return dialog.dismiss();
  });
  page.on("popup", (popup) => heard.push(popup.url()));
  return heard;
}

async function isInert(page) {
  assert.deepEqual(await page.locator(MADE).evaluateAll((made) => made.map((element) => element.outerHTML)), []);
  const handlers = await page.evaluate(() => [...document.querySelectorAll("*")].flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on")));
  assert.deepEqual(handlers, []);
}

/** Those of the strings that a page does not show. */
async function missing(page) {
  const shown = plain(await page.evaluate(() => document.body.textContent));
  return strings.filter((text) => !shown.includes(plain(text)));
}

pageTest("c_67_descriptions_of_jobs_are_shown_as_they_are", "/jobs", async (page) => {
  const alarms = heard(page);
  await page.getByText("d0", { exact: true }).first().waitFor();
  await eventually("all are shown", async () => (await missing(page)).length === 0);
  await isInert(page);
  assert.deepEqual(alarms, []);
});

pageTest("c_67_tags_of_a_run_are_shown_as_they_are", run, async (page) => {
  const alarms = heard(page);
  await eventually("all are shown", async () => (await missing(page)).length === 0);
  await isInert(page);
  assert.deepEqual(alarms, []);
});

const odd = strings.map((text, n) => [text, n]).filter(([text]) => /[<>]/.test(text));
pageTest("c_67_log_lines_and_outputs_of_steps_are_shown_as_they_are", run, async (page) => {
  const alarms = heard(page);
  assert.ok(odd.length > 100, `${odd.length}`);
  // As many as there is time for, spread over the list.
  for (const [text, n] of odd.filter((_, at) => at % 8 === 0)) {
    await page.goto(`${BASE}${run}?step=g${n}`);
    await page.locator("[data-output=result] button").first().click();
    const shown = async () => plain(await page.evaluate(() => document.body.innerText));
    const greeting = plain(`greeting ${text} `);
    await eventually(`${text} is in a line`, async () => (await shown()).includes(greeting));
    await page.locator("[data-output=result] pre").getByText("Hello, ").waitFor();
    await isInert(page);
  }
  assert.deepEqual(alarms, []);
});

pageTest("c_67_the_page_of_a_job_and_a_search_are_inert", "/jobs", async (page) => {
  const alarms = heard(page);
  for (const [text, n] of odd.filter((_, at) => at % 20 === 0)) {
    await page.goto(`${BASE}/jobs/d${n}`);
    await eventually(`${text} describes it`, async () => plain(await page.evaluate(() => document.body.textContent)).includes(plain(text)));
    await isInert(page);
    await page.goto(`${BASE}/runs?q=${encodeURIComponent(text)}`);
    await page.locator("h1").first().waitFor();
    await isInert(page);
  }
  assert.deepEqual(alarms, []);
});

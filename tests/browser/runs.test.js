// The list of runs.
import assert from "node:assert/strict";
import { before } from "node:test";
import { ended, eventually, GREET_ADA, launch, pageTest, runOf, runs, searchOf } from "./kit.js";

const MANY = 240;

before(async () => {
  const have = (await runs()).length;
  const made = [];
  for (let i = have; i < MANY; i++) made.push(await launch("hello", GREET_ADA, [{ key: "batch", value: i % 2 ? "odd" : "even" }]));
  made.push(await launch("breaks"));
  for (const runId of made) await ended(runId);
}, { timeout: 120_000 });

const rows = (page) => page.locator("[data-run]");

pageTest("j3_runs_are_filtered_and_the_address_holds_the_filter", "/runs", async (page) => {
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Failed" }).click();
  await page.getByRole("combobox", { name: "Filter by job" }).selectOption("breaks");
  await page.getByText("division by zero in row 17").first().waitFor();
  assert.deepEqual(searchOf(page), { status: "FAILURE", job: "breaks" });
  const expected = (await runs({ pipelineName: "breaks", statuses: ["FAILURE"] })).length;
  await page.getByText(`${expected} run`).waitFor();
  await page.reload();
  await page.getByText(`${expected} run`).waitFor();
  await page.getByRole("searchbox", { name: "Filter by text" }).fill("no such words");
  await page.getByText("No run matches the filter").waitFor();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await rows(page).nth(5).waitFor();
  await page.getByRole("textbox", { name: "Filter by tag" }).fill("batch=odd");
  const odd = (await runs({ tags: [{ key: "batch", value: "odd" }] })).length;
  await page.getByText(`${odd} runs`).waitFor();
});

pageTest("j3_the_list_is_scrolled_to_its_end_with_few_rows_in_the_page", "/runs", async (page) => {
  await rows(page).first().waitFor();
  const last = (await runs()).at(-1).runId;
  const table = page.locator("[role=rowgroup][tabindex]");
  await table.focus();
  await eventually("the last run is in sight", async () => {
    await page.keyboard.press("End");
    return (await page.locator(`[data-run="${last}"]`).count()) === 1;
  });
  assert.ok((await rows(page).count()) < 80);
});

pageTest("j3_runs_are_selected_with_shift_and_cancelled_together", "/runs", async (page) => {
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push(await launch("slow"));
  for (const id of ids) await page.locator(`[data-run="${id}"]`).waitFor();
  await page.locator(`[data-run="${ids[2]}"] input`).click();
  await page.locator(`[data-run="${ids[0]}"] input`).click({ modifiers: ["Shift"] });
  await page.getByText("3 selected").waitFor();
  await page.getByRole("button", { name: "Cancel 3 runs" }).click();
  for (const id of ids) {
    assert.equal((await ended(id)).status, "CANCELED");
    await page.locator(`[data-run="${id}"] [data-status=CANCELED]`).waitFor();
  }
});

pageTest("j3_a_run_that_is_started_elsewhere_appears_by_itself", "/runs", async (page) => {
  await rows(page).first().waitFor();
  const runId = await launch("hello", GREET_ADA);
  await page.locator(`[data-run="${runId}"]`).waitFor();
  await page.locator(`[data-run="${runId}"] [data-status=SUCCESS]`).waitFor();
  await page.locator(`[data-run="${runId}"] a`).first().click();
  await page.waitForURL(new RegExp(`/runs/${runId}$`));
  await page.locator("h1 + [data-status=SUCCESS]").waitFor();
  assert.equal((await runOf(runId)).status, "SUCCESS");
});

pageTest("runs_are_cards_on_a_phone", "/runs", async (page) => {
  await rows(page).first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await page.locator("[data-run] a").first().click();
  await page.locator("h1 + [data-status]").waitFor();
}, { width: 390, height: 844 });

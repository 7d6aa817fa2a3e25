// What stands round every page.
import assert from "node:assert/strict";
import { ended, GREET_ADA, launch, onRunPage, pageTest, runIdOf, searchOf } from "./kit.js";

pageTest("j3_the_palette_opens_runs_and_goes_by_keys_alone", "/", async (page) => {
  await page.locator("[data-live=live]").waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, run or open" }).fill("go to clu");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/cluster$/);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, run or open" }).fill("run hello");
  await page.getByRole("option", { name: /Run hello/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/jobs\/hello\/run/);
  const runId = await launch("hello", GREET_ADA);
  await ended(runId);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, run or open" }).fill(runId);
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await onRunPage(page);
  assert.equal(runIdOf(page), runId);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, run or open" }).fill("no such thing at all");
  await page.getByText("Nothing of that name.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("combobox", { name: "Go to, run or open" }).waitFor({ state: "detached" });
});

pageTest("j3_times_change_their_zone_everywhere_and_say_which", async () => `/runs/${await ended(await launch("hello", GREET_ADA)).then((run) => run.runId)}`, async (page) => {
  const time = page.locator("header time").first();
  const local = await time.textContent();
  assert.match(local, /GMT\+9$/);
  const log = page.locator("[data-log] button").first();
  const hour = (await log.textContent()).slice(0, 2);
  await page.getByRole("button", { name: /^Times in/ }).click();
  assert.match(await time.textContent(), /UTC$/);
  assert.notEqual((await log.textContent()).slice(0, 2), hour);
  await page.reload();
  assert.match(await time.textContent(), /UTC$/);
});

pageTest("j3_dark_and_light_are_switched_and_kept", "/settings", async (page) => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  const light = await background();
  const button = page.getByRole("button", { name: /^Colours/ });
  await button.click();
  assert.equal(await background(), light);
  await button.click();
  assert.notEqual(await background(), light);
  await page.reload();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  assert.notEqual(await background(), light);
});

pageTest("an_address_of_nothing_leads_back", "/no/such/page", async (page) => {
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await page.getByRole("main").getByRole("link", { name: "Runs" }).click();
  await page.waitForURL(/\/runs$/);
});

pageTest("a_run_that_is_not_there_is_said_to_be_missing", "/runs/00000000-0000-7000-8000-00000000abcd", async (page) => {
  await page.getByText("There is no such run").waitFor();
});

pageTest("every_command_beside_a_thing_is_copied_whole", "/runs?job=hello", async (page) => {
  await page.getByRole("button", { name: "Copy the command: cofferdam runs --job hello" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "cofferdam runs --job hello");
  assert.deepEqual(searchOf(page), { job: "hello" });
});

pageTest("the_page_is_reached_past_the_rail_by_keys", "/jobs", async (page) => {
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

// The launchpad. The editor lies in a shadow root, which the locators reach into.
import assert from "node:assert/strict";
import { ended, eventually, onRunPage, pageTest, runIdOf, searchOf } from "./kit.js";

const text = (page) => page.locator("[data-editor] .cm-content").evaluate((e) => [...e.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"));
const verdict = (page, what) => page.locator(`[data-verdict=${what}]`).waitFor();
/** The launchpad has opened with a scaffold, which was judged. */
const ready = (page) => eventually("there is a scaffold", async () => /name: \S/.test(await text(page)) && (await page.locator("[data-verdict=valid]").count()) === 1);
const launchButton = (page) => page.locator("[data-launch]");

async function write(page, yaml) {
  await page.locator("[data-editor] .cm-content").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(yaml);
}

pageTest("j4_a_scaffold_is_there_at_once_and_typing_fills_it", "/jobs/hello/run", async (page) => {
  await ready(page);
  await page.keyboard.type("Ada");
  await eventually("what was typed stands in place of the first value", async () => /^ {6}name: Ada$/m.test(await text(page)));
  await verdict(page, "valid");
  await page.keyboard.press("Control+Enter");
  await onRunPage(page);
  const run = await ended(runIdOf(page));
  assert.equal(run.status, "SUCCESS");
  assert.match(run.runConfigYaml, /"?name"?: "?Ada"?/);
});

pageTest("j4_a_wrong_key_is_marked_at_its_place_and_mended_by_a_click", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      name: Ada\n      shoutt: true\n");
  const mark = page.locator("[data-editor] .cm-lintRange-error");
  await mark.waitFor();
  assert.equal(await mark.textContent(), "shoutt");
  await page.getByRole("button", { name: "5:7" }).waitFor();
  await page.getByRole("button", { name: "Use shout" }).click();
  await verdict(page, "valid");
  assert.match(await text(page), /^ {6}shout: true$/m);
  await mark.waitFor({ state: "detached" });
});

pageTest("j4_broken_yaml_shows_the_syntax_error_and_nothing_stale", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      nome: Ada\n");
  await page.getByText("nome").first().waitFor();
  await page.locator("[data-verdict=invalid] li").nth(1).waitFor();
  await write(page, "ops: [\n");
  await eventually("one error is left", async () => (await page.locator("[data-verdict=invalid] li").count()) === 1);
  assert.ok(await launchButton(page).isDisabled());
  assert.equal(await page.locator("[data-verdict=invalid]").getByText("nome").count(), 0);
});

pageTest("j4_completion_comes_from_the_schema", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      name: Ada\n      ");
  await page.keyboard.press("Control+Space");
  const options = page.locator("[data-editor] .cm-tooltip-autocomplete li");
  await options.filter({ hasText: "shout" }).waitFor();
  assert.equal(await options.filter({ hasText: "name" }).count(), 0, "what is there is not offered again");
  await page.keyboard.type("mo");
  await eventually("one is left", async () => (await options.count()) === 1);
  await options.first().click();
  await options.filter({ hasText: "wild" }).waitFor();
  await page.keyboard.type("wi");
  await options.filter({ hasText: "wild" }).click();
  await eventually("the value is there", async () => /mood: wild/.test(await text(page)));
  await verdict(page, "valid");
});

pageTest("j4_defaults_are_written_out_the_surplus_is_removed_and_both_are_undone", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      name: Ada\n");
  await verdict(page, "valid");
  await page.getByRole("button", { name: "Expand defaults" }).click();
  await eventually("the defaults are there", async () => /shout: false/.test(await text(page)));
  await page.getByRole("button", { name: "Undo" }).click();
  await eventually("they are gone again", async () => !/shout/.test(await text(page)));
  await write(page, "ops:\n  greet:\n    config:\n      name: Ada\n      extra: 1\n");
  await page.getByRole("button", { name: "Remove extra" }).click();
  await page.getByText(/Removed .*extra/).waitFor();
  assert.doesNotMatch(await text(page), /extra/);
});

pageTest("j4_tags_and_presets_are_kept_and_used", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      name: Grace\n");
  await page.getByRole("textbox", { name: "Tags" }).fill("team=air");
  await page.getByRole("textbox", { name: "Name of a preset" }).fill("grace");
  await page.getByRole("button", { name: "Keep" }).click();
  await page.locator("[data-preset=grace]").waitFor();
  await page.getByRole("textbox", { name: "Tags" }).fill("nonsense");
  await page.getByText("not key=value: nonsense").waitFor();
  assert.ok(await launchButton(page).isDisabled());
  await write(page, "");
  await page.locator("[data-preset=grace]").getByRole("button", { name: "grace", exact: true }).click();
  await eventually("the preset is back", async () => /Grace/.test(await text(page)) && searchOf(page).tags === "team=air");
  await verdict(page, "valid");
  await launchButton(page).click();
  await onRunPage(page);
  const run = await ended(runIdOf(page));
  assert.deepEqual(run.tags.filter((tag) => tag.key === "team"), [{ key: "team", value: "air" }]);
  await page.goBack();
  await page.getByRole("button", { name: /^Load what run/ }).waitFor();
});

pageTest("j4_a_draft_outlives_a_reload_and_the_pane_follows_the_cursor", "/jobs/hello/run", async (page) => {
  await ready(page);
  await write(page, "ops:\n  greet:\n    config:\n      name: Marie");
  await page.locator('[data-expected="ops.greet.config.name"]').getByText("string").first().waitFor();
  await page.reload();
  await eventually("the draft is there", async () => /Marie/.test(await text(page)));
});

// Assets: what is up to date, why not, and making them. Each test goes on from what the one before it has made.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { ask, ended, onRunPage, pageTest, runIdOf, searchOf } from "./kit.js";

const DEFINITIONS = `${process.env.PROJECT}/cofferdam.toml`;
const status = async (key) => {
  const { assetNodes } = await ask(`{ assetNodes { ... on AssetNodes { nodes { assetKey { path } staleStatus } } } }`);
  return assetNodes.nodes.find((node) => node.assetKey.path.join("/") === key).staleStatus;
};
const row = (page, key) => page.locator(`[data-asset="${key}"]`);
const isShown = (page, key, word) => row(page, key).locator(`[data-stale=${word}]`).waitFor();

pageTest("j3_what_is_missing_is_made_in_one_run", "/assets", async (page) => {
  for (const key of ["raw/base", "made/twice", "daily"]) await isShown(page, key, "MISSING");
  await page.getByText("3 assets").waitFor();
  // What has partitions is chosen with one of them.
  await page.getByRole("button", { name: "Materialize 2 not up to date" }).click();
  await onRunPage(page);
  assert.equal((await ended(runIdOf(page))).status, "SUCCESS");
  await page.goBack();
  await isShown(page, "raw/base", "FRESH");
  await isShown(page, "made/twice", "FRESH");
  await isShown(page, "daily", "MISSING");
});

pageTest("j3_assets_are_filtered_and_the_address_holds_the_filter", "/assets", async (page) => {
  await row(page, "daily").waitFor();
  await page.getByRole("combobox", { name: "Filter by state" }).selectOption("FRESH");
  await row(page, "daily").waitFor({ state: "detached" });
  await page.getByRole("searchbox", { name: "Filter by text" }).fill("team:data");
  await page.getByText("1 of 3 assets").waitFor();
  assert.deepEqual(searchOf(page), { state: "FRESH", q: "team:data" });
  await page.reload();
  await row(page, "raw/base").waitFor();
  await page.getByRole("searchbox", { name: "Filter by text" }).fill("no such words");
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await row(page, "daily").waitFor();
});

pageTest("j3_the_lineage_leads_to_an_asset_and_back", "/assets?view=graph", async (page) => {
  await page.locator("[data-graph='3'] [data-box='made/twice'].tone-succeeded").click();
  await page.waitForURL(/\/assets\/key\/made\/twice$/);
  await page.getByRole("region", { name: "About" }).getByRole("link", { name: "raw/base" }).click();
  await page.waitForURL(/\/assets\/key\/raw\/base$/);
  await page.getByText("A number to begin with.").waitFor();
  await page.locator("[data-graph='2']").waitFor();
});

pageTest("j3_an_asset_says_since_what_it_is_stale_and_is_made_again", "/assets/key/made/twice", async (page) => {
  await page.locator("header [data-stale=FRESH]").waitFor();
  writeFileSync(DEFINITIONS, readFileSync(DEFINITIONS, "utf8").replace("rounds = 1", "rounds = 2").replace("value = 4", "value = 5"));
  assert.equal(await status("raw/base"), "STALE");
  await page.goto(page.url().replace("made/twice", "raw/base"));
  await page.getByRole("region", { name: "Why it is stale" }).waitFor();
  await page.getByRole("button", { name: "Materialize", exact: true }).click();
  await onRunPage(page);
  const second = runIdOf(page);
  await ended(second);
  await page.goBack();
  await page.locator("header [data-stale=FRESH]").waitFor();
  assert.equal(await page.locator("[data-made]").first().getAttribute("data-made"), second);
  assert.equal(await page.locator("[data-made]").count(), 2);
  // What is made from it is stale now, and says since what.
  await page.getByRole("region", { name: "About" }).getByRole("link", { name: "made/twice" }).click();
  const why = page.getByRole("region", { name: "Why it is stale" });
  await why.getByText("Since the data of").waitFor();
  await why.getByRole("link", { name: "raw/base" }).waitFor();
});

pageTest("j3_partitions_are_made_one_by_one_or_in_a_range", "/assets/key/daily", async (page) => {
  const partitions = page.getByRole("region", { name: "Partitions" });
  await partitions.getByText("3 of 3 partitions are to be made").waitFor();
  const field = page.getByRole("combobox", { name: "Partition, or FIRST...LAST" });
  assert.equal(await field.inputValue(), "wed");
  await field.fill("tue");
  await page.getByRole("button", { name: "Materialize", exact: true }).click();
  await onRunPage(page);
  await ended(runIdOf(page));
  await page.goBack();
  await partitions.locator("[data-partition=tue] [data-stale=FRESH]").waitFor();
  await field.fill("nope");
  await page.getByRole("button", { name: "Materialize", exact: true }).click();
  await page.getByRole("alert").getByText("nope").first().waitFor();
  await field.fill("mon...wed");
  await page.getByRole("button", { name: "Materialize", exact: true }).click();
  await onRunPage(page);
  await ended(runIdOf(page));
  await page.goBack();
  await partitions.getByText("All 3 partitions are up to date").waitFor();
});

pageTest("j3_chosen_assets_are_made_together_and_kept_in_the_address", "/assets", async (page) => {
  await page.getByRole("checkbox", { name: "Choose raw/base" }).check();
  await page.getByRole("checkbox", { name: "Choose made/twice" }).check();
  assert.deepEqual(searchOf(page), { pick: "made/twice,raw/base" });
  await page.getByRole("button", { name: "Materialize 2 assets" }).click();
  await onRunPage(page);
  assert.deepEqual((await ended(runIdOf(page))).steps.map((step) => step.status), ["SUCCEEDED", "SUCCEEDED"]);
});

pageTest("an_asset_that_is_not_there_says_so", "/assets/key/no/such", async (page) => {
  await page.getByText("There is no such asset").waitFor();
});

for (const scheme of ["light", "dark"]) {
  for (const [width, height] of [[1366, 768], [390, 844]]) {
    for (const path of ["/assets", "/assets?view=graph", "/assets/key/made/twice", "/assets/key/daily"]) {
      pageTest(`assets_at_${width}_${scheme}_${path}`, path, async (page) => {
        await page.locator("[data-asset], [data-graph]").first().waitFor();
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width);
        await page.screenshot({ path: `${process.env.OUT}/${`${width}-${scheme}${path}`.replace(/\W+/g, "-")}.png` });
      }, { width, height, scheme });
    }
  }
}

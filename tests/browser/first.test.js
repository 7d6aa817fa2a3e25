// A server on which nothing has run: from the first page to the first run.
import assert from "node:assert/strict";
import { ended, onRunPage, pageTest, runIdOf, runs } from "./kit.js";

pageTest("j3_an_empty_server_shows_the_way_to_a_first_run", "/", async (page) => {
  assert.deepEqual(await runs(), [], "this test needs a server on which nothing has run");
  await page.getByRole("region", { name: "From here to the first run" }).waitFor();
  await page.goto(page.url() + "runs");
  await page.getByText("Nothing has run yet").waitFor();
  await page.getByRole("link", { name: "Home", exact: true }).click();
  const button = page.getByRole("button", { name: /^Run / });
  const job = (await button.textContent()).replace("Run", "").trim();
  await button.click();
  await page.waitForURL(/\/runs\/|\/jobs\/.+\/run/);
  if (/\/jobs\//.test(page.url())) {
    // The job has a value that must be given: the launchpad opens with a scaffold and that value selected, so that typing fills it.
    await page.locator(`[data-verdict=valid]`).waitFor();
    await page.keyboard.type("Ada");
    await page.locator(`[data-verdict=valid]`).waitFor();
    await page.keyboard.press("Control+Enter");
  }
  await onRunPage(page);
  const run = await ended(runIdOf(page));
  assert.equal(run.jobName, job);
  await page.locator(`h1 + [data-status=${run.status}]`).waitFor();
  await page.getByRole("link", { name: "Home", exact: true }).click();
  await page.locator(`[data-bar="${run.runId}"]`).waitFor();
});

// The first page of a server on which things run.
import assert from "node:assert/strict";
import { cancelAll, ended, eventually, GREET_ADA, launch, pageTest, searchOf } from "./kit.js";

// Until something has run, the first page shows the way to a first run.
await ended(await launch("hello", GREET_ADA));

pageTest("j3_home_shows_what_runs_now_and_what_failed_last", "/", async (page) => {
  const now = page.getByRole("region", { name: "Running now" });
  await now.waitFor();
  const runId = await launch("slow");
  await now.locator(`a[href="/runs/${runId}"]`).waitFor();
  await cancelAll();
  await now.locator(`a[href="/runs/${runId}"]`).waitFor({ state: "detached" });
  const broken = await launch("breaks");
  await ended(broken);
  const failures = page.getByRole("region", { name: "Last failures" });
  await failures.locator(`a[href="/runs/${broken}"]`).waitFor();
  await failures.getByText("division by zero in row 17").first().waitFor();
});

pageTest("j3_the_timeline_of_home_is_zoomed_and_leads_to_a_run", "/", async (page) => {
  const runId = await launch("hello", GREET_ADA);
  await ended(runId);
  await page.getByRole("button", { name: "1 h", exact: true }).click();
  await eventually("the range stands in the address", () => searchOf(page).hours === "1");
  const bar = page.locator(`[data-bar="${runId}"]`);
  await bar.waitFor();
  const width = () => bar.evaluate((e) => e.getBoundingClientRect().left);
  const before = await width();
  const region = page.getByRole("group", { name: /^Timeline of runs/ });
  await region.focus();
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await eventually("it is zoomed", async () => (await page.getByRole("button", { name: "Further" }).isEnabled()) && (await width()) !== before);
  await page.keyboard.press("0");
  await bar.focus();
  assert.match(await bar.getAttribute("aria-label"), /hello, Succeeded/);
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/runs/${runId}`));
  await page.locator("h1 + [data-status=SUCCESS]").waitFor();
});

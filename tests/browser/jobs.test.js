// The list of jobs and the page of one.
import assert from "node:assert/strict";
import { ended, eventually, launch, pageTest, searchOf } from "./kit.js";

pageTest("j3_jobs_are_searched_opened_and_run", "/jobs", async (page) => {
  await page.locator("[data-job=wide]").waitFor();
  await page.getByRole("searchbox", { name: "Filter jobs" }).fill("wide");
  await page.locator("[data-job=hello]").waitFor({ state: "detached" });
  assert.deepEqual(searchOf(page), { q: "wide" });
  await page.getByRole("link", { name: "wide", exact: true }).click();
  await page.getByRole("heading", { name: "wide" }).waitFor();
  await page.getByRole("link", { name: "Run wide" }).click();
  await page.waitForURL(/\/jobs\/wide\/run/);
  await page.locator("[data-verdict=valid]").waitFor();
});

pageTest("j3_a_graph_shows_typed_steps_and_takes_a_selection", "/jobs/wide", async (page) => {
  await page.locator("[data-box=work]").waitFor();
  assert.equal(await page.locator("[data-box]").count(), 3);
  await page.locator("[data-box=work]").click();
  await page.locator("aside[data-step=work]").getByText("Inputs").waitFor();
  await page.getByRole("button", { name: "Select to run" }).click();
  assert.equal(searchOf(page).select, "work");
  await page.getByRole("link", { name: "Run 1 step" }).click();
  await page.waitForURL(/select=work/);
  assert.equal(await page.getByRole("textbox", { name: "Only these steps" }).inputValue(), "work");
});

pageTest("j3_a_graph_is_walked_by_keys", "/jobs/wide", async (page) => {
  await page.locator("[data-box=shard]").waitFor();
  await page.locator(".react-flow__node[data-id=shard]").focus();
  await page.keyboard.press("Enter");
  await page.locator("aside[data-step=shard]").waitFor();
  await page.getByRole("button", { name: "zoom in", exact: false }).first().click();
});

pageTest("j3_a_run_is_laid_over_the_graph", "/jobs/breaks", async (page) => {
  const { runId } = await ended(await launch("breaks"));
  const overlay = page.getByRole("combobox", { name: "Lay a run over the graph" });
  await eventually("the run can be chosen", () => overlay.locator(`option[value="${runId}"]`).count());
  await overlay.selectOption(runId);
  await page.locator("[data-box=crunch][data-state=FAILED]").waitFor();
  await page.locator("[data-box=publish][data-state=ABANDONED]").waitFor();
  await page.reload();
  await page.locator("[data-box=crunch][data-state=FAILED]").waitFor();
});

pageTest("a_job_that_is_not_there_is_said_to_be_missing", "/jobs/nothing", async (page) => {
  await page.getByRole("alert").waitFor();
});

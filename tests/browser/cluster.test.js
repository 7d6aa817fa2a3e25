// The cluster. The last test takes a worker away.
import assert from "node:assert/strict";
import { ask, cancelAll, ended, eventually, launch, pageTest } from "./kit.js";

const workers = async () => (await ask(`{ workers { id leaving slots running { stepKey runId } } }`)).workers;

pageTest("j3_the_cluster_shows_what_each_worker_runs_now", "/cluster", async (page) => {
  await page.locator("[data-worker]").first().waitFor();
  const runId = await launch("slow");
  const link = page.locator(`[data-worker] a[href="/runs/${runId}?step=wait"]`);
  await link.waitFor();
  const holder = (await workers()).find((worker) => worker.running.some((step) => step.runId === runId));
  assert.equal(await page.locator("[data-worker]").filter({ has: page.locator(`a[href="/runs/${runId}?step=wait"]`) }).getAttribute("data-worker"), holder.id);
  await link.click();
  await page.locator("aside[data-step=wait]").waitFor();
  await cancelAll();
});

pageTest("j3_the_queue_says_what_steps_wait_for", "/cluster", async (page) => {
  const runId = await launch("gpu");
  await page.getByRole("region", { name: "Queue" }).getByText("no worker offers what they ask for").waitFor();
  await cancelAll();
  assert.equal((await ended(runId)).status, "CANCELED");
});

pageTest("j3_a_worker_is_drained", "/cluster", async (page) => {
  const { id } = (await workers())[0];
  await page.getByRole("button", { name: `Drain worker ${id}`, exact: true }).click();
  await eventually("the worker leaves or has left", async () => (await workers()).every((worker) => worker.id !== id || worker.leaving));
  await eventually("the page says so", async () => (await page.locator(`[data-worker="${id}"]`).count()) === 0 || (await page.locator(`[data-worker="${id}"]`).getByText("Leaving").count()) === 1);
});

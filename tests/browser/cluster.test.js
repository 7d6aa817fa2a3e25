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

pageTest("j3_pools_say_who_has_them_and_how_many_wait", "/cluster", async (page) => {
  const pool = page.locator("[data-pool=licence]");
  const [first, second] = [await launch("slow"), await launch("slow")];
  await pool.getByText("1 of 1 taken").waitFor();
  await pool.getByText("1 step waits").waitFor();
  const holder = pool.getByRole("link");
  assert.equal(await holder.getAttribute("href"), `/runs/${first}?step=wait`);
  const { pools } = (await ask(`{ queue { pools { name limit taken waiting holders { runId stepKey } } } }`)).queue;
  assert.deepEqual(pools, [{ name: "licence", limit: 1, taken: 1, waiting: 1, holders: [{ runId: first, stepKey: "wait" }] }]);
  await ask(`mutation($runId: ID!) { terminateRun(runId: $runId) { __typename } }`, { runId: first });
  await page.locator(`[data-pool=licence] a[href="/runs/${second}?step=wait"]`).waitFor();
  await cancelAll();
  await pool.getByText("0 of 1 taken").waitFor();
});

pageTest("j3_runs_that_may_not_begin_say_why", "/cluster", async (page) => {
  const alone = [{ key: "team", value: "etl" }];
  const [first, second] = [await launch("slow", "", alone), await launch("slow", "", alone)];
  const waits = page.locator(`[data-queued="${second}"]`);
  await waits.getByText("may go on at once").waitFor();
  assert.equal(await page.locator("[data-queued]").count(), 1);
  await waits.getByRole("link").click();
  await page.waitForURL(`**/runs/${second}`);
  await page.goBack();
  await ask(`mutation($runId: ID!) { terminateRun(runId: $runId) { __typename } }`, { runId: first });
  await waits.waitFor({ state: "detached" });
  await cancelAll();
});

pageTest("j3_a_worker_is_drained", "/cluster", async (page) => {
  const { id } = (await workers())[0];
  await page.getByRole("button", { name: `Drain worker ${id}`, exact: true }).click();
  await eventually("the worker leaves or has left", async () => (await workers()).every((worker) => worker.id !== id || worker.leaving));
  await eventually("the page says so", async () => (await page.locator(`[data-worker="${id}"]`).count()) === 0 || (await page.locator(`[data-worker="${id}"]`).getByText("Leaving").count()) === 1);
});

// The page of one run.
import assert from "node:assert/strict";
import { ask, cancelAll, ended, eventually, GREET_ADA, launch, onRunPage, pageTest, runIdOf, runOf, searchOf } from "./kit.js";

const row = (page, key) => page.locator(`[data-row="${key}"]`);
const finished = async (job, config) => (await ended(await launch(job, config))).runId;

async function count(runId, field, member) {
  let n = 0;
  let cursor = null;
  for (;;) {
    const answer = (await ask(`query($runId: ID!, $cursor: String) { all: ${field}(runId: $runId, afterCursor: $cursor, limit: 500) { ${field === "logsForRun" ? "... on EventConnection {" : ""} cursor hasMore ${member} ${field === "logsForRun" ? "}" : ""} } }`, { runId, cursor })).all;
    n += (answer.events ?? answer.lines).length;
    if (!answer.hasMore) return n;
    cursor = answer.cursor;
  }
}

pageTest("j3_a_run_is_watched_live_and_a_lost_socket_loses_and_doubles_nothing", "/", async (page) => {
  const sockets = [];
  let refuse = false;
  await page.routeWebSocket(/graphql\/ws/, (socket) => {
    if (refuse) return void socket.close();
    socket.connectToServer();
    sockets.push(socket);
  });
  const runId = await launch("wide");
  await page.goto(`${new URL(page.url()).origin}/runs/${runId}`);
  await page.locator("h1 + [data-status=STARTED]").waitFor();
  await eventually("some copies have ended", async () => (await runOf(runId)).stepCounts.succeeded > 3);
  refuse = true;
  for (const socket of sockets) await socket.close();
  await page.getByText(/reconnecting since/).waitFor();
  await ended(runId);
  refuse = false;
  await page.locator("[data-live=live]").waitFor();
  await page.locator("h1 + [data-status=FAILURE]").waitFor();
  const lines = await count(runId, "capturedLogs", "lines { number }");
  await page.locator(`[data-lines="${lines}"]`).waitFor();
  const events = await count(runId, "logsForRun", "events { seq }");
  await page.getByRole("tab", { name: `Events (${events})` }).click();
  await page.locator(`[data-events="${events}"]`).waitFor();
}, { lossy: true });

pageTest("j3_bars_grow_while_the_run_goes_on", async () => `/runs/${await launch("slow")}`, async (page) => {
  await page.locator("h1 + [data-status=STARTED]").waitFor();
  const drawn = () => page.locator("canvas").evaluate((canvas) => canvas.toDataURL());
  const label = () => row(page, "wait").textContent();
  const [before, first] = [await label(), await drawn()];
  await eventually("the bar has grown", async () => (await label()) !== before && (await drawn()) !== first);
  const shown = () => page.locator("[data-lines]").getAttribute("data-lines").then(Number);
  const n = await shown();
  await eventually("more lines came", async () => (await shown()) > n);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("h1 + [data-status=CANCELED]").waitFor();
  assert.equal((await runOf(runIdOf(page))).status, "CANCELED");
});

pageTest("j3_a_fan_out_is_one_row_until_it_is_opened", async () => `/runs/${await finished("wide")}`, async (page) => {
  assert.match(await row(page, "work").textContent(), /40 of 40 ended/);
  assert.equal(await row(page, "work[k00]").count(), 0);
  await page.locator("[data-fold=work]").click();
  await row(page, "work[k00]").waitFor();
  assert.equal(searchOf(page).open, "work");
  await page.reload();
  await row(page, "work[k00]").waitFor();
  await page.locator("[data-fold=work]").click();
  await row(page, "work[k00]").waitFor({ state: "detached" });
});

pageTest("j3_steps_are_walked_by_keys_and_a_chosen_step_filters_the_logs", async () => `/runs/${await finished("breaks")}`, async (page) => {
  await row(page, "load").focus();
  await page.keyboard.press("j");
  await eventually("the next row has the focus", () => page.evaluate(() => document.activeElement.dataset.row === "crunch"));
  await page.keyboard.press("k");
  await eventually("the row before has it", () => page.evaluate(() => document.activeElement.dataset.row === "load"));
  await page.keyboard.press("Enter");
  await page.locator("aside[data-step=load]").waitFor();
  assert.equal(searchOf(page).step, "load");
  const steps = await page.locator("[data-line]").evaluateAll((lines) => lines.map((line) => line.dataset.line.split(":")[0]));
  assert.deepEqual([...new Set(steps)], ["load"]);
});

pageTest("j3_a_failure_comes_first_with_its_cause_in_one_line", async () => `/runs/${await finished("breaks")}`, async (page) => {
  const card = page.getByRole("region", { name: "What failed" });
  await card.getByText("division by zero in row 17").first().waitFor();
  assert.equal(await card.getAttribute("data-failure"), "crunch");
  assert.match(await card.textContent(), /2 attempts/);
  assert.match(await card.textContent(), /1 step not run because of it: publish/);
  const parent = runIdOf(page);
  await card.getByRole("button", { name: "Run again from the failure" }).click();
  await page.waitForURL((url) => onAnother(url, parent));
  const run = await ended(runIdOf(page));
  assert.equal(run.parentRunId, parent);
  assert.equal(run.status, "FAILURE");
});
const onAnother = (url, parent) => /\/runs\//.test(url.pathname) && !url.pathname.endsWith(parent);

pageTest("j3_some_steps_are_run_again", async () => `/runs/${await finished("wide")}?step=sum`, async (page) => {
  const parent = runIdOf(page);
  await page.getByRole("button", { name: "Run again", exact: true }).click();
  await page.getByRole("menuitem", { name: "Some steps" }).click();
  await page.getByRole("textbox", { name: "Steps to run again" }).fill("shard");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => onAnother(url, parent));
  const run = await ended(runIdOf(page));
  assert.deepEqual(run.steps.filter((step) => step.status === "SUCCEEDED").map((step) => step.template), ["shard"]);
});

pageTest("j3_all_of_a_run_is_run_again_by_keys", async () => `/runs/${await finished("hello", GREET_ADA)}`, async (page) => {
  const parent = runIdOf(page);
  await page.locator("button[aria-haspopup=menu]:enabled").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "All steps" }).waitFor();
  await eventually("the first item has the focus", () => page.evaluate(() => document.activeElement.textContent === "All steps"));
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => onAnother(url, parent));
  assert.match((await ended(runIdOf(page))).runConfigYaml, /"?name"?: "?Ada"?/);
});

pageTest("j3_an_output_is_looked_into", async () => `/runs/${await finished("hello", GREET_ADA)}?step=greet`, async (page) => {
  await page.locator("[data-output=result] button").first().click();
  await page.locator("[data-output=result] pre").waitFor();
  await page.locator("[data-output=result]").getByRole("link", { name: /Download/ }).waitFor();
});

const whyOf = async (runId, stepKey) => (await ask(`query($runId: ID!, $stepKey: String) { whyWaiting(runId: $runId, stepKey: $stepKey) { reason } }`, { runId, stepKey })).whyWaiting;

const asked = async () => {
  const runId = await launch("release");
  await eventually("the step waits", async () => (await whyOf(runId, "publish")).some((why) => why.reason === "wait"));
  return runId;
};

pageTest("g10_a_step_is_approved_with_a_note_that_is_kept", async () => `/runs/${await asked()}`, async (page) => {
  await page.locator("[data-to-approve]").getByRole("button", { name: "publish" }).click();
  const form = page.locator("[data-ask=publish]");
  await form.getByRole("textbox", { name: /Note/ }).fill("as agreed");
  await page.screenshot({ path: `${process.env.OUT}/run-approve.png` });
  await form.getByRole("button", { name: "Approve", exact: true }).click();
  await page.locator("h1 + [data-status=SUCCESS]").waitFor();
  await page.locator("[data-wait=APPROVED]").getByText("as agreed").waitFor();
  assert.equal(await page.locator("[data-to-approve]").count(), 0);
  const { wait } = (await ask(`query($id: ID!) { runOrError(runId: $id) { ... on Run { step(key: "publish") { wait { end note approval } } } } }`, { id: runIdOf(page) })).runOrError.step;
  assert.deepEqual(wait, { end: "APPROVED", note: "as agreed", approval: true });
});

pageTest("g10_a_step_is_rejected_and_the_page_says_so", async () => `/runs/${await asked()}?step=publish`, async (page) => {
  await page.locator("[data-ask=publish]").getByRole("button", { name: "Reject" }).click();
  await page.locator("h1 + [data-status=FAILURE]").waitFor();
  await page.locator("[data-failure=publish]").getByText("was not approved").waitFor();
  await page.locator("[data-wait=REJECTED]").waitFor();
});

pageTest("j3_a_step_says_why_it_waits", async () => `/runs/${await launch("gpu")}?step=train`, async (page) => {
  await page.locator("[data-why]").getByText(/GPU/).first().waitFor();
  await cancelAll();
  await page.locator("h1 + [data-status=CANCELED]").waitFor();
});

pageTest("j3_log_lines_are_filtered_marked_and_found_again", async () => `/runs/${await finished("wide")}`, async (page) => {
  const shown = () => page.locator("[data-lines]").getAttribute("data-lines").then(Number);
  await eventually("lines are there", async () => (await shown()) > 50);
  const all = await shown();
  await page.getByRole("combobox", { name: "Least level" }).selectOption("ERROR");
  await eventually("only errors are left", async () => (await shown()) < all / 10);
  await page.getByRole("combobox", { name: "Least level" }).selectOption("TRACE");
  await page.getByRole("searchbox", { name: "Filter lines" }).fill("work[k3");
  await eventually("the filter stands in the address", () => searchOf(page).q === "work[k3");
  await eventually("only those steps are left", async () => (await shown()) < all / 2 && (await shown()) > 0);
  const line = page.locator("[data-line]").nth(3);
  const id = await line.getAttribute("data-line");
  await line.getByRole("button").click();
  await eventually("the line stands in the address", () => searchOf(page).line === id);
  await page.reload();
  await page.locator(`[data-line="${id}"][aria-current=true]`).waitFor();
});

pageTest("j3_following_stops_when_one_scrolls_up", async () => `/runs/${await launch("slow")}`, async (page) => {
  const log = page.locator("[data-log]");
  await eventually("there is something to scroll", () => log.count().then((n) => n > 0 && log.evaluate((e) => e.scrollHeight > e.clientHeight + 100)));
  const toEnd = () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
  await eventually("it follows", async () => (await toEnd()) < 30);
  await log.hover();
  await page.mouse.wheel(0, -80);
  const follow = page.getByRole("button", { name: "Follow" });
  await follow.waitFor();
  // A wheel's way takes some frames.
  const moves = () => log.evaluate(async (e) => {
    const before = e.scrollTop;
    for (let frame = 0; frame < 5; frame++) await new Promise(requestAnimationFrame);
    return e.scrollTop - before;
  });
  await eventually("it stands still", async () => (await moves()) === 0);
  const top = await log.evaluate((e) => e.scrollTop);
  const n = Number(await page.locator("[data-lines]").getAttribute("data-lines"));
  await eventually("more lines came", async () => Number(await page.locator("[data-lines]").getAttribute("data-lines")) > n + 2);
  assert.equal(await log.evaluate((e) => e.scrollTop), top);
  await follow.click();
  await eventually("it follows again", async () => (await toEnd()) < 30);
  await cancelAll();
  await page.locator("h1 + [data-status=CANCELED]").waitFor();
});

pageTest("j3_a_run_shows_its_graph_and_the_lanes_of_workers", async () => `/runs/${await finished("wide")}?view=graph`, async (page) => {
  await page.locator("[data-box=work][data-state=FAILED]").waitFor();
  await page.locator("[data-box=work]").click();
  await page.locator("aside[data-step=work]").waitFor();
  await page.getByRole("tab", { name: "Timeline" }).click();
  await page.getByRole("button", { name: "By worker" }).click();
  await eventually("lanes are shown", async () => searchOf(page).view === "lanes" && (await page.locator("[data-row]").count()) > 0);
});

pageTest("j3_the_timeline_is_zoomed_by_drag_keys_and_buttons", async () => `/runs/${await finished("wide")}`, async (page) => {
  const out = page.getByRole("button", { name: "Further" });
  await row(page, "work").waitFor();
  assert.ok(await out.isDisabled());
  // What comes late above the timeline moves it.
  await page.getByText("Its last log lines").waitFor();
  const box = await page.locator("canvas").boundingBox();
  await page.mouse.move(box.x + 100, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 12, { steps: 5 });
  await page.mouse.up();
  await eventually("it is zoomed", () => out.isEnabled());
  assert.equal(searchOf(page).step, undefined, "a drag is no click");
  await row(page, "work").focus();
  await page.keyboard.press("0");
  await eventually("all is shown", () => out.isDisabled());
  await page.keyboard.press("+");
  await eventually("it is zoomed by a key", () => out.isEnabled());
});

pageTest("j3_a_run_is_of_use_on_a_phone", async () => `/runs/${await finished("breaks")}`, async (page) => {
  await page.getByText("division by zero in row 17").first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  assert.ok(await page.getByRole("button", { name: "Run again from the failure" }).isVisible());
}, { width: 390, height: 844 });

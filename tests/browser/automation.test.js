// Schedules and sensors: the list, their pages, what is turned on and off, what a tick would do. All are off when a test begins and
// when it has ended.
import assert from "node:assert/strict";
import { ask, cancelAll, ended, eventually, GREET_ADA, launch, onRunPage, pageTest, runs, searchOf } from "./kit.js";

const KINDS = { nightly: "schedule", minutely: "schedule", files: "sensor", moody: "sensor" };
const TICK = `tickId status skipReason error { message } runs { runId runKey refused run { status } }`;
const MUTATION = { schedule: { start: "startSchedule", reset: "resetSchedule" }, sensor: { start: "startSensor", reset: "resetSensor" } };

async function stateOf(name) {
  const fields = `status canReset cursor nextTick ticks(limit: 100) { ${TICK} }`;
  const { it } = await ask(KINDS[name] === "schedule"
    ? `query($name: String!) { it: scheduleOrError(name: $name) { ... on Schedule { futureTicks(limit: 5) state: scheduleState { ${fields} } } } }`
    : `query($name: String!) { it: sensorOrError(name: $name) { ... on Sensor { state: sensorState { ${fields} } } } }`, { name });
  return { ...it.state, futureTicks: it.futureTicks };
}

async function turn(name, to) {
  const { it } = await ask(`mutation($name: String!) { it: ${MUTATION[KINDS[name]][to]}(name: $name) { __typename ... on Error { message } } }`, { name });
  assert.match(it.__typename, /^(Schedule|Sensor)$/, it.message);
}

async function setCursor(name, cursor) {
  const { it } = await ask(`mutation($name: String!, $cursor: String) { it: setSensorCursor(name: $name, cursor: $cursor) { __typename } }`, { name, cursor });
  assert.equal(it.__typename, "Sensor");
}

const is = (name, status) => eventually(`${name} is ${status}`, async () => (await stateOf(name)).status === status);

/** All as they are defined, and nothing of theirs under way. */
async function allOff() {
  for (const name of Object.keys(KINDS)) await turn(name, "reset");
  for (const name of Object.keys(KINDS))
    await eventually(`the last tick of ${name} is over`, async () => {
      const [tick] = (await stateOf(name)).ticks;
      return !tick || (tick.status !== "STARTED" && tick.runs.every(({ run, refused }) => refused !== null || (run && ["SUCCESS", "FAILURE", "CANCELED"].includes(run.status))));
    });
}

const automationTest = (name, path, body) =>
  pageTest(name, path, async (page) => {
    try {
      await body(page);
    } finally {
      await allOff();
    }
  });

const row = (page, name) => page.locator(`[data-automation="${name}"]`);
const toggle = (page, name) => page.getByRole("switch", { name, exact: true });
const checked = (page, name, on) => page.locator(`[role=switch][aria-label="${name}"][aria-checked=${on}][aria-busy=false]`).waitFor();

/** What a try shows, having left all as it was. */
const tried = async (page, name) => {
  const before = { runs: (await runs()).length, state: await stateOf(name) };
  await page.getByRole("button", { name: "Try now" }).click();
  const would = page.getByRole("region", { name: "What a tick would do now" });
  await would.getByText("nothing was launched").waitFor();
  const now = await stateOf(name);
  assert.deepEqual({ runs: (await runs()).length, cursor: now.cursor, ticks: now.ticks, status: now.status },
    { runs: before.runs, cursor: before.state.cursor, ticks: before.state.ticks, status: before.state.status });
  return would;
};

automationTest("i10_a_schedule_is_turned_on_by_the_mouse_and_off_by_space", "/automation", async (page) => {
  await toggle(page, "nightly").click();
  await page.getByText("nightly is on.").waitFor();
  await is("nightly", "RUNNING");
  const { nextTick } = await stateOf("nightly");
  await row(page, "nightly").locator(`time[datetime="${new Date(nextTick * 1000).toISOString()}"]`).waitFor();
  await checked(page, "nightly", true);
  await toggle(page, "nightly").focus();
  await page.keyboard.press("Space");
  await page.getByText("nightly is off.").waitFor();
  await is("nightly", "STOPPED");
  await checked(page, "nightly", false);
});

automationTest("i10_what_was_turned_by_hand_is_put_back_to_its_definition", "/automation/schedules/nightly", async (page) => {
  await toggle(page, "nightly").click();
  const back = page.getByRole("button", { name: "Reset to off" });
  await back.click();
  await back.waitFor({ state: "detached" });
  await checked(page, "nightly", false);
  const { status, canReset } = await stateOf("nightly");
  assert.deepEqual({ status, canReset }, { status: "STOPPED", canReset: false });
});

automationTest("i10_a_sensor_ticks_and_its_runs_appear", "/automation/sensors/files", async (page) => {
  // From a place where it has never been, so that each tick asks for a run of its own.
  const start = String(Date.now());
  await setCursor("files", start);
  await toggle(page, "files").click();
  await page.locator("[data-tick] [data-asked]").filter({ hasText: `tick-${start}` }).getByRole("link").waitFor();
  await checked(page, "files", true);
  await toggle(page, "files").click();
  await is("files", "STOPPED");
  await allOff();
  const { ticks, cursor } = await stateOf("files");
  const [{ runId, runKey }] = ticks.find((tick) => tick.status === "SUCCESS").runs;
  const run = await ended(runId);
  assert.equal(run.jobName, "hello");
  assert.deepEqual(run.tags.filter((tag) => tag.key === "dagster/sensor_name"), [{ key: "dagster/sensor_name", value: "files" }]);
  await page.getByRole("region", { name: "Cursor" }).getByText(cursor, { exact: true }).waitFor();
  await page.getByRole("link", { name: "Automation", exact: true }).click();
  await row(page, "files").locator(`[data-asked="${runId}"] a`).click();
  await onRunPage(page);
  await page.getByText("by sensor").getByRole("link", { name: "files" }).click();
  await page.waitForURL(/\/automation\/sensors\/files$/);
  const tick = page.locator("[data-tick]").filter({ has: page.locator(`[data-asked="${runId}"]`) });
  await tick.getByTitle(`run key ${runKey}`, { exact: true }).waitFor();
  await tick.getByRole("button").click();
  await page.locator("[data-opened] [data-logged]").getByText("looking from").waitFor();
  // The ticks before the newest one are a page of their own.
  await page.goto(`${page.url().split("?")[0]}?before=${ticks[0].tickId}`);
  await page.getByRole("button", { name: "Newest ticks" }).waitFor();
  assert.equal(await page.locator(`[data-tick="${ticks[0].tickId}"]`).count(), 0);
  await page.getByRole("button", { name: "Newest ticks" }).click();
  await page.locator(`[data-tick="${ticks[0].tickId}"]`).waitFor();
  // From where it was then, it would ask for that run again.
  await setCursor("files", runKey.replace("tick-", ""));
  const would = await tried(page, "files");
  await would.locator("[data-request]").filter({ hasText: runKey }).getByText("Gives no new run: an earlier run").waitFor();
});

automationTest("i10_a_sensor_that_fails_says_its_error_once_with_how_often", "/automation", async (page) => {
  await setCursor("moody", null);
  await toggle(page, "moody").click();
  const words = row(page, "moody").locator("[data-words]").filter({ hasText: "no weather today" });
  await words.waitFor();
  await row(page, "moody").getByText(/^×\d/).waitFor();
  await checked(page, "moody", true);
  await toggle(page, "moody").click();
  await is("moody", "STOPPED");
  await allOff();
  const { ticks } = await stateOf("moody");
  const others = ticks.findIndex((tick) => tick.status !== "FAILURE");
  const n = Math.min(50, others < 0 ? ticks.length : others);
  await words.click();
  await page.waitForURL(/\/automation\/sensors\/moody\?tick=/);
  await page.locator(`[data-tick="${ticks[0].tickId}"][data-ticks="${n}"]`).waitFor();
  const opened = page.locator("[data-opened]");
  await opened.locator("[data-error]").getByText("no weather today").first().waitFor();
  assert.equal(await opened.locator("li time").count(), n);
  const button = page.locator("[data-tick] button").first();
  await button.click();
  await opened.waitFor({ state: "detached" });
  await button.focus();
  await page.keyboard.press("Enter");
  await opened.waitFor();
});

automationTest("i10_a_cursor_is_set_by_hand_and_the_next_tick_goes_by_it", "/automation/sensors/moody", async (page) => {
  await setCursor("moody", null);
  const cursor = page.getByRole("region", { name: "Cursor" });
  await cursor.getByText("There is none.").waitFor();
  await cursor.getByRole("button", { name: "Edit" }).click();
  await page.keyboard.type("May");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("The cursor is set.").waitFor();
  await cursor.locator("pre").getByText("May", { exact: true }).waitFor();
  assert.equal((await stateOf("moody")).cursor, "May");
  await toggle(page, "moody").click();
  const skipped = page.locator("[data-tick]").filter({ has: page.locator("[data-status=SKIPPED]") });
  await skipped.getByText("the sun shines").first().waitFor();
  await checked(page, "moody", true);
  await toggle(page, "moody").click();
  await is("moody", "STOPPED");
  const filter = page.getByRole("group", { name: "Filter by status" });
  await filter.getByRole("button", { name: "Failed" }).click();
  assert.equal(searchOf(page).status, "FAILURE");
  await skipped.first().waitFor({ state: "detached" });
  await filter.getByRole("button", { name: "Failed" }).click();
  await filter.getByRole("button", { name: "Skipped" }).click();
  await page.reload();
  await skipped.first().waitFor();
  assert.equal(searchOf(page).status, "SKIPPED");
  assert.equal(await page.locator("[data-tick] [data-status=FAILURE]").count(), 0);
  await cursor.getByRole("button", { name: "Clear" }).click();
  await cursor.getByText("There is none.").waitFor();
  assert.equal((await stateOf("moody")).cursor, null);
});

automationTest("i10_a_try_of_a_sensor_shows_what_would_run_and_launches_nothing", "/automation/sensors/files", async (page) => {
  await setCursor("files", "7000");
  const would = await tried(page, "files");
  const request = would.locator("[data-request]");
  assert.equal(await request.count(), 1);
  await request.getByRole("link", { name: "hello" }).waitFor();
  await request.getByText("tick-7000", { exact: true }).waitFor();
  assert.equal(await request.locator("pre").textContent(), "ops:\n  greet:\n    config:\n      name: tick-7000\n");
  await would.getByText("7001", { exact: true }).waitFor();
  await would.getByRole("button", { name: "Close" }).click();
  await would.waitFor({ state: "detached" });
  await setCursor("files", null);
});

automationTest("i10_a_try_of_a_schedule_shows_its_run_and_when_it_is_due", "/automation/schedules/nightly", async (page) => {
  const would = await tried(page, "nightly");
  await would.locator("[data-request]").getByRole("link", { name: "hello" }).waitFor();
  const { futureTicks } = await stateOf("nightly");
  assert.equal(Date.parse(await would.locator("time").getAttribute("datetime")) / 1000, futureTicks[0]);
});

automationTest("i10_a_try_that_fails_or_skips_says_why", "/automation/sensors/moody", async (page) => {
  await setCursor("moody", null);
  const would = await tried(page, "moody");
  await would.getByText("It would fail:").waitFor();
  await would.getByText("no weather today").first().waitFor();
  await setCursor("moody", "May");
  await tried(page, "moody");
  await would.getByText("the sun shines").waitFor();
  await setCursor("moody", null);
});

automationTest("i10_the_zone_is_switched_for_all_times_of_a_page", "/automation/schedules/nightly", async (page) => {
  const { futureTicks } = await stateOf("nightly");
  const times = page.getByRole("region", { name: "Next ticks" }).locator("time");
  await times.nth(4).waitFor();
  assert.deepEqual(await times.evaluateAll((all) => all.map((time) => Date.parse(time.dateTime) / 1000)), futureTicks);
  const texts = () => page.locator("main time").allTextContents();
  const local = await texts();
  assert.ok(local.every((text) => text.endsWith("GMT+9")), local.join());
  await page.getByRole("button", { name: /^Times in/ }).click();
  const utc = await texts();
  assert.equal(utc.length, local.length);
  assert.ok(utc.every((text, i) => text.endsWith("UTC") && text !== local[i]), utc.join());
});

automationTest("i10_the_filter_of_the_list_stands_in_the_address", "/automation", async (page) => {
  const shown = () => page.locator("[data-automation]").evaluateAll((all) => all.map((one) => one.dataset.automation));
  await row(page, "nightly").waitFor();
  assert.deepEqual(await shown(), ["files", "minutely", "moody", "nightly"]);
  await page.getByRole("combobox", { name: "Filter by kind" }).selectOption("Sensors");
  await page.getByRole("combobox", { name: "Filter by switch" }).selectOption("Off");
  await page.getByRole("searchbox", { name: "Filter by text" }).fill("mood");
  await row(page, "files").waitFor({ state: "detached" });
  assert.deepEqual(searchOf(page), { kind: "sensor", state: "STOPPED", q: "mood" });
  await page.reload();
  await row(page, "moody").waitFor();
  assert.deepEqual(await shown(), ["moody"]);
  await page.getByRole("searchbox", { name: "Filter by text" }).fill("no such words");
  await page.getByText("No schedule or sensor matches the filter").waitFor();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await row(page, "nightly").waitFor();
  assert.deepEqual(searchOf(page), {});
});

automationTest("i10_the_palette_turns_one_on_and_off", "/", async (page) => {
  const choose = async (text) => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to, run or open" }).fill(text);
    await page.getByRole("option", { name: text }).waitFor();
    await page.keyboard.press("Enter");
  };
  await page.locator("[data-live=live]").waitFor();
  await choose("Turn on nightly");
  await page.waitForURL(/\/automation\/schedules\/nightly$/);
  await is("nightly", "RUNNING");
  await checked(page, "nightly", true);
  await choose("Turn off nightly");
  await is("nightly", "STOPPED");
  await checked(page, "nightly", false);
  await choose("Go to Automation");
  await page.waitForURL(/\/automation$/);
});

automationTest("i10_home_says_what_ticks_next_while_something_is_on", "/", async (page) => {
  await ended(await launch("hello", GREET_ADA));
  await page.getByRole("region", { name: "Running now" }).waitFor();
  const next = page.getByRole("region", { name: "Next", exact: true });
  assert.equal(await next.count(), 0);
  await turn("nightly", "start");
  await turn("minutely", "start");
  await next.locator("[data-next]").nth(1).waitFor();
  assert.deepEqual(await next.locator("[data-next]").evaluateAll((all) => all.map((one) => one.dataset.next)), ["minutely", "nightly"]);
  await turn("minutely", "reset");
  await turn("nightly", "reset");
  await next.waitFor({ state: "detached" });
  await cancelAll();
});

automationTest("without_any_the_page_says_what_to_write", "/", async (page) => {
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData().includes("query Automation")) return route.continue();
    await route.fulfill({ json: { data: { schedulesOrError: { __typename: "Schedules", results: [] }, sensorsOrError: { __typename: "Sensors", results: [] } } } });
  });
  await page.getByRole("link", { name: "Automation", exact: true }).click();
  await page.getByText("There is no schedule and no sensor yet").waitFor();
  await page.getByRole("button", { name: /^Copy the text/ }).click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\[schedules\.nightly\]\njob = "\w+"\ncron = "30 2 \* \* \*"\ntimezone = "Asia\/Tokyo"\n/);
});

for (const kind of ["schedule", "sensor"])
  automationTest(`a_${kind}_that_is_not_there_is_said_to_be_missing`, `/automation/${kind}s/nothing`, async (page) => {
    await page.getByRole("heading", { name: `There is no such ${kind}` }).waitFor();
    await page.getByRole("link", { name: "Go to all of automation" }).click();
    await row(page, "nightly").waitFor();
  });

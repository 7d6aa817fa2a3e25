// A deployment: people with tokens and what they may do, and several code locations. The server has `hello` and `nightly`, which is
// off, in two of them, and a third whose definitions cannot be read. COFFERDAM_TOKENS holds the tokens of a viewer, a launcher and an
// operator, and COFFERDAM_REVOKE the command that ends the viewer's.
import assert from "node:assert/strict";
import { execSync } from "node:child_process";
import { before } from "node:test";
import { ask, axeIsContent, enter, eventually, onRunPage, pageTest, runIdOf, runOf, runs, searchOf } from "./kit.js";

const TOKENS = JSON.parse(process.env.COFFERDAM_TOKENS);
const SIZES = [[1440, 900], [390, 844]];
/** Longer than any wait before something is tried again. */
const A_MINUTE_MS = 60_000;
let first, second, third;

before(async () => {
  await enter(TOKENS.operator);
  const { locationEntries } = await eventually("all definitions are read", async () => {
    const { workspaceOrError } = await ask(`{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus jobs { name } } } } }`);
    return workspaceOrError.locationEntries.every((entry) => entry.loadStatus !== "LOADING") && workspaceOrError;
  });
  [first, second] = locationEntries.filter((entry) => entry.jobs.some((job) => job.name === "hello")).map((entry) => entry.name);
  third = locationEntries.find((entry) => entry.loadStatus === "FAILED").name;
});

/** Nobody is signed in when it begins, and so its first question is refused. */
const visitTest = (name, path, body, options) => pageTest(name, path, body, { ...options, refused: true });

const field = (page) => page.getByRole("textbox", { name: "Token", exact: true });
const signInPage = (page) => page.getByRole("heading", { name: "Sign in", exact: true }).waitFor();

async function signIn(page, role) {
  await signInPage(page);
  await field(page).fill(TOKENS[role]);
  await page.keyboard.press("Enter");
  await page.locator(`[data-visitor] [title$=", ${role}"]`).waitFor();
  await page.locator("[data-live=live]").waitFor();
}

async function isBarred(thing, role) {
  await thing.waitFor();
  assert.deepEqual({ disabled: await thing.isDisabled(), title: await thing.getAttribute("title") }, { disabled: true, title: `takes the role ${role}` });
}

/** The answer to a question that the page itself sends, with its cookie. */
const askedByPage = (page, query) =>
  page.evaluate(async (query) => {
    const response = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query }) });
    return { status: response.status, answer: await response.json() };
  }, query);

const statusOf = async (location) => {
  const { it } = await ask(`query($location: String) { it: scheduleOrError(name: "nightly", location: $location) { ... on Schedule { scheduleState { status } } } }`, { location });
  return it.scheduleState.status;
};

visitTest("f16_a_wrong_token_is_refused_at_the_field_and_a_right_one_leads_to_the_page_that_was_asked_for", "/runs?status=FAILURE", async (page) => {
  await signInPage(page);
  await field(page).fill("no such token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#token[aria-invalid=true]").waitFor();
  assert.ok((await page.locator(`#${await field(page).getAttribute("aria-describedby")}`).textContent()).trim());
  await eventually("the field has the focus again", () => field(page).evaluate((element) => element === document.activeElement));
  await signIn(page, "viewer");
  await page.getByRole("heading", { name: "Runs" }).waitFor();
  assert.deepEqual(searchOf(page), { status: "FAILURE" });
  await page.locator("button[aria-pressed=true] [data-status=FAILURE]").waitFor();
});

visitTest("f16_while_nobody_is_signed_in_one_question_is_asked_and_no_socket_is_tried", "/cluster", async (page) => {
  await signInPage(page);
  const asked = [];
  page.on("request", (request) => new URL(request.url()).pathname === "/graphql" && asked.push(request));
  page.on("websocket", (socket) => asked.push(socket));
  await page.clock.install();
  await page.reload();
  await signInPage(page);
  await page.clock.fastForward(A_MINUTE_MS);
  assert.equal(asked.length, 1);
  assert.equal(await page.locator("[data-live]").count(), 0);
});

visitTest("f16_the_cookie_is_not_readable_by_scripts", "/", async (page) => {
  await signIn(page, "viewer");
  assert.equal(await page.evaluate(() => document.cookie), "");
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.map(({ httpOnly }) => httpOnly), [true]);
  const stored = await page.evaluate(() => Object.values({ ...localStorage, ...sessionStorage }).join());
  assert.equal(stored.includes(TOKENS.viewer), false);
});

visitTest("f16_a_viewer_sees_and_cannot_launch", "/jobs", async (page) => {
  await signIn(page, "viewer");
  const before = (await runs()).length;
  await isBarred(page.getByRole("button", { name: `Run hello of ${first}` }), "launcher");
  await page.goto(page.url() + `/hello/run?location=${first}`);
  await page.locator("[data-verdict=valid]").waitFor();
  await isBarred(page.getByRole("button", { name: /^Launch/ }), "launcher");
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, run or open" }).fill("hello");
  await page.getByRole("option", { name: "Open job hello" }).nth(1).waitFor();
  assert.equal(await page.getByRole("option", { name: "Run hello" }).count(), 0);
  await page.keyboard.press("Escape");
  const { answer } = await askedByPage(page, `mutation { launchRun(request: { jobName: "hello", location: "${first}" }) { __typename ... on Error { message } } }`);
  assert.match(answer.errors?.[0].message ?? answer.data.launchRun.message, /launcher/i);
  assert.equal((await runs()).length, before);
});

visitTest("f16_a_viewer_cannot_turn_or_load_anything", "/automation", async (page) => {
  await signIn(page, "viewer");
  await isBarred(page.getByRole("switch", { name: `nightly of ${first}` }), "operator");
  await page.getByRole("link", { name: "Settings", exact: true }).click();
  await isBarred(page.getByRole("button", { name: "Load again" }), "operator");
  const { answer } = await askedByPage(page, `mutation { startSchedule(name: "nightly", location: "${first}") { __typename ... on Error { message } } }`);
  assert.match(answer.errors?.[0].message ?? answer.data.startSchedule.message, /operator/i);
  assert.equal(await statusOf(first), "STOPPED");
});

visitTest("f16_a_launcher_launches_a_job_of_the_second_location", "/jobs", async (page) => {
  await signIn(page, "launcher");
  await page.getByRole("link", { name: `Run hello of ${second}` }).click();
  await page.waitForURL(/\/jobs\/hello\/run/);
  assert.deepEqual(searchOf(page), { location: second });
  await page.locator("[data-verdict=valid]").waitFor();
  const launched = page.waitForRequest((request) => request.postData()?.includes("mutation Launch") ?? false);
  await page.getByRole("button", { name: /^Launch/ }).click();
  assert.equal((await launched).postDataJSON().variables.request.location, second);
  await onRunPage(page);
  assert.equal((await runOf(runIdOf(page))).jobName, "hello");
});

visitTest("i10_an_operator_turns_on_a_schedule_of_the_second_location_and_that_of_the_first_stays_off", "/automation", async (page) => {
  await signIn(page, "operator");
  const toggle = (location) => page.getByRole("switch", { name: `nightly of ${location}`, exact: true });
  try {
    await toggle(second).click();
    await page.getByText(`nightly of ${second} is on.`).waitFor();
    assert.deepEqual([await statusOf(first), await statusOf(second)], ["STOPPED", "RUNNING"]);
    assert.equal(await toggle(first).getAttribute("aria-checked"), "false");
    await page.locator(`[data-automation=nightly][data-of="${second}"]`).getByRole("link", { name: "nightly" }).click();
    await page.waitForURL(/\/automation\/schedules\/nightly/);
    assert.deepEqual(searchOf(page), { location: second });
    await page.locator(`[role=switch][aria-label="nightly of ${second}"][aria-checked=true][aria-busy=false]`).click();
    await eventually("it is off again", async () => (await statusOf(second)) === "STOPPED");
  } finally {
    await ask(`mutation($location: String) { resetSchedule(name: "nightly", location: $location) { __typename } }`, { location: second });
  }
});

visitTest("j3_a_name_that_two_locations_have_is_asked_for", "/jobs/hello?step=greet", async (page) => {
  await signIn(page, "viewer");
  await page.getByRole("main").getByRole("link", { name: second, exact: true }).click();
  await page.locator("[data-box]").first().waitFor();
  assert.deepEqual(searchOf(page), { step: "greet", location: second });
  await page.goto(page.url().replace(/\/jobs.*/, "/automation/schedules/nightly"));
  await page.getByRole("main").getByRole("link", { name: second, exact: true }).click();
  await page.getByRole("switch", { name: `nightly of ${second}` }).waitFor();
});

visitTest("j3_a_location_that_cannot_be_read_is_shown_while_the_others_work", "/settings", async (page) => {
  await signIn(page, "viewer");
  await page.getByRole("alert").filter({ hasText: `The definitions of ${third}` }).waitFor();
  const states = page.getByRole("region", { name: "Definitions" }).locator("[data-location-state]");
  assert.deepEqual(await states.evaluateAll((all) => all.map((one) => `${one.dataset.location} ${one.dataset.locationState}`).sort()), [`${first} LOADED`, `${second} LOADED`, `${third} FAILED`].sort());
  assert.ok((await page.locator(`[data-location="${third}"] ol li`).count()) > 0, "what is wrong is said");
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  for (const location of [first, second]) await page.locator(`[data-job=hello][data-of="${location}"]`).waitFor();
});

visitTest("f16_who_signs_out_leaves_nothing_behind_and_another_may_sign_in", "/jobs", async (page) => {
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket));
  await signIn(page, "launcher");
  await page.locator(`[data-job=hello][data-of="${first}"]`).waitFor();
  const before = sockets.length;
  await page.getByRole("button", { name: "Sign out" }).click();
  await signInPage(page);
  assert.doesNotMatch(await page.locator("body").innerText(), /hello|does not hold/);
  assert.equal((await askedByPage(page, "{ version }")).status, 401);
  assert.match(page.url(), /\/jobs$/);
  await signIn(page, "operator");
  await page.locator(`[data-job=hello][data-of="${first}"]`).waitFor();
  assert.equal(sockets.length, before + 1, "who comes next has a socket of their own");
  await eventually("the sockets of who was there before are closed", () => sockets.slice(0, before).every((socket) => socket.isClosed()));
});

for (const scheme of ["light", "dark"])
  for (const [width, height] of SIZES)
    visitTest(`j3_signing_in_at_${width}_${scheme}`, "/runs", async (page) => {
      const shown = async (name) => {
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "the page is wider than the screen");
        await page.screenshot({ path: `${process.env.OUT}/${name}-${width}-${scheme}.png` });
        await axeIsContent(page);
      };
      await signInPage(page);
      await shown("signin");
      await field(page).fill("no such token");
      await page.keyboard.press("Enter");
      await page.locator("#token[aria-invalid=true]").waitFor();
      await shown("signin-refused");
      await signIn(page, "operator");
      await shown("signed-in");
    }, { width, height, scheme });

// The viewer's token is of no use after this.
visitTest("f16_a_revoked_token_leads_to_the_sign_in_page", "/automation", async (page) => {
  await signIn(page, "viewer");
  await page.locator("[data-automation=nightly]").first().waitFor();
  // Nothing is asked for again here: only the socket can tell.
  const quiet = await page.context().newPage();
  await quiet.goto(page.url().replace("automation", "settings"));
  await quiet.locator("[data-live=live]").waitFor();
  execSync(process.env.COFFERDAM_REVOKE, { stdio: "pipe" });
  for (const one of [page, quiet]) {
    await signInPage(one);
    await one.getByText("Your token does not hold any more.").waitFor();
    assert.doesNotMatch(await one.locator("body").innerText(), /nightly|hello/);
  }
  await field(page).fill(TOKENS.viewer);
  await page.keyboard.press("Enter");
  await page.locator("#token[aria-invalid=true]").waitFor();
  await signIn(page, "launcher");
  await page.locator("[data-automation=nightly]").first().waitFor();
}, { lossy: true });

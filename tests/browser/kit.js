// What the browser tests share: a page that is watched for everything that may not happen, the API beside it, axe, screenshots.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const BASE = process.env.BASE_URL;
/** Bound of every wait: far more than anything here takes, even on a busy machine. */
const WAIT_MS = 20_000;
const POLL_MS = 50;

const browser = await chromium.launch({
  executablePath: process.env.COFFERDAM_CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
after(() => browser.close());

/** A test with a page at `path`. At its end: no error on the console, no failed request, nothing from elsewhere, axe content. It may
 *  be `lossy`, and lose its server, or `refused`, and ask for what it is not let have. */
export function pageTest(name, path, body, { width = 1440, height = 900, scheme = "light", lossy = false, refused = false } = {}) {
  test(name, { timeout: 120_000 }, async () => {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, timezoneId: "Asia/Tokyo", locale: "en-GB", reducedMotion: "reduce" });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const problems = watch(page, { lossy, refused });
    try {
      await page.goto(BASE + (typeof path === "function" ? await path() : path));
      await body(page);
      await axeIsContent(page);
      assert.deepEqual(problems, []);
    } catch (error) {
      await page.screenshot({ path: `${process.env.OUT}/failed-${name.replace(/\W+/g, "-").slice(0, 60)}.png` });
      await cancelAll();
      throw error;
    } finally {
      await context.close();
    }
  });
}

function watch(page, { lossy, refused }) {
  const problems = [];
  page.on("console", (message) => {
    const expected = (lossy && /WebSocket|ERR_/.test(message.text())) || (refused && /status of 40[13]/.test(message.text()));
    if (message.type() === "error" && !expected) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`page: ${error.stack}`));
  page.on("response", (response) => response.status() >= 400 && !(refused && [401, 403].includes(response.status())) && problems.push(`${response.status()} ${response.url()}`));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith("http") && host !== new URL(BASE).host) problems.push(`from elsewhere: ${request.url()}`);
  });
  return problems;
}

export async function axeIsContent(page) {
  // Every page has one; before it is there, no page is.
  await page.locator("h1").first().waitFor();
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`), []);
}

/** Until `ask` answers something truthy, which is returned. */
export async function eventually(what, ask) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) assert.fail(`this did not come true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

// The API, as any other client sees it.

let cookie = "";

/** Asks as who has the token from here on. */
export async function enter(token) {
  const response = await fetch(`${BASE}/session`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token }) });
  assert.equal(response.status, 204);
  cookie = response.headers.getSetCookie().map((one) => one.split(";")[0]).join("; ");
}

export async function ask(query, variables = {}) {
  const response = await fetch(`${BASE}/graphql`, { method: "POST", headers: { "content-type": "application/json", cookie }, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

export async function launch(jobName, runConfigYaml = "", tags = []) {
  const { launchRun } = await ask(
    `mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename ... on Error { message } ... on LaunchRunSuccess { run { runId } } } }`,
    { request: { jobName, runConfigYaml, tags } },
  );
  assert.equal(launchRun.__typename, "LaunchRunSuccess", launchRun.message);
  return launchRun.run.runId;
}

export const GREET_ADA = "ops:\n  greet:\n    config:\n      name: Ada\n";

export async function runOf(runId) {
  const { runOrError } = await ask(
    `query($runId: ID!) { runOrError(runId: $runId) { ... on Run { runId jobName status parentRunId runConfigYaml firstError tags { key value } nSteps stepCounts { succeeded failed abandoned } steps { key template status } } } }`, { runId });
  return runOrError;
}

export const ended = (runId) =>
  eventually(`run ${runId} has ended`, async () => {
    const run = await runOf(runId);
    return ["SUCCESS", "FAILURE", "CANCELED"].includes(run.status) && run;
  });

export async function runs(filter = {}) {
  const all = [];
  let cursor = null;
  do {
    const { runsOrError } = await ask(`query($filter: RunsFilter!, $cursor: String) { runsOrError(filter: $filter, cursor: $cursor, limit: 200) { ... on Runs { cursor results { runId jobName status } } } }`, { filter, cursor });
    all.push(...runsOrError.results);
    cursor = runsOrError.cursor;
  } while (cursor);
  return all;
}

export async function cancelAll() {
  const open = await runs({ statuses: ["QUEUED", "STARTED"] });
  if (open.length > 0) await ask(`mutation($runIds: [ID!]!) { terminateRuns(runIds: $runIds) { __typename } }`, { runIds: open.map((run) => run.runId) });
  for (const { runId } of open) await ended(runId);
}

export const runIdOf = (page) => new URL(page.url()).pathname.split("/").at(-1);
export const searchOf = (page) => Object.fromEntries(new URL(page.url()).searchParams);
export async function onRunPage(page) {
  await page.waitForURL(/\/runs\/[^/?]+/);
  await page.locator("h1 + [data-status]").waitFor();
}

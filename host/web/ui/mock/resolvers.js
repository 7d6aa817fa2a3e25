// What the mock server answers: definitions from world.js, runs from sim.js.
import { readFileSync } from "node:fs";
import { automation, remember } from "./automation.js";
import { complete, scaffold, validate } from "./config.js";
import { having, locations } from "./locations.js";
import { advance, cancel, changed, launch, runs } from "./sim.js";
import { configSchema, graph, jobs, libraries } from "./world.js";

const startedAt = Date.now() / 1000;
const empty = process.argv.includes("--empty");
const tagList = (tags = {}) => Object.entries(tags).map(([key, value]) => ({ key, value }));
const newest = (filter = () => true) => [...runs.values()].filter(filter).sort((a, b) => b.creationTime - a.creationTime);

if (!empty) {
  const names = ["delays", "hello", "breaks", "wide"];
  for (let i = 0; i < 400; i++) {
    const at = startedAt - 30 - i * 97 - (i % 7) * 11;
    const run = launch(names[(i * 7 + (i >> 2)) % 4], { at, tags: [{ key: "team", value: i % 3 ? "air" : "sea" }], config: i % 4 ? "" : "ops:\n  greet:\n    config:\n      name: Ada\n" });
    advance(run, Infinity);
  }
  remember(advance);
}

const workers = [1, 2, 3].map((n) => ({
  id: String(n), slots: 4, leaving: false,
  resources: [{ key: "MEMORY", value: "8GiB" }, { key: "CPU", value: "4" }], labels: [{ key: "zone", value: n < 3 ? "eu" : "us" }, { key: "arch", value: "x86_64" }],
}));

const runningSteps = () => newest((run) => run.status === "STARTED").flatMap((run) =>
  [...run.steps.values()].filter((step) => step.status === "RUNNING").map((step) => ({ runId: run.runId, stepKey: step.key, attempt: 1, since: step.attempts.at(-1).dispatchedAt, worker: step.attempts.at(-1).worker })));

function view(run) {
  const steps = [...run.steps.values()];
  const failed = steps.find((step) => step.status === "FAILED");
  const count = (status) => steps.filter((step) => step.status === status).length;
  return {
    __typename: "Run", ...run, steps,
    firstError: failed ? `${failed.key}: ${failed.attempts.at(-1).failure.message}` : null,
    canTerminate: ["QUEUED", "STARTED"].includes(run.status),
    nSteps: steps.length,
    stepCounts: { succeeded: count("SUCCEEDED"), failed: count("FAILED"), skipped: count("SKIPPED"), abandoned: count("ABANDONED"), cancelled: count("CANCELLED"), retries: steps.reduce((n, s) => n + Math.max(0, s.attempts.length - 1), 0), lost: 0 },
    plan: () => graph(run.jobName),
    failure: failed ? { stepKey: failed.key, attempts: failed.attempts.length, failure: failed.attempts.at(-1).failure } : null,
    libraries: libraries.map((library) => ({ key: library.name, value: library.digest })),
    childRunIds: newest((other) => other.parentRunId === run.runId).map((other) => other.runId),
  };
}

const jobView = (location) => (name) => ({
  __typename: "Job", name, location, description: jobs[name].description, tags: tagList(jobs[name].tags), isAssetJob: false,
  graph: () => ({ graph: graph(name), diagnostics: [], error: null }), partitions: null, runs: ({ limit = 10 }) => newest((run) => run.jobName === name).slice(0, limit).map(view),
});

const project = process.argv.includes("--project") ? process.argv[process.argv.indexOf("--project") + 1] : null;

function load() {
  const lines = project ? readFileSync(`${project}/cofferdam.toml`, "utf8").split("\n") : [];
  const line = lines.findIndex((text) => text.includes("stpes")) + 1;
  locations[0].problems = line > 0 ? [ { severity: "ERROR", code: "config::unknown-key", message: "unknown key `stpes`", file: "cofferdam.toml", line, column: 1, endLine: line, endColumn: 6, label: "no such key", hint: "did you mean `steps`?", rendered: "error: unknown key `stpes`" }] : [];
  changed.emit("location");
  return workspace();
}

const workspace = () => ({ __typename: "Workspace", locationEntries: locations.map(({ problems, jobs, ...entry }) => ({
  ...entry, loadedAt: startedAt, loadStatus: problems.length > 0 ? "FAILED" : "LOADED", diagnostics: problems, jobs: jobs.map(jobView(entry.name)),
})) });

const noRun = (runId) => ({ __typename: "RunNotFoundError", message: `there is no run ${runId}`, runId });

function launched({ jobName, location, runConfigYaml = "", tags = [], stepSelection }) {
  if (having(jobName, location).length === 0) return { __typename: "PipelineNotFoundError", message: `there is no job ${jobName}`, jobName };
  const { isValid, diagnostics } = validate(jobName, runConfigYaml);
  if (!isValid) return { __typename: "RunConfigValidationInvalid", message: "the run config is not valid", diagnostics };
  return { __typename: "LaunchRunSuccess", warnings: [], run: view(launch(jobName, { config: runConfigYaml, tags, only: stepSelection?.length ? new Set(stepSelection) : null })) };
}

const terminated = (runId) => {
  const run = runs.get(runId);
  if (!run) return noRun(runId);
  if (run.endTime) return { __typename: "TerminateRunFailure", message: "the run has ended" };
  cancel(run);
  return { __typename: "TerminateRunSuccess", run: view(run) };
};

/** Yields after each change of what `wanted` names, at most every `everyMs`. */
async function* changes(name, wanted, everyMs) {
  let wake = () => {};
  let dirty = true;
  const touch = (about) => wanted(about) && ((dirty = true), wake());
  changed.on(name, touch);
  try {
    for (;;) {
      if (!dirty) await new Promise((resolve) => (wake = resolve));
      dirty = false;
      yield;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  } finally {
    changed.off(name, touch);
  }
}

export const root = {
  version: "0.1.0",
  instance: { name: "mock", version: "0.1.0", stateDir: "/srv/flights/.cofferdam", startedAt },
  workspaceOrError: workspace,
  // Its project has none.
  assetNodes: () => ({ __typename: "AssetNodes", nodes: [] }),
  jobOrError({ name, location }) {
    const [found] = having(name, location);
    return found ? jobView(found.name)(name) : { __typename: "PipelineNotFoundError", message: `there is no job ${name}`, jobName: name };
  },
  runsOrError({ filter, cursor, limit = 100 }) {
    const { runIds, pipelineName, statuses, tags, createdAfter } = filter ?? {};
    const all = newest((run) => (!runIds || runIds.includes(run.runId)) && (!pipelineName || run.jobName === pipelineName) && (!statuses || statuses.includes(run.status))
      && (!createdAfter || run.creationTime > createdAfter)
      && (tags ?? []).every((tag) => run.tags.some((t) => t.key === tag.key && t.value === tag.value)));
    const from = cursor ? all.findIndex((run) => run.runId === cursor) + 1 : 0;
    const page = all.slice(from, from + limit);
    return { __typename: "Runs", results: page.map(view), cursor: from + limit < all.length ? page.at(-1).runId : null };
  },
  runOrError: ({ runId }) => (runs.has(runId) ? view(runs.get(runId)) : noRun(runId)),
  isPipelineConfigValid: ({ request }) => {
    const { isValid, diagnostics } = validate(request.jobName, request.runConfigYaml ?? "");
    return { isValid, diagnostics, steps: isValid ? graph(request.jobName).steps.filter((s) => !request.stepSelection?.length || request.stepSelection.includes(s.key)) : [] };
  },
  runConfigSchemaOrError: ({ job }) => ({ __typename: "RunConfigSchema", schema: configSchema(job) }),
  scaffoldRunConfig: ({ request, how }) => (how === "SCAFFOLD" ? scaffold : complete)(request.jobName, request.runConfigYaml ?? "", how),
  workers: () => workers.map((worker) => ({ ...worker, running: runningSteps().filter((step) => step.worker === worker.id) })),
  queue: () => {
    const waiting = newest((run) => run.status === "STARTED").flatMap((run) => [...run.steps.values()].filter((s) => s.status === "READY").map((s) => (jobs[run.jobName].steps[s.template].resources ? "no_worker_fits" : "busy")));
    return { runs: [{ name: "queued", count: newest((run) => run.status === "QUEUED").length }, { name: "started", count: newest((run) => run.status === "STARTED").length }],
      waiting: [...new Set(waiting)].map((name) => ({ name, count: waiting.filter((w) => w === name).length })), running: runningSteps().length, slots: 12, queued: [], moreQueued: 0,
      pools: [{ name: "licence", limit: null, taken: 0, waiting: 0, holders: [] }] };
  },
  whyWaiting: ({ runId, stepKey }) => [...(runs.get(runId)?.steps.values() ?? [])].filter((s) => ["WAITING", "READY"].includes(s.status) && (!stepKey || s.key === stepKey))
    .map((s) => ({ stepKey: s.key, reason: "unsatisfiable", text: jobs[runs.get(runId).jobName].steps[s.template].resources ? "no worker offers GPU=1: worker-1 is nearest, it offers CPU=4, MEMORY=8GiB" : "waits for steps before it, or a free slot" })),
  valuePreview: ({ runId, stepKey, output }) => {
    const url = `/values/${runId}/${stepKey}/${output}`;
    const digest = `blake3:${"0".repeat(64)}`;
    if (output === "table") return { kind: "bytes", mediaType: "application/vnd.apache.arrow.stream", sizeBytes: 40_960, digest, url };
    if (output === "page") return { kind: "text", mediaType: "text/html", sizeBytes: 44, digest, url, text: "<h1>Delays</h1>\n<p>遅延は平均 12.6 分 ✈️</p>" };
    return { kind: "json", mediaType: "application/cbor", sizeBytes: 31, digest, url, json: { mean: 12.6, months: ["m01", "m02"], ok: true } };
  },
  launchRun: ({ request }) => launched(request),
  launchRunReexecution({ parentRunId, strategy, stepSelection }) {
    const parent = runs.get(parentRunId);
    if (!parent) return noRun(parentRunId);
    const done = strategy === "FROM_FAILURE" ? new Set([...parent.steps.values()].filter((s) => s.status === "SUCCEEDED" && s.key === s.template).map((s) => s.key)) : new Set();
    const only = strategy === "SELECTION" ? new Set(stepSelection.map((key) => key.replace(/\[.*/, ""))) : null;
    return { __typename: "LaunchRunSuccess", warnings: [], run: view(launch(parent.jobName, { config: parent.runConfigYaml, tags: parent.tags, parent, done, only })) };
  },
  terminateRun: ({ runId }) => terminated(runId),
  terminateRuns: ({ runIds }) => runIds.map(terminated),
  drainWorker({ worker }) {
    workers.find((w) => w.id === worker).leaving = true;
    changed.emit("run", {});
    return { __typename: "DrainWorkerSuccess", worker };
  },
  ...automation(view),
  reloadWorkspace: load,
  logsForRun({ runId, afterCursor, limit = 500 }) {
    const at = Number(afterCursor ?? 0);
    const { events } = runs.get(runId);
    return { __typename: "EventConnection", events: events.slice(at, at + limit), cursor: String(Math.min(at + limit, events.length)), hasMore: at + limit < events.length };
  },
  capturedLogs({ runId, afterCursor, limit = 1000 }) {
    const at = Number(afterCursor ?? 0);
    const { lines } = runs.get(runId);
    return { lines: lines.slice(at, at + limit), cursor: String(Math.min(at + limit, lines.length)), hasMore: at + limit < lines.length };
  },
};

export const subscriptions = {
  async *pipelineRunLogs({ runId, cursor }) {
    const run = runs.get(runId);
    if (!run) throw new Error(`there is no run ${runId}`);
    let at = Number(cursor ?? 0);
    for await (const _ of changes("run", (about) => about === run, 60)) {
      const events = run.events.slice(at, at + 500);
      at += events.length;
      const keys = new Set(events.map((event) => event.stepKey));
      yield { pipelineRunLogs: { events, cursor: String(at), hasMorePastEvents: at < run.events.length, steps: [...run.steps.values()].filter((s) => keys.has(s.key)), run: view(run) } };
      if (run.endTime && at >= run.events.length) return;
    }
  },
  async *capturedLogs({ runId, stepKey, cursor }) {
    const run = runs.get(runId);
    if (!run) throw new Error(`there is no run ${runId}`);
    let at = Number(cursor ?? 0);
    for await (const _ of changes("run", (about) => about === run, 60)) {
      const lines = run.lines.slice(at, at + 2000);
      at += lines.length;
      if (lines.length > 0) yield { capturedLogs: { lines: lines.filter((l) => !stepKey || l.stepKey === stepKey), cursor: String(at), hasMore: at < run.lines.length } };
      if (run.endTime && at >= run.lines.length) return;
    }
  },
  async *runsChanged() {
    const seen = new Set();
    const note = (run) => run.runId && seen.add(run.runId);
    changed.on("run", note);
    try {
      for await (const _ of changes("run", () => true, 500)) {
        if (seen.size > 0) yield { runsChanged: { runIds: [...seen] } };
        seen.clear();
      }
    } finally {
      changed.off("run", note);
    }
  },
  async *locationStateChangeEvents() {
    let version = 0;
    for await (const _ of changes("location", () => true, 100)) {
      yield { locationStateChangeEvents: { version: version++ } };
    }
  },
};

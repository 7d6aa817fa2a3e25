// Made-up runs: what happens to a run is computed in the order of time, at once for the past and as the clock goes for the present.
import { EventEmitter } from "node:events";
import { graph, jobs } from "./world.js";

const SLOTS = 4;
export const changed = new EventEmitter().setMaxListeners(0);
export const runs = new Map();
const LEVELS = ["DEBUG", "INFO", "INFO", "INFO", "WARN"];

let made = 0;
const id = (at) => `${Math.floor(at * 1000).toString(16).padStart(12, "0").replace(/^(.{8})(.{4})$/, "$1-$2")}-7000-8000-${(++made).toString(16).padStart(12, "0")}`;

export function launch(jobName, { at = Date.now() / 1000, config = "", tags = [], parent = null, only = null, done = new Set() } = {}) {
  const job = jobs[jobName];
  const run = {
    runId: id(at), jobName, status: "QUEUED", creationTime: at, startTime: null, endTime: null, tags, parentRunId: parent?.runId ?? null,
    rootRunId: parent ? (parent.rootRunId ?? parent.runId) : null, runConfigYaml: config, events: [], lines: [], steps: new Map(), agenda: [], free: SLOTS, clock: at,
  };
  const names = Object.keys(job.steps).filter((key) => !only || only.has(key));
  for (const name of names) addStep(run, name, name);
  for (const key of done) run.steps.has(key) && (run.steps.get(key).status = "SUCCEEDED");
  runs.set(run.runId, run);
  event(run, at, "RUN_ENQUEUED", null, `${jobName} is queued`);
  plan(run, at + 0.15, () => {
    run.status = "STARTED";
    run.startTime = run.clock;
    event(run, run.clock, "RUN_START", null, `${jobName} has started`);
    schedule(run);
  });
  return run;
}

function addStep(run, key, template) {
  const order = run.steps.size;
  run.steps.set(key, { key, template, status: "WAITING", becauseOf: null, attempts: [], outputs: [], metadata: [], order, seed: hash(run.runId + key) });
}

const plan = (run, at, act) => run.agenda.push({ at, act });
const hash = (text) => [...text].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7) / 2 ** 32;

export function advance(run, until) {
  for (;;) {
    run.agenda.sort((a, b) => a.at - b.at);
    if (run.agenda.length === 0 || run.agenda[0].at > until) return;
    const { at, act } = run.agenda.shift();
    run.clock = at;
    act();
  }
}

function event(run, timestamp, eventType, stepKey, message, level = "INFO", attempt = null) {
  run.events.push({ seq: run.events.length + 1, timestamp, eventType, stepKey, attempt, about: null, message, level });
  run.touched ??= new Set();
  if (stepKey) run.touched.add(stepKey);
  changed.emit("run", run);
}

function line(run, stepKey, attempt, level, message, source = "op") {
  run.lines.push({ number: run.lines.length + 1, timestamp: run.clock, stepKey, attempt, level, source, message, fields: source === "op" ? { rows: 17 } : null });
  changed.emit("run", run);
}

const spec = (run, step) => jobs[run.jobName].steps[step.template];
const copies = (run, template) => [...run.steps.values()].filter((step) => step.template === template);
const ended = (step) => ["SUCCEEDED", "FAILED", "SKIPPED", "ABANDONED", "CANCELLED"].includes(step.status);

function needs(run, step) {
  const key = /\[(.*)\]/.exec(step.key)?.[1];
  return Object.values(spec(run, step).after ?? {}).flatMap((source) => {
    const of = copies(run, source.split(".")[0]);
    const same = of.filter((other) => key && other.key.endsWith(`[${key}]`));
    return same.length > 0 ? same : of;
  });
}

function schedule(run) {
  for (const step of run.steps.values()) {
    if (step.status !== "WAITING" && step.status !== "READY") continue;
    const before = needs(run, step);
    if (before.some((other) => !ended(other))) continue;
    const bad = before.find((other) => other.status === "FAILED" || other.status === "ABANDONED");
    if (bad) {
      step.status = "ABANDONED";
      step.becauseOf = bad.becauseOf ?? bad.key;
      event(run, run.clock, "STEP_SKIPPED", step.key, `not run because of ${step.becauseOf}`);
      return schedule(run);
    }
    if (spec(run, step).map && step.key === step.template) {
      run.steps.delete(step.key);
      for (const key of jobs[run.jobName].keys) addStep(run, `${step.key}[${key}]`, step.template);
      return schedule(run);
    }
    step.status = "READY";
    if (run.free > 0 && !spec(run, step).resources) start(run, step);
  }
  if ([...run.steps.values()].every(ended)) finish(run);
}

function start(run, step) {
  run.free--;
  step.status = "RUNNING";
  const number = step.attempts.length + 1;
  const cold = number === 1 && step.order < 3;
  const usage = { queue: 0, slot: 0.01 + step.seed * 0.02, store: 0, fetch: cold ? 0.12 : 0, compile: cold ? 0.2 : 0, load: 0.005 };
  const attempt = { number, worker: `${1 + Math.floor(step.seed * 2.99)}`, dispatchedAt: run.clock, startedAt: null, endedAt: null, failure: null, usage: null };
  step.attempts.push(attempt);
  const begins = run.clock + usage.slot + usage.fetch + usage.compile + usage.load;
  const wall = spec(run, step).takes * (0.6 + step.seed * 0.8);
  event(run, run.clock, "STEP_WORKER_STARTING", step.key, `sent to worker ${attempt.worker}`, "DEBUG", number);
  plan(run, begins, () => {
    if (attempt.endedAt) return;
    attempt.startedAt = run.clock;
    event(run, run.clock, "STEP_START", step.key, `attempt ${number} has started on worker ${attempt.worker}`, "INFO", number);
  });
  const says = spec(run, step).chatty ? Math.floor(wall / 0.2) : 4;
  for (let i = 0; i < says; i++)
    plan(run, begins + (wall * (i + 0.5)) / says, () => {
      if (!attempt.endedAt) line(run, step.key, number, LEVELS[i % LEVELS.length], i === 2 ? `遅延を計算中 ✈️ part ${i + 1} of ${says}` : `part ${i + 1} of ${says} of ${step.key}`, i % 4 === 3 ? "stdout" : "op");
    });
  plan(run, begins + wall, () => !attempt.endedAt && end(run, step, attempt, { ...usage, wall, cpu: wall * 0.93 }));
}

function end(run, step, attempt, usage) {
  run.free++;
  attempt.endedAt = run.clock;
  attempt.usage = { ...usage, memoryPeakBytes: 3e6 + step.seed * 9e7, inputBytes: 81_920, outputBytes: 40_960 * step.seed, fuel: 1e8 * step.seed, logLinesDropped: 0 };
  const { fails, failsFor, retries = 0 } = spec(run, step);
  const failure = fails ?? failsFor?.[/\[(.*)\]/.exec(step.key)?.[1]];
  if (failure && !(run.tags.some((tag) => tag.key === "mended"))) {
    attempt.failure = { backtrace: ["ops::crunch (ops/src/lib.rs:17:9)", "ops::main (ops/src/lib.rs:4:1)"], metadata: [{ name: "row", kind: "int", text: "17" }], ...failure };
    line(run, step.key, attempt.number, "ERROR", failure.message, "stderr");
    if (attempt.number <= retries) {
      step.status = "RETRYING";
      event(run, run.clock, "STEP_UP_FOR_RETRY", step.key, failure.message, "WARN", attempt.number);
      return plan(run, run.clock + 0.5, () => step.status === "RETRYING" && (event(run, run.clock, "STEP_RESTARTED", step.key, "again"), start(run, step)));
    }
    step.status = "FAILED";
    event(run, run.clock, "STEP_FAILURE", step.key, failure.message, "ERROR", attempt.number);
  } else {
    step.status = "SUCCEEDED";
    const graphStep = graph(run.jobName).steps.find((s) => s.key === step.template);
    step.outputs = graphStep.outputs.map((output) => ({ name: output.name, mappingKey: null, mediaType: output.mediaType, sizeBytes: Math.floor(40_960 * step.seed), digest: `blake3:${hash(step.key + output.name).toString(16).slice(2).repeat(5)}`, assetKey: null, metadata: [] }));
    step.metadata = [{ name: "rows", kind: "int", text: String(Math.floor(step.seed * 30_000)) }];
    event(run, run.clock, "STEP_SUCCESS", step.key, `done in ${usage.wall.toFixed(1)} s`, "INFO", attempt.number);
  }
  schedule(run);
}

function finish(run) {
  if (run.endTime) return;
  run.endTime = run.clock;
  const steps = [...run.steps.values()];
  const bad = steps.some((step) => step.status === "FAILED");
  run.status = bad ? "FAILURE" : steps.some((step) => step.status === "CANCELLED") ? "CANCELED" : "SUCCESS";
  event(run, run.clock, `RUN_${run.status}`, null, `the run has ended: ${run.status}`, bad ? "ERROR" : "INFO");
}

export function cancel(run) {
  run.status = "CANCELING";
  run.clock = Date.now() / 1000;
  event(run, run.clock, "RUN_CANCELING", null, "the end of the run was asked for");
  plan(run, run.clock + 0.3, () => {
    for (const step of run.steps.values()) {
      if (ended(step)) continue;
      const attempt = step.attempts.at(-1);
      if (attempt && !attempt.endedAt) attempt.endedAt = run.clock;
      step.status = "CANCELLED";
      event(run, run.clock, "STEP_CANCELED", step.key, "cancelled");
    }
    finish(run);
  });
}

setInterval(() => {
  const now = Date.now() / 1000;
  for (const run of runs.values()) if (run.agenda.length > 0) advance(run, now);
}, 40);

// Made-up schedules and sensors that tick while they are on: the four of the browser tests, and in a world with a past one more.
import { several } from "./locations.js";
import { changed, launch, runs } from "./sim.js";

const LATER_S = 0.15;
const HISTORY = 120;
const seconds = () => Date.now() / 1000;
const tagList = (tags) => Object.entries(tags).map(([key, value]) => ({ key, value }));

const greeting = (name) => JSON.stringify({ ops: { greet: { config: { name } } } }, null, 2);
const schedules = {
  nightly: { job: "hello", cron: "30 2 * * *", zone: "Europe/Berlin", config: greeting("Ada"), description: "A greeting in the night." },
  minutely: { job: "breaks", cron: "* * * * *", zone: "UTC", config: "", description: "" },
};

/** What a sensor's op answers, given its cursor. */
const ops = {
  "text.files": (cursor) => {
    const n = Number(cursor ?? 0);
    return { runs: [{ job: "hello", runKey: `tick-${n}`, config: greeting(`tick-${n}`), tags: {} }], cursor: String(n + 1), logs: [`looking from ${cursor ?? "the beginning"}`] };
  },
  "text.moody": (cursor) => (cursor ? { skipReason: "the sun shines", logs: [] } : { error: "no weather today", logs: ["asking for the weather"] }),
  "text.quiet": () => ({ skipReason: "no new files", cursor: String(Math.floor(seconds())), logs: [] }),
};
const sensors = {
  files: { op: "text.files", interval: 1, description: "A run for each new file." },
  moody: { op: "text.moody", interval: 1, description: "" },
};

const made = (kind, name, spec, status = "STOPPED") => ({ kind, name, location: "flights", ...spec, status, defaultStatus: "STOPPED", touched: false, cursor: null, lastRunKey: null, ticks: [], keys: new Set(), nextTick: null });
const all = [
  ...Object.entries(schedules).map(([name, spec]) => made("Schedule", name, spec)),
  ...Object.entries(sensors).map(([name, spec]) => made("Sensor", name, spec)),
  ...(several ? [made("Schedule", "nightly", { ...schedules.nightly, location: "reports", description: "A greeting under each report." })] : []),
];

/** The next time after `from` whose minute and hour the expression names, on the clocks of the zone. */
function nextTime({ cron, zone }, from) {
  const [minute, hour] = cron.split(" ");
  if (minute === "*") return (Math.floor(from / 60) + 1) * 60;
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const wanted = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  let at = (Math.floor(from / 60) + 1) * 60;
  while (clock.format(at * 1000) !== wanted) at += 60;
  return at;
}

const due = (it, from) => (it.kind === "Schedule" ? nextTime(it, from) : from + it.interval);
const evaluate = (it, cursor = it.cursor) =>
  it.kind === "Schedule" ? { runs: [{ job: it.job, runKey: null, config: it.config, tags: {} }], logs: [] } : ops[it.op](cursor);

function tick(it, at, past = false) {
  const tick = { tickId: String((it.made = (it.made ?? 0) + 1)), timestamp: at, startTimestamp: at, endTimestamp: null, status: "STARTED", skipReason: null, error: null, failures: 0, runs: [], logs: [] };
  it.ticks.unshift(tick);
  if (past) conclude(it, tick, at + LATER_S);
  else setTimeout(() => conclude(it, tick, seconds()), LATER_S * 1000);
}

function conclude(it, tick, at) {
  const answer = evaluate(it);
  tick.endTimestamp = at;
  tick.logs = answer.logs;
  if (answer.error) return Object.assign(tick, { status: "FAILURE", failures: 1, error: unexpected(answer.error) });
  const fresh = (answer.runs ?? []).filter(({ runKey }) => !runKey || !it.keys.has(runKey));
  for (const { job, runKey, config, tags } of fresh) {
    const name = it.kind === "Schedule" ? "dagster/schedule_name" : "dagster/sensor_name";
    const run = launch(job, { at, config, tags: tagList({ [name]: it.name, "dagster/tick": tick.tickId, ...(runKey && { "dagster/run_key": runKey }), ...tags }) });
    tick.runs.push({ runId: run.runId, runKey, partition: null, refused: null });
    if (runKey) it.keys.add((it.lastRunKey = runKey));
  }
  const used = (answer.runs ?? []).filter((request) => !fresh.includes(request)).map(({ runKey }) => `\`${runKey}\``);
  tick.status = fresh.length > 0 ? "SUCCESS" : "SKIPPED";
  tick.skipReason = used.length > 0 ? `no new run for run keys that had one before: ${used.join(", ")}` : (answer.skipReason ?? null);
  it.cursor = answer.cursor ?? it.cursor;
  changed.emit("run", {});
}

const unexpected = (message) => ({ __typename: "UnexpectedError", message, causes: [] });

setInterval(() => {
  for (const it of all) {
    if (it.nextTick === null || it.nextTick > seconds()) continue;
    tick(it, it.nextTick);
    it.nextTick = due(it, seconds());
  }
}, 50);

/** Gives all of them a past, and one more that has never found anything. */
export function remember(advance) {
  all.push(made("Sensor", "quiet", { op: "text.quiet", interval: 30, description: "Looks for files that never come." }));
  for (const it of all) {
    let at = seconds() - (it.cron === "30 2 * * *" ? 9 * 86_400 : HISTORY * (it.interval ?? 60));
    for (at = due(it, at); at < seconds(); at = due(it, at)) tick(it, at, true);
    if (it.name !== "nightly") turn(it, "RUNNING");
  }
  for (const run of runs.values()) advance(run, seconds());
}

function turn(it, status) {
  if (it.status !== status) it.nextTick = status === "RUNNING" ? due(it, seconds()) : null;
  it.status = status;
}

const runView = (view) => (run) => ({ ...run, run: () => (runs.has(run.runId) ? view(runs.get(run.runId)) : null) });

const stateOf = (it, view) => ({
  status: it.status, canReset: it.touched, cursor: it.cursor, lastRunKey: it.lastRunKey, nextTick: it.nextTick,
  ticks: ({ limit = 20, cursor }) => {
    const from = cursor ? it.ticks.findIndex((tick) => tick.tickId === cursor) + 1 : 0;
    return it.ticks.slice(from, from + limit).map((tick) => ({ ...tick, runs: tick.runs.map(runView(view)) }));
  },
});

const shown = (view) => (it) => {
  const common = { __typename: it.kind, id: `${it.kind}/${it.location}/${it.name}`, name: it.name, location: it.location, description: it.description, tags: [], defaultStatus: it.defaultStatus };
  if (it.kind === "Sensor") return { ...common, op: it.op, targets: ["hello"], minIntervalSeconds: it.interval, timeoutSeconds: 60, sensorState: stateOf(it, view) };
  const future = ({ limit }) => Array.from({ length: limit }).reduce((times) => [...times, nextTime(it, times.at(-1) ?? seconds())], []);
  return { ...common, cronSchedule: [it.cron], executionTimezone: it.zone, pipelineName: it.job, assetSelection: null, catchUp: "the newest of the ticks that were missed stands for all of them", maxTickRetries: 0, scheduleState: stateOf(it, view), futureTicks: future };
};

/** Fields of the query and of the mutation; `view` makes a run what the API says of it. */
export function automation(view) {
  const of = (kind) => all.filter((it) => it.kind === kind).map(shown(view));
  const with_ = (kind, act) => (args) => {
    const [it, other] = all.filter((it) => it.kind === kind && it.name === args.name && (!args.location || it.location === args.location));
    if (other) return unexpected(`more than one code location has the ${kind.toLowerCase()} \`${args.name}\`: ${it.location}, ${other.location}`);
    if (!it) return { __typename: `${kind}NotFoundError`, message: `there is no ${kind.toLowerCase()} \`${args.name}\`` };
    return act(it, args) ?? shown(view)(it);
  };
  const set = (status) => (it) => void ((it.touched = true), turn(it, status));
  const reset = (it) => void ((it.touched = false), turn(it, it.defaultStatus));
  return {
    schedulesOrError: () => ({ __typename: "Schedules", results: of("Schedule") }), sensorsOrError: () => ({ __typename: "Sensors", results: of("Sensor") }),
    scheduleOrError: with_("Schedule", () => {}), sensorOrError: with_("Sensor", () => {}),
    startSchedule: with_("Schedule", set("RUNNING")), stopRunningSchedule: with_("Schedule", set("STOPPED")), resetSchedule: with_("Schedule", reset),
    startSensor: with_("Sensor", set("RUNNING")), stopSensor: with_("Sensor", set("STOPPED")), resetSensor: with_("Sensor", reset),
    setSensorCursor: with_("Sensor", (it, { cursor }) => void (it.cursor = cursor ?? null)),
    scheduleDryRun: with_("Schedule", dryRun), sensorDryRun: with_("Sensor", dryRun),
  };
}

function dryRun(it, { cursor }) {
  const answer = evaluate(it, cursor ?? undefined);
  return {
    __typename: "DryRunInstigationTick", timestamp: it.kind === "Schedule" ? nextTime(it, seconds()) : seconds(), skipReason: answer.skipReason ?? null,
    error: answer.error ? unexpected(answer.error) : null, cursor: answer.cursor ?? null, logs: answer.logs,
    runRequests: (answer.runs ?? []).map(({ job, runKey, config, tags }) => ({
      jobName: job, runKey, partition: null, runConfigYaml: config, tags: tagList(tags), skipped: it.keys.has(runKey) ? "an earlier run had this run key" : null,
    })),
  };
}

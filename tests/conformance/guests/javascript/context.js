// Ops that talk with the host: logs, facts, who they are, time, memory, resources.

import { Int64, Type, fact, op } from "cofferdam-op";

const LEVELS = ["trace", "debug", "info", "warn", "error"];
const MEGABYTE = 1_000_000;

export const log = op({ doc: "One line at each level." }, (_, ctx) => {
  for (const level of LEVELS) ctx.log[level](level, { colour: "blue" });
});

export const print = op({ doc: "Prints." }, () => {
  process.stdout.write("to stdout\n");
  process.stderr.write("to stderr\n");
});

export const chatter = op({ doc: "Logs many lines.", config: Type.Object({ lines: Type.Integer() }) }, (_, { config }) => {
  for (let n = 0; n < config.lines; n++) console.log(`line ${n}`);
});

export const progress = op({ doc: "Says how far it is." }, (_, ctx) => {
  ctx.progress(1, 2, "half");
  ctx.progress(2, 2, "done");
});

export const facts = op({ doc: "States a fact of each kind." }, (_, ctx) => {
  ctx.metadata({
    text: "words",
    integer: 7,
    number: 0.5,
    truth: true,
    url: fact.url("https://example.org/a"),
    path: fact.path("/a/b"),
    json: fact.json('{"a": 1}'),
    markdown: fact.markdown("*b*"),
    table: fact.table('[{"a": 1}]'),
    timestamp: fact.timestamp("2026-01-02T03:04:05Z"),
  });
});

export const who = op({
  doc: "Says what the context says.",
  output: Type.Object({
    run_id: Type.String(),
    step_key: Type.String(),
    attempt: Type.Integer(),
    idempotency_key: Type.String(),
    partition: Type.Union([Type.String(), Type.Null()]),
    tags: Type.Record(Type.String(), Type.String()),
  }),
}, (_, ctx) => {
  const { runId, stepKey, attempt, idempotencyKey, partition, tags } = ctx.attempt;
  return { run_id: runId, step_key: stepKey, attempt, idempotency_key: idempotencyKey, partition, tags };
});

export const remaining = op({ doc: "Whether some of at most a minute is left.", output: Type.Boolean() }, (_, ctx) => {
  const left = ctx.remaining();
  return left !== undefined && left >= 1 && left <= 60_000;
});

export const spin = op({ doc: "Never returns.", output: Int64() }, () => {
  for (;;);
});

export const hog = op({
  doc: "Takes memory.",
  config: Type.Object({ megabytes: Type.Integer() }),
  output: Int64(),
}, (_, { config }) => {
  const blocks = Array.from({ length: config.megabytes }, (_, n) => new Uint8Array(MEGABYTE).fill(n | 1));
  return blocks.length;
});

export const count = op({ doc: "Counts its runs.", resources: { store: "keyvalue" }, output: Int64() }, (_, ctx) => {
  const { store } = ctx.resources;
  const visits = Number(store.getText("visits") ?? 0) + 1;
  store.set("visits", String(visits));
  return visits;
});

export const setting = op({ doc: "Reads a setting.", resources: { settings: "config" }, output: Type.String() }, (_, ctx) =>
  ctx.resources.settings.get("colour") ?? "none");

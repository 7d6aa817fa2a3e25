// Ops as their authors test them: called as functions, with a context that records.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Failure, Reader, Type, bytes, dynamic, fact, fakes, failed, many, op, optional, passed, reader, testContext, verdict, withMetadata,
} from "../src/index.js";

test("an op stays a function that a test can call", async () => {
  const greet = op({ inputs: { name: Type.String() }, output: Type.String() }, ({ name }) => `Hello, ${name}!`);
  assert.equal(greet({ name: "Ada" }), "Hello, Ada!");
  const later = op({ output: Type.Integer() }, async () => 3);
  assert.equal(await later(), 3);
});

test("the config of a test is completed and checked", () => {
  const config = Type.Object({ greeting: Type.String({ default: "Hello" }), times: Type.Integer({ minimum: 1 }) });
  const greet = op({ config, output: Type.String() }, (_, { config: { greeting, times } }) => greeting.repeat(times));
  assert.equal(greet({}, testContext({ config: { times: 2 } })), "HelloHello");
  assert.throws(() => greet({}, testContext({ config: { times: 0 } })), /at `\/times`: expected at least 1, found 0/);
  assert.throws(() => greet({}, testContext({ config: { times: 1, tmies: 2 } })), /there is no key `tmies`/);
});

test("what an op says is recorded", () => {
  const ctx = testContext({ attempt: { attempt: 2, tags: { a: "b" } }, remaining: 50 });
  const talk = op({}, (_, ctx) => {
    ctx.log.info("read", { rows: 3, file: "a.csv" });
    ctx.progress(1, 2, "half");
    ctx.metadata("rows", 3);
    ctx.metadata({ share: 0.5, page: fact.url("https://example.org") });
    assert.equal(ctx.attempt.attempt, 2);
    assert.deepEqual(ctx.attempt.tags, { a: "b" });
    assert.equal(ctx.remaining(), 50);
  });
  talk({}, ctx);
  assert.deepEqual(ctx.recorded, {
    logs: [{ level: "info", message: "read", fields: { rows: "3", file: "a.csv" } }],
    progress: [{ done: 1, total: 2, message: "half" }],
    metadata: { rows: 3, share: 0.5, page: "https://example.org" },
  });
});

test("an output that is not what was declared fails the test of its op too", () => {
  const wrong = (output, value) => () => op({ output }, () => value)();
  assert.throws(wrong(Type.Integer(), "x"), { message: 'output `result` cannot be taken: expected integer, found "x"' });
  assert.throws(wrong(Type.Integer(), undefined), /output `result` cannot be taken: it is missing/);
  assert.throws(wrong(bytes(), 7), /expected a `Uint8Array`, text, or what a writer has finished/);
  assert.throws(wrong(dynamic(Type.Integer()), [["a", 1], ["a", 2]]), /the key `a` is used twice/);
  assert.throws(wrong(dynamic(Type.Integer()), [["a b", 1]]), /the key `a b` is not 1 to 128 letters/);
  assert.throws(wrong(dynamic(Type.Integer()), [1]), /a pair of key and value/);
  assert.throws(() => op({}, () => 1)(), /declares no output/);
  assert.throws(() => op({ outputs: { a: Type.Integer() } }, () => ({ a: 1, b: 2 }))(), /an output `b` that it does not declare; it declares `a`/);
  assert.equal(op({ output: optional(Type.Integer()) }, () => undefined)(), undefined);
  assert.deepEqual(op({ output: Type.Integer() }, () => withMetadata(1, { a: 2 }))().value, 1);
});

test("a mistake in a description is told at once", () => {
  const cases = [
    [{ input: {} }, /`op` knows no key `input`; it knows `name`, `doc`, `inputs`/],
    [{ output: Type.String(), outputs: {} }, /either `output`, the one value that it returns, or `outputs`/],
    [{ inputs: { "a b": Type.String() } }, /input `a b` has a name that is not allowed/],
    [{ inputs: { a: dynamic(Type.String()) } }, /input `a` is dynamic; only outputs are/],
    [{ outputs: { a: many(Type.String()) } }, /output `a` is `many`; only inputs are/],
    [{ outputs: { a: reader() } }, /output `a` is a reader/],
    [{ resources: { store: "redis" } }, /resource `store` is of the kind `redis`; kinds are `http`/],
    [{ inputs: { a: { type: "undefined" } } }, /input `a` is of the type `undefined`, which JSON Schema cannot express/],
  ];
  for (const [spec, message] of cases) assert.throws(() => op(spec, () => {}), message);
  assert.throws(() => bytes("Text/CSV"), /`Text\/CSV` is no media type/);
  assert.throws(() => op({}), /takes a description and a function/);
});

test("large values are read in pieces, as lines, or whole", () => {
  const text = Array.from({ length: 50000 }, (_, i) => `zeile ${i} ü`).join("\n");
  const count = op({ inputs: { file: reader("text/plain") }, output: Type.Integer() }, ({ file }) => [...file.lines()].length);
  assert.equal(count({ file: Reader.from(text) }), 50000);
  const file = Reader.from(text);
  assert.equal([...file].reduce((sum, chunk) => sum + chunk.length, 0), file.size);
  assert.equal(Reader.from("abcdef").readAt(4, 10).length, 2);
  assert.equal(Reader.from(text).text(), text);
});

test("a writer writes piece by piece, and the test can read what it wrote", () => {
  const ctx = testContext();
  const write = op({ output: bytes("text/csv") }, (_, ctx) => {
    const writer = ctx.createWriter();
    for (let i = 0; i < 100000; i++) writer.write(`${i}\n`);
    return writer.finish();
  });
  const written = Buffer.from(ctx.bytesOf(write({}, ctx))).toString();
  assert.ok(written.startsWith("0\n1\n") && written.endsWith("99999\n"));
  assert.equal(written.length, 588890);
});

test("resources have doubles", () => {
  const store = fakes.keyvalue({ visits: "4" });
  const count = op({ resources: { store: "keyvalue" }, output: Type.Integer() }, (_, { resources: { store } }) => {
    const visits = Number(store.getText("visits") ?? 0) + 1;
    store.set("visits", String(visits));
    return visits;
  });
  assert.equal(count({}, testContext({ resources: { store } })), 5);
  assert.equal(count({}, testContext({ resources: { store } })), 6);
  assert.throws(() => count(), /the test lends no `store`: testContext\(\{ resources: \{ store: fakes.keyvalue/);

  const rows = op({ resources: { db: "sql" }, output: Type.Array(Type.Any()) }, (_, { resources: { db } }) => db.query("select ?", [1, null]));
  const db = fakes.sql((text, parameters) => [{ text, one: parameters[0], none: parameters[1] }]);
  assert.deepEqual(rows({}, testContext({ resources: { db } })), [{ text: "select ?", one: 1, none: null }]);

  const fetch = op({ resources: { api: "http" }, output: Type.Any() }, (_, { resources: { api } }) => api.get("/rows").ok().json());
  const api = fakes.http(({ path }) => (path === "/rows" ? { status: 200, body: '["a"]' } : { status: 404 }));
  assert.deepEqual(fetch({}, testContext({ resources: { api } })), ["a"]);
  const busy = fakes.http(() => ({ status: 503, headers: [["Retry-After", "2"]] }));
  assert.throws(() => fetch({}, testContext({ resources: { api: busy } })), (error) => error instanceof Failure && error.retryAfter === 2000);

  const run = op({ resources: { tool: "command" }, output: Type.String() }, (_, { resources: { tool } }) => tool.run(["a", 1]).ok().text());
  const tool = fakes.command((args) => ({ exitCode: args.length === 2 ? 0 : 1, stdout: args.join(" ") }));
  assert.equal(run({}, testContext({ resources: { tool } })), "a 1");

  const put = op({ resources: { lake: "blob" }, output: Type.Any() }, (_, { resources: { lake } }) => {
    lake.write("n/a.txt", "cold");
    return [lake.readText("n/a.txt"), lake.list("n/"), lake.size("none") ?? null];
  });
  assert.deepEqual(put({}, testContext({ resources: { lake: fakes.blob() } })), ["cold", ["n/a.txt"], null]);
  const secret = op({ resources: { site: "config" }, output: Type.String() }, (_, { resources: { site } }) => site.require("key"));
  assert.equal(secret({}, testContext({ resources: { site: fakes.settings({ key: "k" }) } })), "k");
  assert.throws(() => secret({}, testContext({ resources: { site: fakes.settings() } })), /has no setting `key`/);
});

test("a check says its verdict in the step's metadata", () => {
  const ctx = testContext();
  const check = op({ inputs: { rows: Type.Array(Type.Any()) }, output: verdict }, ({ rows }) =>
    rows.length > 0 ? passed({ metadata: { rows: rows.length } }) : failed("there are no rows", { severity: "warn" }));
  assert.equal(check({ rows: [1] }, ctx).passed, true);
  assert.deepEqual(ctx.recorded.metadata, { passed: true, severity: "error", rows: 1 });
  assert.deepEqual([check({ rows: [] }, ctx).passed, ctx.recorded.metadata.description], [false, "there are no rows"]);
});

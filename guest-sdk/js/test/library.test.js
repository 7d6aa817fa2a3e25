// A library over a host in memory: the words of the contract in, the words of the contract out.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Failure, Fault, Type, bytes, dynamic, fact, many, op, optional, reader, withMetadata } from "../src/index.js";
import { decode, encode } from "../src/cbor.js";
import { libraryOf, opsOf } from "../src/library.js";
import { decodeMappings } from "../build/lines.mjs";

function hostOf() {
  const said = { logs: [], metadata: [] };
  const stored = [];
  return {
    said,
    stored,
    log: (level, message, fields) => said.logs.push([level, message, fields]),
    addMetadata: (entries) => said.metadata.push(...entries),
    attempt: () => ({ runId: "r", stepKey: "s", attempt: 1, idempotencyKey: "r/s", tags: [] }),
    remainingMs: () => undefined,
    open: (number) => ({ size: () => BigInt(stored[number].length), read: (at, count) => stored[number].slice(Number(at), Number(at) + Math.min(count, 1000)) }),
    create() {
      const chunks = [];
      return { write: (chunk) => void chunks.push(...chunk), finish: () => stored.push(Uint8Array.from(chunks)) - 1 };
    },
    resources: {},
    stackOf: () => "  at here",
    settled: (promise) => promise,
  };
}

const inline = (value) => ({ mediaType: "application/cbor", content: { tag: "bytes", val: encode(value) } });
const one = (name, value) => ({ name, value: { tag: "one", val: inline(value) } });

/** Runs the only op of a library. */
function run(made, { inputs = [], config = null } = {}, host = hostOf()) {
  return libraryOf("l", "1", opsOf({ made }, "it"), host).run("made", { inputs, config: encode(config) });
}

const payload = (failing) => {
  try {
    failing();
  } catch (error) {
    return error.payload;
  }
  assert.fail("it did not fail");
};

test("a library describes its ops in the words of the contract", () => {
  const greet = op({
    doc: "Greets.",
    inputs: { name: Type.String({ description: "Who" }), age: optional(Type.Integer()), all: many(bytes("text/csv")) },
    outputs: { each: dynamic(Type.String()), page: optional(bytes("text/html", { doc: "A page" })) },
    config: Type.Object({ loud: Type.Boolean({ default: false }) }),
    resources: { store: { kind: "keyvalue", doc: "Where" } },
    pure: true,
  }, () => {});
  const { describe } = libraryOf("l", "1", opsOf({ greet, other: 1, helper() {} }, "it"), hostOf());
  assert.deepEqual(describe(), {
    name: "l",
    version: "1",
    ops: [{
      name: "greet",
      doc: "Greets.",
      inputs: [
        { name: "name", doc: "Who", mediaType: "application/cbor", schema: '{"type":"string","description":"Who"}', required: true, many: false },
        { name: "age", doc: "", mediaType: "application/cbor", schema: '{"type":"integer"}', required: false, many: false },
        { name: "all", doc: "", mediaType: "text/csv", schema: "true", required: true, many: true },
      ],
      outputs: [
        { name: "each", doc: "", mediaType: "application/cbor", schema: '{"type":"string"}', required: true, dynamic: true },
        { name: "page", doc: "A page", mediaType: "text/html", schema: "true", required: false, dynamic: false },
      ],
      configSchema: '{"type":"object","properties":{"loud":{"type":"boolean","default":false}},"additionalProperties":false}',
      resources: [{ name: "store", kind: "keyvalue", doc: "Where" }],
      pure: true,
    }],
  });
});

test("inputs come inline, stored, or many", () => {
  const host = hostOf();
  host.stored.push(encode("x".repeat(5000)));
  const made = op({ inputs: { a: Type.String(), b: reader(), c: many(Type.Integer()), d: optional(Type.String()) }, output: Type.Any() },
    ({ a, b, c, d }) => [a.length, b.size, b.mediaType, c, d ?? "none"]);
  const stored = (name, mediaType) => ({ name, value: { tag: "one", val: { mediaType, content: { tag: "stored", val: 0 } } } });
  const elements = [{ key: "k", value: inline(1) }, { key: undefined, value: inline(2) }];
  const inputs = [stored("a", "application/cbor"), stored("b", "text/csv"), { name: "c", value: { tag: "many", val: elements } }];
  const { outputs } = run(made, { inputs }, host);
  assert.deepEqual(decode(outputs[0].value.content.val), [5000, 5003, "text/csv", [{ key: "k", value: 1 }, { value: 2 }], "none"]);
});

test("outputs carry keys and facts; large ones go through a writer", async () => {
  const host = hostOf();
  const made = op({ outputs: { each: dynamic(Type.Integer()), big: Type.String(), raw: bytes("text/plain") } }, async () => ({
    each: (async function* () {
      yield ["a", withMetadata(1, { n: fact.number(1), m: 2n })];
      yield ["b", 2];
    })(),
    big: "x".repeat(100000),
    raw: "ü",
  }));
  const { outputs } = await run(made, {}, host);
  const [big, raw, a, b] = outputs;
  assert.deepEqual([big.value.content, decode(host.stored[0]).length], [{ tag: "stored", val: 0 }, 100000]);
  assert.deepEqual(raw.value, { mediaType: "text/plain", content: { tag: "bytes", val: new Uint8Array([0xc3, 0xbc]) } });
  assert.deepEqual([a.key, b.key], ["a", "b"]);
  assert.deepEqual(a.metadata, [{ name: "n", value: { tag: "number", val: 1 } }, { name: "m", value: { tag: "integer", val: 2n } }]);
});

test("every thrown value fails the attempt with its message and causes", async () => {
  const host = hostOf();
  const thrown = (value) => payload(() => run(op({}, () => { throw value; }), {}, host));
  assert.deepEqual(thrown(new Error("a", { cause: new TypeError("b", { cause: "c" }) })), {
    message: "a", causes: ["TypeError: b", "c"], retry: { tag: "policy" }, metadata: [],
  });
  assert.deepEqual(host.said.logs, [["error", "a\n  at here", []]]);
  assert.equal(thrown("text").message, "text");
  assert.equal(thrown({ code: 7 }).message, 'threw {"code":7}');
  assert.equal(thrown(undefined).message, "threw undefined");
  const circular = new Error("round");
  circular.cause = circular;
  assert.deepEqual(thrown(circular).causes, []);
  const later = op({ output: Type.Integer() }, async () => { throw new Failure("not yet", { retryAfter: 1500.2 }); });
  await assert.rejects(run(later), ({ payload }) => payload.retry.tag === "after" && payload.retry.val === 1501n);
});

test("a failure says what it knows about another try, through the errors around it", () => {
  const thrown = (value) => payload(() => run(op({}, () => { throw value; })));
  const failure = new Failure("it stays wrong", { permanent: true, metadata: { tried: 3 } });
  const told = thrown(new Error("outer", { cause: failure }));
  assert.deepEqual(told, {
    message: "outer", causes: ["it stays wrong"], retry: { tag: "never" }, metadata: [{ name: "tried", value: { tag: "integer", val: 3n } }],
  });
  assert.equal(thrown(new Fault("denied", "no")).retry.tag, "never");
  assert.equal(thrown(new Fault("unavailable", "no")).retry.tag, "policy");
  assert.throws(() => new Failure("x", { permanent: true, retryAfter: 1 }), TypeError);
});

test("bad calls and bad libraries are told in words", () => {
  const { run: call } = libraryOf("l", "1", opsOf({ a: op({}, () => {}) }, "it"), hostOf());
  assert.match(payload(() => call("b", {})).message, /no op `b`; it has `a`/);
  const needy = op({ inputs: { x: Type.String() } }, () => {});
  assert.match(payload(() => run(needy)).message, /input `x` is missing/);
  const broken = { name: "x", value: { tag: "one", val: { mediaType: "application/cbor", content: { tag: "bytes", val: new Uint8Array([0x19]) } } } };
  assert.match(payload(() => run(needy, { inputs: [broken] })).message, /input `x` cannot be read: the bytes end/);
  assert.match(payload(() => run(op({ output: Type.Integer() }, () => 1.5))).message, /expected integer, found 1.5/);
  assert.throws(() => opsOf({ a: 1 }, "the library `l`"), /the library `l` exports no op/);
  assert.throws(() => opsOf({ a: op({ name: "b" }, () => {}), b: op({}, () => {}) }, "it"), /two ops of the name `b`/);
  assert.throws(() => opsOf({ $a: op({}, () => {}) }, "it"), /has a name that is not allowed/);
});

test("inputs and config are completed", () => {
  const Person = Type.Object({ name: Type.String(), tags: Type.Array(Type.String(), { default: [] }) });
  const made = op({ inputs: { who: Person }, config: Type.Object({ n: Type.Integer({ default: 3 }) }), output: Type.Any() }, ({ who }, ctx) => [who, ctx.config]);
  const { outputs } = run(made, { inputs: [one("who", { name: "a" })], config: {} });
  assert.deepEqual(decode(outputs[0].value.content.val), [{ name: "a", tags: [] }, { n: 3 }]);
});

test("lines of a bundle lead to the author's files", () => {
  // `AAAA` is the first place of the first file; `;` ends a line; `AACA` is a line further, `ACAA` a file further.
  const map = { sources: ["index.js", "node_modules/x.js"], mappings: "AAAA;;AACA,CAAC;ACAA" };
  assert.deepEqual(decodeMappings(map, (file) => !file.includes("node_modules")), { 1: "index.js:1", 3: "index.js:2" });
});

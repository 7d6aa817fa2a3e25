// Schemas: how they are described, what is filled in, what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Int64, Type } from "../src/index.js";
import { complete, describe, mistake } from "../src/schema.js";

const Person = Type.Object({
  name: Type.String(),
  age: Type.Integer({ minimum: 0 }),
  tags: Type.Array(Type.String(), { default: [] }),
  home: Type.Optional(Type.Union([Type.Object({ lat: Type.Number(), lon: Type.Number() }), Type.Null()])),
});

test("a schema of TypeBox is described as plain JSON Schema; what has a default need not be given", () => {
  const described = describe(Person, "input `x`");
  assert.deepEqual(described.required, ["name", "age"]);
  assert.deepEqual(described.properties.tags, { type: "array", items: { type: "string" }, default: [] });
  assert.deepEqual(describe(Type.Record(Type.String(), Type.Integer()), "x"), { type: "object", additionalProperties: { type: "integer" } });
  assert.deepEqual(describe(Type.Enum(["red", "green"]), "x"), { enum: ["red", "green"], type: "string" });
  assert.deepEqual(describe(Int64(), "x"), { type: "integer" });
});

test("a config refuses keys that it does not list, at every level", () => {
  const config = describe(Type.Object({ a: Type.Object({ b: Type.Integer() }) }), "the config", true);
  assert.equal(config.additionalProperties, false);
  assert.equal(config.properties.a.additionalProperties, false);
  assert.equal(mistake(config, { a: { b: 1, c: 2 } }), "at `/a`: there is no key `c`");
});

test("a type that JSON Schema cannot express is named with its place", () => {
  assert.throws(() => describe({ type: "object", properties: { n: { type: "bigint" } } }, "input `x`"), {
    message: "input `x`, at `n`, is of the type `bigint`, which JSON Schema cannot express; for whole numbers of 64 bits there is `Int64()`",
  });
  assert.throws(() => describe("string", "input `x`"), /input `x` has no schema/);
});

test("defaults are filled in at every level", () => {
  const schema = describe(Type.Array(Person), "x");
  assert.deepEqual(complete(schema, [{ name: "a", age: 1 }]), [{ name: "a", age: 1, tags: [] }]);
});

test("the first mistake is told with its place, what was expected and what was found", () => {
  const cases = [
    [{ name: "a", age: -1, tags: [] }, "at `/age`: expected at least 0, found -1"],
    [{ name: "a", age: 1.5, tags: [] }, "at `/age`: expected integer, found 1.5"],
    [{ name: "a", age: 1, tags: [1] }, "at `/tags/0`: expected string, found 1"],
    [{ name: "a", age: 1, home: 3 }, "at `/home`: expected object or null, found 3"],
    [{ age: 1, tags: [] }, "the key `name` is missing"],
    [7, "expected object, found 7"],
    [{ name: "a", age: 10n ** 18n, home: { lat: 1, lon: 2 } }, undefined],
    [new Map([["name", "a"], ["age", 1]]), undefined],
  ];
  const schema = describe(Person, "x");
  for (const [value, expected] of cases) assert.equal(mistake(schema, value), expected);
  assert.equal(mistake(describe(Type.Enum(["red", "green"]), "x"), "blue"), 'expected one of "red", "green", found "blue"');
  assert.equal(mistake({ type: "string", maxLength: 2 }, "😀😀"), undefined);
  assert.equal(mistake({ type: "string", pattern: "^a" }, "b"), 'expected text that matches `^a`, found "b"');
});

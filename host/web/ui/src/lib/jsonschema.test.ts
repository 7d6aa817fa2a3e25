import { expect, test } from "vitest";
import { expectedAt, keysAt, valuesAt } from "./jsonschema";

const SCHEMA = {
  $defs: {
    step: { type: "object", properties: { config: { $ref: "#/$defs/config" } }, required: ["config"] },
    config: {
      type: "object", description: "How.", required: ["name"],
      properties: {
        name: { type: "string" }, shout: { type: "boolean", default: false }, mood: { oneOf: [{ const: "calm" }, { const: "wild" }] },
        width: { anyOf: [{ type: "integer" }, { $ref: "#/$defs/env" }] }, list: { type: "array", items: { $ref: "#/$defs/config" } },
      },
    },
    env: { type: "object", properties: { env: { type: "string" } } },
    circle: { $ref: "#/$defs/circle" },
  },
  properties: { ops: { properties: { greet: { $ref: "#/$defs/step" } } }, tags: { additionalProperties: { type: "string" } }, circle: { $ref: "#/$defs/circle" } },
};

test("keys come through references, what is required first", () => {
  expect(keysAt(SCHEMA, ["ops", "greet", "config"]).map((key) => [key.label, key.required])).toEqual([["name", true], ["list", false], ["mood", false], ["shout", false], ["width", false]]);
});

test("alternatives are all offered", () => {
  expect(keysAt(SCHEMA, ["ops", "greet", "config", "width"]).map((key) => key.label)).toEqual(["env"]);
  expect(valuesAt(SCHEMA, ["ops", "greet", "config", "mood"]).map((value) => value.label)).toEqual(["calm", "wild"]);
  expect(valuesAt(SCHEMA, ["ops", "greet", "config", "shout"]).map((value) => [value.label, value.detail])).toEqual([["true", ""], ["false", "default"]]);
});

test("items of a list and any key of a map have their schema", () => {
  expect(keysAt(SCHEMA, ["ops", "greet", "config", "list", "*"])[0]!.label).toBe("name");
  expect(expectedAt(SCHEMA, ["tags", "team"])).toEqual({ type: "string", info: "" });
});

test("nothing is known of a key that is not there, and a circle ends", () => {
  expect(expectedAt(SCHEMA, ["ops", "nothing"])).toBeNull();
  expect(keysAt(SCHEMA, ["circle"])).toEqual([]);
});

import { expect, test } from "vitest";
import { parse } from "yaml";
import { asYaml } from "./yaml";

test("a run config that is kept as JSON is shown as YAML that means the same", () => {
  const config = { ops: { greet: { config: { name: "Ada L", mood: "yes", n: 1.5, empty: {}, none: null, text: "a: b\nc", list: [1, { a: [], b: ["x"] }, ["y"]] } } } };
  const yaml = asYaml(JSON.stringify(config));
  expect(yaml.split("\n").slice(0, 4)).toEqual(["ops:", "  greet:", "    config:", "      name: Ada L"]);
  expect(parse(yaml)).toEqual(config);
});

test("what is no JSON is left as it is, and nothing is nothing", () => {
  expect(asYaml("ops:\n  a: 1 # why\n")).toBe("ops:\n  a: 1 # why");
  expect([asYaml("{}"), asYaml("")]).toEqual(["", ""]);
});

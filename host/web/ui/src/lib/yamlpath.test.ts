import { expect, test } from "vitest";
import { placeAt } from "./yamlpath";

/** The place of `|` in the text. */
function check(text: string) {
  const { path, at, word, siblings } = placeAt(text.replace("|", ""), text.indexOf("|"));
  return { path: path.join("."), at, word, siblings };
}

test("a key is found by the indentation of those above it", () => {
  expect(check("ops:\n  greet:\n    config:\n      na|")).toMatchObject({ path: "ops.greet.config", at: "key", word: "na" });
  expect(check("ops:\n  greet:\n    config:\n      name: Ada\n  |")).toMatchObject({ path: "ops", at: "key" });
  expect(check("|")).toMatchObject({ path: "", at: "key" });
});

test("behind a colon stands a value", () => {
  expect(check("ops:\n  greet:\n    config:\n      mood: wi|")).toMatchObject({ path: "ops.greet.config.mood", at: "value", word: "wi" });
});

test("comments and empty lines are passed over", () => {
  expect(check("ops:\n  # which\n\n  greet:\n    |")).toMatchObject({ path: "ops.greet", at: "key" });
});

test("items of a list are a step of the path", () => {
  expect(check("inputs:\n  files:\n    - path: |")).toMatchObject({ path: "inputs.files.*.path", at: "value" });
  expect(check("inputs:\n  files:\n    - path: a\n      ki|")).toMatchObject({ path: "inputs.files.*", at: "key" });
  expect(check("inputs:\n  files:\n  - path: |")).toMatchObject({ path: "inputs.files.*.path", at: "value" });
});

test("keys may be quoted", () => {
  expect(check('"a b":\n  \'c\':\n    |')).toMatchObject({ path: "a b.c" });
});

test("keys of the same mapping are known, above and below", () => {
  expect(check("config:\n  name: Ada\n  |\n  mood: calm\nother: 1").siblings).toEqual(["name", "mood"]);
});

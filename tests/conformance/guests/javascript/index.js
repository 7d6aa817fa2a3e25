// The conformance library in JavaScript, as `tests/conformance/README.md` has it: values and ports.

import { Int64, Type, bytes, dynamic, many, op, optional, withMetadata } from "cofferdam-op";

export * from "./context.js";
export * from "./failing.js";
export * from "./large.js";

/** Gives its input back. */
const echo = (value) => op({ doc: "Gives its input back.", inputs: { value }, output: value }, (inputs) => inputs.value);

const Person = Type.Object({
  name: Type.String(),
  age: Type.Integer({ minimum: 0 }),
  tags: Type.Array(Type.String(), { default: [] }),
  home: Type.Optional(Type.Union([Type.Object({ lat: Type.Number(), lon: Type.Number() }), Type.Null()])),
});

export const echo_text = echo(Type.String());
export const echo_integer = echo(Int64());
export const echo_number = echo(Type.Number());
export const echo_flag = echo(Type.Boolean());
export const echo_list = echo(Type.Array(Int64()));
export const echo_map = echo(Type.Record(Type.String(), Int64()));
export const echo_nullable = echo(Type.Union([Type.String(), Type.Null()]));
export const echo_choice = echo(Type.Enum(["red", "green", "blue"]));
export const echo_record = echo(Person);
export const echo_bytes = echo(bytes());

export const nothing = op({ doc: "Does nothing." }, () => {});

export const split_name = op({
  doc: "Splits a name at its first blank.",
  inputs: { name: Type.String() },
  outputs: { first: Type.String(), last: Type.String() },
}, ({ name }) => {
  const at = name.includes(" ") ? name.indexOf(" ") : name.length;
  const first = name.slice(0, at);
  return { first: withMetadata(first, { letters: [...first].length }), last: name.slice(at + 1) };
});

export const maybe = op({
  doc: "Gives 42, or nothing.",
  config: Type.Object({ emit: Type.Boolean() }),
  outputs: { value: optional(Int64()) },
}, (_, { config }) => (config.emit ? { value: 42 } : {}));

export const greet = op({
  doc: "Greets.",
  inputs: { name: optional(Type.String()) },
  output: Type.String(),
}, ({ name = "nobody" }) => `Hello, ${name}!`);

export const numbers = op({
  doc: "Counts up.",
  config: Type.Object({ n: Type.Integer({ minimum: 0 }) }),
  outputs: { each: dynamic(Int64()) },
}, (_, { config }) => ({ each: Array.from({ length: config.n }, (_, i) => [`n${i}`, i]) }));

export const twins = op({
  doc: "Emits a key twice.",
  outputs: { each: dynamic(Int64()) },
}, () => ({ each: [["twin", 1], ["twin", 2]] }));

export const total = op({
  doc: "Adds up.",
  inputs: { numbers: many(Int64()) },
  output: Int64(),
}, (inputs) => inputs.numbers.reduce((sum, { value }) => sum + BigInt(value), 0n));

export const keyed = op({
  doc: "Shows keys and values.",
  inputs: { numbers: many(Int64()) },
  output: Type.Array(Type.String()),
}, (inputs) => inputs.numbers.map(({ key = "-", value }) => `${key}=${value}`));

export const configured = op({
  doc: "Greets as it is told to.",
  config: Type.Object({
    greeting: Type.String({ default: "Hello" }),
    times: Type.Integer({ minimum: 1, maximum: 10, default: 2 }),
    loud: Type.Boolean({ default: false }),
    names: Type.Array(Type.String()),
  }),
  output: Type.String(),
}, (_, { config: { greeting, times, loud, names } }) => {
  const lines = names.map((name) => `${greeting}, ${name}!`).map((line) => (loud ? line.toUpperCase() : line));
  return Array.from({ length: times }, () => lines).flat().join("\n");
});

export const pure_double = op({
  doc: "Doubles.",
  inputs: { value: Int64() },
  output: Int64(),
  pure: true,
}, ({ value }) => BigInt(value) * 2n);

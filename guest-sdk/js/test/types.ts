// Checked by tsc, never run: what an author writes has the types that the schemas say.

import { Int64, Type, bytes, dynamic, many, op, optional, reader, withMetadata } from "cofferdam-op";
import type { Element, Reader } from "cofferdam-op";

function same<A>(_: A): void {}

export const plain = op({
  inputs: { name: Type.String(), age: optional(Type.Integer()), rows: many(Type.Number()), file: reader("text/csv"), raw: bytes() },
  config: Type.Object({ loud: Type.Boolean({ default: false }) }),
  resources: { store: "keyvalue", db: { kind: "sql", doc: "rows" } },
  output: Type.String(),
}, ({ name, age, rows, file, raw }, ctx) => {
  same<string>(name);
  same<number | undefined>(age);
  same<Element<number>[]>(rows);
  same<Reader>(file);
  same<Uint8Array>(raw);
  same<boolean>(ctx.config.loud);
  same<Uint8Array | undefined>(ctx.resources.store.get("x"));
  ctx.resources.db.query("select 1");
  // @ts-expect-error: there is no such resource
  ctx.resources.other;
  return name;
});

export const several = op({ outputs: { first: Type.String(), each: dynamic(Type.Integer()), maybe: optional(Type.Integer()) } }, () => ({
  first: withMetadata("a", { letters: 1 }),
  each: [["a", 1]] as [string, number][],
}));

export const later = op({ inputs: { value: Int64() }, output: Int64() }, async ({ value }) => value);
export const nothing = op({}, () => {});
export const page = op({ output: bytes("text/html") }, () => "<h1>x</h1>");
export const json = op({ inputs: { a: { type: "array", items: { type: "integer" } } }, output: { type: "integer" } }, ({ a }) => {
  same<number[]>(a);
  return a.length;
});

// @ts-expect-error: the output is a number
export const wrong = op({ output: Type.Integer() }, () => "x");
// @ts-expect-error: an output is missing
export const incomplete = op({ outputs: { a: Type.String(), b: Type.String() } }, () => ({ a: "x" }));

same<string>(plain({ name: "a", rows: [], file: null!, raw: new Uint8Array() }) as string);

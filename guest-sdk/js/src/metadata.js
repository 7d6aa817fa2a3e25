// Named facts about a step or a value. Text, numbers and truth convert by themselves, objects become JSON; what
// should be shown in another way is made with `fact`.

const FACT = Symbol.for("cofferdam.fact");

function kind(tag, convert = String) {
  return (value) => Object.freeze({ [FACT]: true, tag, val: convert(value) });
}

const json = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** Facts of a kind that plain values do not have. `json` and `table` take values, or JSON text. */
export const fact = Object.freeze({
  integer: kind("integer", BigInt),
  number: kind("number", Number),
  url: kind("url"),
  path: kind("path"),
  json: kind("json", json),
  markdown: kind("markdown"),
  table: kind("table", json),
  timestamp: kind("timestamp", (time) => (time instanceof Date ? time.toISOString() : String(time))),
});

/** A value with facts that are shown with it, as an output or as one value of a dynamic output. */
export class WithMetadata {
  constructor(value, metadata) {
    this.value = value;
    this.metadata = metadata;
  }
}

export function withMetadata(value, metadata) {
  return new WithMetadata(value, metadata);
}

/** In the words of the contract. */
export function entriesOf(metadata) {
  return Object.entries(metadata).map(([name, value]) => ({ name, value: factOf(name, value) }));
}

function factOf(name, value) {
  if (value?.[FACT]) return { tag: value.tag, val: value.val };
  switch (typeof value) {
    case "string":
      return { tag: "text", val: value };
    case "boolean":
      return { tag: "truth", val: value };
    case "bigint":
      return { tag: "integer", val: value };
    case "number":
      return Number.isSafeInteger(value) ? { tag: "integer", val: BigInt(value) } : { tag: "number", val: value };
    case "object":
      return value instanceof Date ? { tag: "timestamp", val: value.toISOString() } : { tag: "json", val: JSON.stringify(value) };
    default:
      throw new TypeError(`the metadata \`${name}\` is ${value === undefined ? "undefined" : `a ${typeof value}`}, which is no fact`);
  }
}

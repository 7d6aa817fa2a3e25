// JSON Schemas of ports and configs: made fit for the description of a library, and applied to values.
//
// Authors write them with TypeBox, whose schemas are JSON Schema with marks that JSON leaves out, or by hand.

import { property, resolve } from "./cbor.js";

const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"];
/** Words of JSON Schema that hold one schema, a list of them, or a table of them. */
const ONE = ["items", "additionalProperties", "not", "if", "then", "else", "propertyNames", "contains"];
const LISTS = ["anyOf", "oneOf", "allOf", "prefixItems"];
const TABLES = ["properties", "patternProperties", "$defs"];

/**
 * A copy as the library's description carries it. Properties with a default need not be given; a config (`closed`)
 * refuses keys that it does not list.
 */
export function describe(schema, place, closed = false) {
  if (typeof schema === "boolean") return schema;
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new TypeError(`${place} has no schema: give one of TypeBox, such as \`Type.String()\`, or a JSON Schema`);
  }
  return tidy(JSON.parse(JSON.stringify(schema)), place, closed);
}

function tidy(schema, place, closed) {
  if (typeof schema !== "object" || schema === null) return schema;
  const within = (inner, at) => tidy(inner, `${place}${at}`, closed);
  for (const word of ONE) if (word in schema) schema[word] = within(schema[word], "");
  for (const word of LISTS) if (word in schema) schema[word] = schema[word].map((inner) => within(inner, ""));
  for (const word of TABLES) {
    for (const name of Object.keys(schema[word] ?? {})) schema[word][name] = within(schema[word][name], `, at \`${name}\`,`);
  }
  const unknown = [schema.type ?? []].flat().find((type) => !TYPES.includes(type));
  if (unknown !== undefined) {
    const instead = unknown === "bigint" ? "; for whole numbers of 64 bits there is `Int64()`" : "";
    throw new TypeError(`${place} is of the type \`${unknown}\`, which JSON Schema cannot express${instead}`);
  }
  const patterns = Object.keys(schema.patternProperties ?? {});
  if (patterns.length === 1 && /^\^(\.\*|\(\.\*\))\$$/.test(patterns[0]) && !("additionalProperties" in schema)) {
    schema.additionalProperties = schema.patternProperties[patterns[0]];
    delete schema.patternProperties;
  }
  if (schema.enum && schema.type === undefined && schema.enum.every((value) => typeof value === "string")) {
    schema.type = "string";
  }
  if (schema.required) {
    const needed = schema.required.filter((name) => schema.properties?.[name]?.default === undefined);
    if (needed.length > 0) schema.required = needed;
    else delete schema.required;
  }
  if (closed && schema.properties && !("additionalProperties" in schema)) schema.additionalProperties = false;
  return schema;
}

/** Puts in the defaults of what is absent from objects. The value itself is changed. */
export function complete(schema, value, root = schema) {
  schema = resolve(schema, root);
  if (typeof schema !== "object" || typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    if (schema.items) value.forEach((item, index) => (value[index] = complete(schema.items, item, root)));
    return value;
  }
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (value[name] === undefined && inner.default !== undefined) value[name] = structuredClone(inner.default);
  }
  for (const name of Object.keys(value)) value[name] = complete(property(schema, name), value[name], root);
  for (const inner of schema.allOf ?? []) complete(inner, value, root);
  return value;
}

/** The first thing that the schema does not accept, in words; undefined if it accepts the value. */
export function mistake(schema, value, root = schema, path = "") {
  schema = resolve(schema, root);
  if (schema === undefined || schema === true) return undefined;
  const wrong = (expected) => `${path === "" ? "" : `at \`${path}\`: `}expected ${expected}, found ${show(value)}`;
  if (schema === false) return wrong("nothing");
  if (typeof value?.toJSON === "function") value = value.toJSON();
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => isOf(type, value))) return wrong(types.join(" or "));
  if (schema.enum && !schema.enum.includes(value)) return wrong(`one of ${schema.enum.map((v) => JSON.stringify(v)).join(", ")}`);
  if ("const" in schema && schema.const !== value) return wrong(JSON.stringify(schema.const));
  return bounds(schema, value, wrong) ?? inside(schema, value, root, path) ?? combined(schema, value, root, path, wrong);
}

function isOf(type, value) {
  switch (type) {
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value) || typeof value === "bigint";
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    case "array":
      return Array.isArray(value) || value instanceof Uint8Array;
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
    default:
      return typeof value === type;
  }
}

function bounds(schema, value, wrong) {
  if (typeof value === "number" || typeof value === "bigint") {
    if (value < schema.minimum) return wrong(`at least ${schema.minimum}`);
    if (value > schema.maximum) return wrong(`at most ${schema.maximum}`);
    if (value <= schema.exclusiveMinimum) return wrong(`more than ${schema.exclusiveMinimum}`);
    if (value >= schema.exclusiveMaximum) return wrong(`less than ${schema.exclusiveMaximum}`);
  } else if (typeof value === "string") {
    // The schema counts code points; where even the code units are too few, so are they.
    const length = () => [...value].length;
    if (schema.minLength > 0 && (value.length < schema.minLength || length() < schema.minLength)) {
      return wrong(`text of at least ${schema.minLength} characters`);
    }
    if (value.length > schema.maxLength && length() > schema.maxLength) return wrong(`text of at most ${schema.maxLength} characters`);
    if (schema.pattern && !new RegExp(schema.pattern, "u").test(value)) return wrong(`text that matches \`${schema.pattern}\``);
  } else if (Array.isArray(value)) {
    if (value.length < schema.minItems) return wrong(`at least ${schema.minItems} elements`);
    if (value.length > schema.maxItems) return wrong(`at most ${schema.maxItems} elements`);
  }
  return undefined;
}

function inside(schema, value, root, path) {
  if (Array.isArray(value)) {
    const first = schema.prefixItems ?? [];
    if (first.length === 0 && schema.items === undefined) return undefined;
    for (const [index, item] of value.entries()) {
      const found = mistake(first[index] ?? schema.items, item, root, `${path}/${index}`);
      if (found) return found;
    }
    return undefined;
  }
  if (!isOf("object", value)) return undefined;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  for (const [name, item] of entries) {
    if (item === undefined) continue;
    const inner = property(schema, String(name));
    if (inner === false) return `${path === "" ? "" : `at \`${path}\`: `}there is no key \`${name}\``;
    const found = mistake(inner, item, root, `${path}/${name}`);
    if (found) return found;
  }
  const has = value instanceof Map ? (name) => value.get(name) !== undefined : (name) => value[name] !== undefined;
  const absent = (schema.required ?? []).find((name) => !has(name));
  return absent === undefined ? undefined : `${path === "" ? "" : `at \`${path}\`: `}the key \`${absent}\` is missing`;
}

function combined(schema, value, root, path, wrong) {
  for (const inner of schema.allOf ?? []) {
    const found = mistake(inner, value, root, path);
    if (found) return found;
  }
  for (const choices of [schema.anyOf, schema.oneOf]) {
    if (!choices) continue;
    const found = choices.map((inner) => mistake(inner, value, root, path));
    if (found.includes(undefined)) continue;
    const names = choices.map((inner) => resolve(inner, root)?.type ?? "another form");
    return choices.length === 1 ? found[0] : wrong([...new Set(names.flat())].join(" or "));
  }
  return undefined;
}

/** Characters of a value that a message repeats. */
const SHOWN_MAX = 60;

function show(value) {
  if (typeof value === "bigint") return String(value);
  const text = value instanceof Map ? "a map" : (JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v)) ?? String(value));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

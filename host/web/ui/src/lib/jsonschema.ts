// Just enough of JSON Schema to say what may stand at a place: properties, alternatives, references. It judges nothing; that is
// for the server.
import type { Json } from "../api/types";
import { yamlText } from "./yaml";

type Schema = { [key: string]: Json };
/** `snippet` is what follows a key: a value, or nothing where a mapping goes on below. */
export type Choice = { label: string; detail: string; info: string; required: boolean; opens: boolean };

/** References that are followed before a schema is taken to turn in circles. */
const DEREF_MAX = 16;

const isSchema = (value: Json | undefined): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every schema that applies at the path; `*` is an item of a list. */
export function schemasAt(root: Json, path: string[]): Schema[] {
  let level = alternatives(root, root);
  for (const key of path) level = level.flatMap((schema) => child(schema, key).flatMap((next) => alternatives(next, root)));
  return level;
}

export function keysAt(root: Json, path: string[]): Choice[] {
  const out = new Map<string, Choice>();
  for (const schema of schemasAt(root, path)) {
    const required = Array.isArray(schema.required) ? schema.required : [];
    for (const [label, property] of Object.entries(isSchema(schema.properties) ? schema.properties : {})) {
      if (out.has(label)) continue;
      const forms = alternatives(property, root);
      out.set(label, {
        label, detail: typeText(forms), info: description(property, forms), required: required.includes(label),
        opens: forms.some((form) => typeOf(form) === "object" || typeOf(form) === "array") && !forms.some((f) => typeOf(f) === "string"),
      });
    }
  }
  return [...out.values()].sort((a, b) => Number(b.required) - Number(a.required) || a.label.localeCompare(b.label));
}

export function valuesAt(root: Json, path: string[]): Choice[] {
  const out = new Map<string, Choice>();
  for (const schema of schemasAt(root, path)) {
    const values = [
      ...(Array.isArray(schema.enum) ? schema.enum : []), ...("const" in schema ? [schema.const!] : []),
      ...(typeOf(schema) === "boolean" ? [true, false] : []), ...("default" in schema ? [schema.default!] : []),
    ];
    for (const value of values) {
      if (typeof value === "object" && value !== null) continue;
      const label = typeof value === "string" ? yamlText(value) : String(value);
      const isDefault = value === schema.default;
      if (!out.has(label)) out.set(label, { label, detail: isDefault ? "default" : "", info: String(schema.description ?? ""), required: false, opens: false });
    }
  }
  return [...out.values()];
}

/** What is expected there in one line, for the pane that follows the cursor. */
export function expectedAt(root: Json, path: string[]): { type: string; info: string } | null {
  const forms = schemasAt(root, path);
  return forms.length === 0 ? null : { type: typeText(forms), info: description(null, forms) };
}

function alternatives(value: Json | undefined, root: Json, depth = 0): Schema[] {
  if (!isSchema(value) || depth > DEREF_MAX) return [];
  const here = { ...value };
  const out: Schema[] = [];
  if (typeof here.$ref === "string") out.push(...alternatives(pointed(root, here.$ref), root, depth + 1));
  for (const key of ["anyOf", "oneOf", "allOf"] as const)
    if (Array.isArray(here[key])) for (const one of here[key]) out.push(...alternatives(one, root, depth + 1));
  const own = Object.keys(here).some((key) => !["$ref", "anyOf", "oneOf", "allOf", "$defs", "$schema"].includes(key));
  return own || out.length === 0 ? [here, ...out] : out;
}

function child(schema: Schema, key: string): Json[] {
  if (key === "*") return schema.items === undefined ? [] : [schema.items];
  const properties = isSchema(schema.properties) ? schema.properties : {};
  if (key in properties) return [properties[key]!];
  return isSchema(schema.additionalProperties) ? [schema.additionalProperties] : [];
}

function pointed(root: Json, ref: string): Json | undefined {
  let at: Json | undefined = root;
  for (const part of ref.replace(/^#\/?/, "").split("/").filter(Boolean)) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    at = isSchema(at) ? at[key] : Array.isArray(at) ? at[Number(key)] : undefined;
  }
  return at;
}

function typeOf(schema: Schema): string | null {
  if (typeof schema.type === "string") return schema.type;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return isSchema(schema.properties) ? "object" : null;
}

function typeText(forms: Schema[]): string {
  const names = forms.map((form) => (Array.isArray(form.enum) ? `one of ${form.enum.join(", ")}` : typeOf(form))).filter((n) => n !== null);
  return [...new Set(names)].join(" | ") || "anything";
}

function description(property: Json, forms: Schema[]): string {
  const first = [property, ...forms].find((form) => isSchema(form) && typeof form.description === "string");
  return isSchema(first ?? null) ? String((first as Schema).description) : "";
}


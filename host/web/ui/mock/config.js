// Judges run configs for the mock server: YAML against the job's schema, with the places of what is wrong.
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { configSchema } from "./world.js";

export function validate(jobName, text) {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines });
  const diagnostics = [];
  const say = (range, code, message, hint = null) => {
    const [from, to] = [lines.linePos(range[0]), lines.linePos(range[1] ?? range[0])];
    diagnostics.push({ severity: "ERROR", code, message, file: "run config", line: from.line, column: from.col, endLine: to.line, endColumn: to.col, label: null, hint, rendered: message });
  };
  if (doc.errors.length > 0) {
    const [error] = doc.errors;
    say(error.pos, "config::yaml", error.message.split("\n")[0].replace(/ at line.*/, ""));
  } else {
    const schema = configSchema(jobName);
    judge(doc.contents, schema, schema, [0, 0], say, "the run config");
  }
  return { isValid: diagnostics.length === 0, diagnostics };
}

const follow = (schema, root) => (schema.$ref ? root.$defs[schema.$ref.split("/").at(-1)] : schema);

function judge(node, given, root, range, say, what) {
  const schema = follow(given, root);
  const at = node?.range ?? range;
  if (schema.type === "object") {
    if (node && !isMap(node) && !(isScalar(node) && node.value === null)) return say(at, "config::type", `expected a mapping at ${what}`);
    const items = isMap(node) ? node.items : [];
    const known = Object.keys(schema.properties ?? {});
    for (const { key, value } of items) {
      const property = schema.properties?.[key.value] ?? (schema.additionalProperties || null);
      if (property) judge(value, property, root, key.range, say, `\`${key.value}\``);
      else say(key.range, "config::unknown-field", `unknown key \`${key.value}\` in ${what}`, near(key.value, known));
    }
    for (const key of schema.required ?? []) if (!items.some((item) => item.key.value === key)) say(at.slice(0, 1), "config::missing", `\`${key}\` is missing in ${what}`, `${key}: …`);
    return;
  }
  const value = node?.toJSON?.() ?? null;
  if (schema.minLength && value === "") return say(at, "config::range", `${what} must have at least ${schema.minLength} character`);
  const fits = schema.enum ? schema.enum.includes(value) : schema.type === "integer" ? Number.isInteger(value) : typeof value === schema.type;
  if (!fits) say(at, "config::type", `${what} must be ${schema.enum ? `one of ${schema.enum.join(", ")}` : schema.type}, not ${JSON.stringify(value)}`);
}

function near(word, known) {
  const found = known.find((k) => k.startsWith(word.slice(0, 2)) || k.includes(word) || word.includes(k));
  return found ? `did you mean \`${found}\`?` : known.length > 0 ? `known: ${known.join(", ")}` : null;
}

export function scaffold(jobName, text) {
  const root = configSchema(jobName);
  const doc = parseDocument(text || "{}");
  for (const [step, spec] of Object.entries(root.properties.ops.properties)) {
    const config = spec.properties.config && follow(spec.properties.config, root);
    for (const key of config?.required ?? []) if (!doc.hasIn(["ops", step, "config", key])) doc.setIn(["ops", step, "config", key], config.properties[key].type === "string" ? "x" : 0);
  }
  return { yaml: print(doc), removed: [], diagnostics: [], error: null };
}

export function complete(jobName, text, how) {
  const root = configSchema(jobName);
  const doc = parseDocument(text || "{}");
  const removed = [];
  const steps = root.properties.ops.properties;
  if (how === "REMOVE_EXTRA")
    for (const [step, spec] of Object.entries(doc.toJSON()?.ops ?? {}))
      if (!steps[step]) doc.deleteIn(["ops", step]) && removed.push(`ops.${step}`);
      else for (const key of Object.keys(spec?.config ?? {})) if (!(key in (follow(steps[step].properties.config ?? {}, root).properties ?? {}))) doc.deleteIn(["ops", step, "config", key]) && removed.push(`ops.${step}.config.${key}`);
  if (how === "DEFAULTS")
    for (const [step, spec] of Object.entries(steps))
      for (const [key, property] of Object.entries(spec.properties.config ? follow(spec.properties.config, root).properties : {}))
        if ("default" in property && !doc.hasIn(["ops", step, "config", key])) doc.setIn(["ops", step, "config", key], property.default);
  return { yaml: print(doc), removed, diagnostics: [], error: null };
}

function print(doc) {
  if (doc.contents) doc.contents.flow = false;
  const text = doc.toString();
  return text.trim() === "{}" ? "" : text;
}

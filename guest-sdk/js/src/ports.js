// Inputs and outputs: what an author writes for each, and the form in which the library describes it.

import { describe } from "./schema.js";

const PORT = Symbol.for("cofferdam.port");

/** Structured values, and bytes that mean nothing in particular. */
export const CBOR = "application/cbor";
export const OCTET_STREAM = "application/octet-stream";

const MEDIA_TYPE = /^([a-z0-9!#$&^_.+-]+\/([a-z0-9!#$&^_.+-]+|\*)|\*\/\*)$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** An input that may be absent (`undefined`), or an output that may be left out. */
export function optional(inner) {
  return port({ ...portOf(inner), required: false });
}

/** An input that takes a fan-in list or a collected dynamic output. */
export function many(inner) {
  return port({ ...portOf(inner), many: true });
}

/** An output of any number of values, each under a key of its own: a `Map`, or pairs of key and value. */
export function dynamic(inner) {
  return port({ ...portOf(inner), dynamic: true });
}

/** Bytes as they are. As an input: a `Uint8Array`; as an output that, text, or what a writer has finished. */
export function bytes(mediaType = OCTET_STREAM, { doc = "" } = {}) {
  return port({ form: "bytes", mediaType: checkedMediaType(mediaType), schema: true, doc });
}

/** An input of bytes that is read piece by piece. */
export function reader(mediaType = OCTET_STREAM, options) {
  return port({ ...bytes(mediaType, options), form: "reader" });
}

/** What an asset check returns: `passed()` or `failed("why")`. */
export const verdict = port({ form: "verdict", mediaType: CBOR, schema: {
  type: "object",
  properties: {
    passed: { type: "boolean" },
    severity: { type: "string", enum: ["warn", "error"] },
    description: { type: ["string", "null"] },
  },
  required: ["passed", "severity"],
}, doc: "" });

function port(parts) {
  return Object.freeze({ required: true, many: false, dynamic: false, ...parts, [PORT]: true });
}

/** A schema stands for a structured value. TypeBox's own mark of what is optional holds as well. */
function portOf(given) {
  if (given?.[PORT]) return given;
  const required = !(given && typeof given === "object" && "~optional" in given);
  return port({ form: "value", mediaType: CBOR, schema: given, doc: given?.description ?? "", required });
}

function checkedMediaType(text) {
  if (MEDIA_TYPE.test(text)) return text;
  throw new TypeError(`\`${text}\` is no media type: expected \`type/subtype\` in lower case, such as \`text/csv\``);
}

/** Ports by name, checked. `side` is `input` or `output`. */
export function portsOf(given, side) {
  if (typeof given !== "object" || given === null) throw new TypeError(`\`${side}s\` is a table of ${side}s by name`);
  return Object.entries(given).map(([name, value]) => {
    checkName(`${side} \`${name}\``, name);
    const found = portOf(value);
    if (side === "input" && found.dynamic) throw new TypeError(`input \`${name}\` is dynamic; only outputs are, an input is \`many\``);
    if (side === "input" && found.form === "verdict") throw new TypeError(`input \`${name}\` is a verdict; only outputs are`);
    if (side === "output" && found.many) throw new TypeError(`output \`${name}\` is \`many\`; only inputs are, an output is \`dynamic\``);
    if (side === "output" && found.form === "reader") throw new TypeError(`output \`${name}\` is a reader; write it as \`bytes\``);
    return { ...found, name, schema: describe(found.schema, `${side} \`${name}\``) };
  });
}

export function checkName(what, name) {
  if (NAME.test(name)) return;
  throw new TypeError(`${what} has a name that is not allowed: use letters, digits and \`_\`, at most 128, no digit first`);
}

/** In the words of the contract. */
export function specOf({ name, doc, mediaType, schema, required, many, dynamic }, side) {
  const spec = { name, doc, mediaType, schema: JSON.stringify(schema), required };
  return side === "input" ? { ...spec, many } : { ...spec, dynamic };
}

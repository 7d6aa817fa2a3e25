// From what an op returned to outputs in the words of the contract: declared, complete, of the declared types.

import { encode } from "./cbor.js";
import { Failure } from "./failure.js";
import { WithMetadata, entriesOf } from "./metadata.js";
import { mistake } from "./schema.js";
import { Stored, contentOf } from "./values.js";

const KEY = /^[A-Za-z0-9_]{1,128}$/;
const utf8 = new TextEncoder();

/** The outputs of a result; a promise of them if the op has to be waited for. */
export function emit(definition, result, host) {
  if (typeof result?.then === "function") return result.then((value) => emit(definition, value, host));
  const values = named(definition, result);
  const outputs = [];
  let waiting;
  for (const port of definition.outputs) {
    const value = values[port.name];
    if (value === undefined) {
      if (port.required) throw wrong(port, "it is missing");
    } else if (!port.dynamic) {
      outputs.push(output(port, undefined, value, host));
    } else if (value?.[Symbol.asyncIterator]) {
      waiting = Promise.resolve(waiting).then(() => spreadLater(port, value, host)).then((more) => outputs.push(...more));
    } else {
      outputs.push(...spread(port, value, host));
    }
  }
  return waiting ? waiting.then(() => outputs) : outputs;
}

/** What an op returned to a test: the same value, if it may be returned. */
export function checkResult(definition, result, host) {
  if (typeof result?.then === "function") return result.then((value) => checkResult(definition, value, host));
  const values = named(definition, result);
  for (const port of definition.outputs) {
    const value = values[port.name];
    // What can be read once is the test's.
    if (value === undefined && port.required) throw wrong(port, "it is missing");
    if (value !== undefined && !port.dynamic && !(value instanceof Stored)) output(port, undefined, value, host);
    if (port.dynamic && (Array.isArray(value) || value instanceof Map)) spread(port, value, host);
  }
  return result;
}

function wrong(port, why) {
  return new Failure(`output \`${port.name}\` cannot be taken: ${why}`, { permanent: true });
}

function named(definition, result) {
  const { single, outputs } = definition;
  if (single) return { [outputs[0].name]: result };
  if (outputs.length === 0) {
    if (result === undefined || result === null) return {};
    throw new Failure("the op returned a value, but declares no output", { permanent: true });
  }
  if (typeof result !== "object" || result === null) {
    throw new Failure(`the op declares \`outputs\` and has to return an object with them, not ${result}`, { permanent: true });
  }
  const unknown = Object.keys(result).find((name) => !outputs.some((port) => port.name === name));
  if (unknown === undefined) return result;
  const known = outputs.map((port) => `\`${port.name}\``).join(", ");
  throw new Failure(`the op returned an output \`${unknown}\` that it does not declare; it declares ${known}`, { permanent: true });
}

function spread(port, pairs, host) {
  if (typeof pairs?.[Symbol.iterator] !== "function" || typeof pairs === "string") {
    throw wrong(port, "a dynamic output is a `Map`, or a list of pairs of key and value");
  }
  const seen = new Set();
  return Array.from(pairs, (pair) => element(port, pair, seen, host));
}

async function spreadLater(port, pairs, host) {
  const seen = new Set();
  const outputs = [];
  for await (const pair of pairs) outputs.push(element(port, pair, seen, host));
  return outputs;
}

function element(port, pair, seen, host) {
  if (!Array.isArray(pair) || pair.length !== 2) throw wrong(port, "each of its elements is a pair of key and value");
  const key = String(pair[0]);
  if (!KEY.test(key)) throw wrong(port, `the key \`${key}\` is not 1 to 128 letters, digits and \`_\``);
  if (seen.has(key)) throw wrong(port, `the key \`${key}\` is used twice`);
  seen.add(key);
  return output(port, key, pair[1], host);
}

function output(port, key, given, host) {
  const [value, facts] = given instanceof WithMetadata ? [given.value, given.metadata] : [given, {}];
  const { content, mediaType } = write(port, value, host);
  return { name: port.name, key, value: { mediaType, content }, metadata: entriesOf(facts) };
}

function write(port, value, host) {
  const { mediaType } = port;
  switch (port.form) {
    case "bytes":
      if (value instanceof Stored) return { mediaType, content: value.content };
      return { mediaType, content: contentOf(bytesOf(port, value), host) };
    case "verdict":
      return { mediaType, content: verdict(port, value, host) };
    default: {
      const found = mistake(port.schema, value);
      if (found) throw wrong(port, found);
      return { mediaType, content: contentOf(encoded(port, value), host) };
    }
  }
}

function encoded(port, value) {
  try {
    return encode(value, port.schema);
  } catch (error) {
    throw wrong(port, error.message);
  }
}

function bytesOf(port, value) {
  if (typeof value === "string") return utf8.encode(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw wrong(port, "expected a `Uint8Array`, text, or what a writer has finished");
}

/** The host reads the verdict from the step's metadata, so that it need not open values. */
function verdict(port, value, host) {
  if (!(value instanceof Verdict)) throw wrong(port, "a check returns `passed()` or `failed(\"why\")`");
  const { passed, severity, description, metadata } = value;
  const said = description === undefined ? {} : { description };
  host.addMetadata(entriesOf({ passed, severity, ...said, ...metadata }));
  return { tag: "bytes", val: encode({ passed, severity, description: description ?? null }) };
}

/** What an asset check found. */
export class Verdict {
  constructor(passed, description, { severity = "error", metadata = {} } = {}) {
    Object.assign(this, { passed, description, severity, metadata });
  }
}

/** All is well. */
export function passed(options = {}) {
  return new Verdict(true, options.description, options);
}

/** Something is wrong: what, in one line. */
export function failed(why, options = {}) {
  return new Verdict(false, why, options);
}

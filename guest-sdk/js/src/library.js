// A library: the ops that a module exports, described and run in the words of the contract.

import { decode } from "./cbor.js";
import { Context } from "./context.js";
import { emit } from "./emit.js";
import { Failure, failureOf } from "./failure.js";
import { definitionOf, opSpecOf } from "./op.js";
import { checkName } from "./ports.js";
import { resourceOf } from "./resources.js";
import { complete } from "./schema.js";
import { Reader, sourceOf } from "./values.js";

/** The ops of a module by name. `what` names the module in errors. */
export function opsOf(module, what) {
  const ops = new Map();
  for (const [exported, value] of Object.entries(module)) {
    const definition = definitionOf(value);
    if (definition === undefined) continue;
    const name = definition.name ?? exported;
    checkName(`op \`${name}\` of ${what}`, name);
    if (ops.has(name)) throw new TypeError(`${what} exports two ops of the name \`${name}\``);
    ops.set(name, definition);
  }
  if (ops.size === 0) throw new TypeError(`${what} exports no op: write \`export const greet = op({ … }, …)\``);
  return ops;
}

/** `describe` and `run` over a host. */
export function libraryOf(name, version, ops, host) {
  return {
    describe: () => ({ name, version, ops: [...ops].map(([own, definition]) => opSpecOf(own, definition)) }),
    run: (op, invocation) => run(ops, op, invocation, host),
  };
}

/** The completion, or a promise of it; throws what the contract calls a failure, as `payload`. */
function run(ops, op, invocation, host) {
  try {
    const definition = ops.get(op);
    if (definition === undefined) {
      const known = [...ops.keys()].join("`, `");
      throw new Failure(`this library has no op \`${op}\`; it has \`${known}\``, { permanent: true });
    }
    const inputs = Object.fromEntries(definition.inputs.map((port) => [port.name, inputOf(port, invocation, host)]));
    const ctx = contextOf(definition, invocation, host);
    const outputs = emit(definition, definition.fn(inputs, ctx), host);
    if (typeof outputs.then !== "function") return { outputs };
    return host.settled(outputs).then((outputs) => ({ outputs }), (thrown) => fail(thrown, host));
  } catch (thrown) {
    return fail(thrown, host);
  }
}

function fail(thrown, host) {
  const failure = failureOf(thrown);
  const stack = thrown instanceof Error && !(thrown instanceof Failure) ? host.stackOf(thrown) : "";
  if (stack !== "") host.log("error", `${failure.message}\n${stack}`, []);
  throw Object.assign(new Error(failure.message), { payload: failure });
}

function contextOf({ config: schema, resources }, { config }, host) {
  const given = schema === undefined ? undefined : complete(schema, decode(config));
  const lent = resources.map(({ name, kind }) => [name, resourceOf(kind, host.resources[kind], name)]);
  return new Context(host, given, Object.fromEntries(lent));
}

function inputOf(port, { inputs }, host) {
  const input = inputs.find(({ name }) => name === port.name);
  if (input === undefined) {
    if (!port.required) return undefined;
    throw new Failure(`input \`${port.name}\` is missing`, { permanent: true });
  }
  const { tag, val } = input.value;
  if (!port.many) return valueOf(port, tag === "one" ? val : val[0].value, host);
  const elements = tag === "many" ? val : [{ key: undefined, value: val }];
  return elements.map(({ key, value }) => ({ key, value: valueOf(port, value, host) }));
}

function valueOf(port, { mediaType, content }, host) {
  if (port.form === "value" && content.tag === "bytes") return structured(port, content.val);
  const reader = new Reader(sourceOf(content, host), mediaType);
  switch (port.form) {
    case "reader":
      return reader;
    case "bytes":
      return reader.bytes();
    default:
      return structured(port, reader.bytes());
  }
}

function structured(port, bytes) {
  try {
    return complete(port.schema, decode(bytes));
  } catch (error) {
    throw new Failure(`input \`${port.name}\` cannot be read: ${error.message}`, { permanent: true });
  }
}

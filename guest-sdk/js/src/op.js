// `op`: a function and what it takes and gives. The op stays a function that a test can call.

import { checkName, portsOf, specOf } from "./ports.js";
import { describe } from "./schema.js";
import { KINDS } from "./resources.js";
import { checkResult } from "./emit.js";
import { testContext } from "./testing.js";

const OP = Symbol.for("cofferdam.op");

/** The name of the output of an op that returns one value. */
export const RESULT = "result";

const KEYS = ["name", "doc", "inputs", "output", "outputs", "config", "resources", "pure"];

export function op(spec, fn) {
  const definition = define(spec, fn);
  const called = (inputs = {}, ctx = testContext()) => {
    const lent = ctx.lend?.(definition) ?? ctx;
    return checkResult(definition, fn(inputs, lent), ctx);
  };
  called[OP] = definition;
  return called;
}

/** The definition of an op; undefined for everything else. */
export function definitionOf(value) {
  return typeof value === "function" ? value[OP] : undefined;
}

function define(spec, fn) {
  if (typeof spec !== "object" || spec === null || typeof fn !== "function") {
    throw new TypeError("`op` takes a description and a function: `op({ doc, inputs, output }, ({ name }) => …)`");
  }
  const unknown = Object.keys(spec).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw new TypeError(`\`op\` knows no key \`${unknown}\`; it knows \`${KEYS.join("`, `")}\``);
  const { name, doc = "", inputs = {}, output, outputs, config, resources = {}, pure = false } = spec;
  if (output !== undefined && outputs !== undefined) {
    throw new TypeError("an op has either `output`, the one value that it returns, or `outputs`, a table of them");
  }
  if (name !== undefined) checkName(`op \`${name}\``, name);
  return {
    name,
    doc,
    inputs: portsOf(inputs, "input"),
    outputs: portsOf(output !== undefined ? { [RESULT]: output } : (outputs ?? {}), "output"),
    single: output !== undefined,
    config: config === undefined ? undefined : describe(config, "the config", true),
    resources: Object.entries(resources).map(([own, need]) => needOf(own, need)),
    pure,
    fn,
  };
}

function needOf(name, given) {
  checkName(`resource \`${name}\``, name);
  const { kind, doc = "" } = typeof given === "string" ? { kind: given } : given;
  if (!KINDS.includes(kind)) {
    throw new TypeError(`resource \`${name}\` is of the kind \`${kind}\`; kinds are \`${KINDS.join("`, `")}\``);
  }
  return { name, kind, doc };
}

/** In the words of the contract. */
export function opSpecOf(name, { doc, inputs, outputs, config, resources, pure }) {
  return {
    name,
    doc,
    inputs: inputs.map((port) => specOf(port, "input")),
    outputs: outputs.map((port) => specOf(port, "output")),
    configSchema: config === undefined ? undefined : JSON.stringify(config),
    resources,
    pure,
  };
}

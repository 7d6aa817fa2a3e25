// Why an op failed, and how whatever was thrown becomes a failure in the words of the contract.

import { entriesOf } from "./metadata.js";

/** Causes that are told; an error may be its own cause. */
const CAUSES_MAX = 32;

/**
 * An error that says what its op knows about trying again. Every other thrown value fails the attempt as well, and
 * the step's retry policy decides.
 */
export class Failure extends Error {
  /** `retryAfter` is in milliseconds. */
  constructor(message, { permanent = false, retryAfter, metadata = {}, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Failure";
    if (permanent && retryAfter !== undefined) throw new TypeError("a failure that is permanent has no `retryAfter`");
    this.permanent = permanent;
    this.retryAfter = retryAfter;
    this.metadata = metadata;
  }
}

/** Why a call on a resource did not succeed: `denied`, `invalid`, `unavailable`, `failed` or `too-large`. */
export class Fault extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "Fault";
    this.kind = kind;
  }

  /** True if the same call would end the same way. */
  get permanent() {
    return this.kind === "denied" || this.kind === "invalid" || this.kind === "too-large";
  }
}

/** What the contract calls a failure. */
export function failureOf(thrown) {
  const chain = chainOf(thrown);
  const advised = chain.find((error) => error?.permanent === true || error?.retryAfter !== undefined);
  return {
    message: wordsOf(thrown),
    causes: chain.slice(1).map(wordsOf),
    retry: adviceOf(advised),
    metadata: chain.filter((error) => error instanceof Failure).reverse().flatMap((error) => entriesOf(error.metadata)),
  };
}

function chainOf(thrown) {
  const chain = [thrown];
  while (chain.length <= CAUSES_MAX) {
    const cause = chain.at(-1)?.cause;
    if (cause === undefined || cause === null || chain.includes(cause)) break;
    chain.push(cause);
  }
  return chain;
}

function adviceOf(error) {
  if (error === undefined) return { tag: "policy" };
  if (error.permanent) return { tag: "never" };
  return { tag: "after", val: BigInt(Math.max(0, Math.ceil(Number(error.retryAfter)))) };
}

/** A mistake of the program says of what sort it is; an error with words of its own needs no more. */
function wordsOf(thrown) {
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? thrown : `threw ${describe(thrown)}`;
  const plain = thrown.name === "Error" || thrown instanceof Failure || thrown instanceof Fault;
  if (plain) return thrown.message || thrown.name;
  return thrown.message ? `${thrown.name}: ${thrown.message}` : thrown.name;
}

function describe(value) {
  if (typeof value === "object" && value !== null) {
    if (typeof value.message === "string") return value.message;
    try {
      return JSON.stringify(value);
    } catch {
      return "an object";
    }
  }
  return String(value);
}

// What an op may say and ask while it runs. The host behind it is Cofferdam in a component, memory in a test.

import { entriesOf } from "./metadata.js";
import { Writer } from "./values.js";

const LEVELS = ["trace", "debug", "info", "warn", "error"];

export class Context {
  #host;

  /** The config, complete and checked; undefined if the op takes none. */
  config;
  /** What the step lends, by the op's own names. */
  resources;
  /** `ctx.log.info(message, fields)`, at the levels trace, debug, info, warn and error. */
  log;

  constructor(host, config, resources) {
    this.#host = host;
    this.config = config;
    this.resources = resources;
    const at = (level) => (message, fields = {}) => host.log(level, String(message), textsOf(fields));
    this.log = Object.fromEntries(LEVELS.map((level) => [level, at(level)]));
  }

  /** Says how far the work is: `done` of `total`, if the total is known. */
  progress(done, total, message = "") {
    this.#host.progress(BigInt(done), total === undefined || total === null ? undefined : BigInt(total), message);
  }

  /** States a fact about the step, or several. A name given twice keeps the later value. */
  metadata(name, value) {
    this.#host.addMetadata(entriesOf(typeof name === "string" ? { [name]: value } : name));
  }

  /** Who is running. */
  get attempt() {
    const { partition, tags, ...attempt } = this.#host.attempt();
    return { ...attempt, partition: partition ?? null, tags: Object.fromEntries(tags) };
  }

  /** Milliseconds until the host stops this attempt; undefined if there is no limit. */
  remaining() {
    const left = this.#host.remainingMs();
    return left === undefined ? undefined : Number(left);
  }

  /** Starts an output that is too large to hold. */
  createWriter() {
    return new Writer(this.#host);
  }
}

function textsOf(fields) {
  return Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))]);
}

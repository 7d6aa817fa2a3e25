// Tests of ops without WebAssembly: a context that records instead of sending, and doubles of resources.

import { Context } from "./context.js";
import { Fault } from "./failure.js";
import { CommandOutcome, HttpResponse, resourceOf } from "./resources.js";
import { complete, mistake } from "./schema.js";
import { inMemory } from "./values.js";

const utf8 = new TextEncoder();
const ATTEMPT = { runId: "test", stepKey: "test", attempt: 1, idempotencyKey: "test/test", partition: undefined, tags: {} };

/**
 * A context for tests. Its attempt is the first one of step `test` in run `test`, without a time limit, unless
 * `attempt` and `remaining` (milliseconds) say otherwise.
 */
export function testContext({ config, resources = {}, attempt = {}, remaining } = {}) {
  return new TestContext(new Memory({ ...ATTEMPT, ...attempt }, remaining), config, resources);
}

class TestContext extends Context {
  #host;
  #given;

  constructor(host, config, given) {
    super(host, config, {});
    this.#host = host;
    this.#given = given;
  }

  /** What the op has said so far: `logs`, `progress`, `metadata`. */
  get recorded() {
    return this.#host.recorded;
  }

  /** The bytes that a writer of this context wrote. */
  bytesOf({ content }) {
    return content.tag === "bytes" ? content.val : this.#host.values[content.val];
  }

  /** The same context as the op is to see it: with its config complete, and what it names of the resources. */
  lend({ config: schema, resources }) {
    let config = this.config;
    if (schema !== undefined) {
      config = complete(schema, structuredClone(config ?? {}));
      const found = mistake(schema, config);
      if (found) throw new TypeError(`the config is not what the op takes: ${found}`);
    }
    const given = this.#given;
    const lent = Object.defineProperties({}, Object.fromEntries(resources.map(({ name, kind }) => [name, {
      enumerable: true,
      get() {
        if (given[name] === undefined) {
          throw new Error(`the test lends no \`${name}\`: testContext({ resources: { ${name}: fakes.${kind === "config" ? "settings" : kind}(…) } })`);
        }
        return resourceOf(kind, given[name], name);
      },
    }])));
    return new Context(this.#host, config, lent);
  }

  addMetadata(entries) {
    this.#host.addMetadata(entries);
  }

  create() {
    return this.#host.create();
  }
}

class Memory {
  recorded = { logs: [], progress: [], metadata: {} };
  values = [];

  constructor(attempt, remaining) {
    this.attempt = () => ({ ...attempt, tags: Object.entries(attempt.tags) });
    this.remainingMs = () => remaining;
  }

  log(level, message, fields) {
    this.recorded.logs.push({ level, message, fields: Object.fromEntries(fields) });
  }

  progress(done, total, message) {
    this.recorded.progress.push({ done: Number(done), total: total === undefined ? undefined : Number(total), message });
  }

  addMetadata(entries) {
    for (const { name, value } of entries) {
      const val = typeof value.val === "bigint" && Number.isSafeInteger(Number(value.val)) ? Number(value.val) : value.val;
      this.recorded.metadata[name] = val;
    }
  }

  create() {
    const chunks = [];
    const finish = () => this.values.push(join(chunks)) - 1;
    return { write: (bytes) => void chunks.push(bytes.slice()), finish };
  }

  open(number) {
    const { size, read } = inMemory(this.values[number]);
    return { size: () => BigInt(size), read: (offset, length) => read(Number(offset), length) };
  }
}

function join(chunks) {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Bytes by name, from an object of texts or bytes. */
function table(given) {
  return new Map(Object.entries(given).map(([name, value]) => [name, typeof value === "string" ? utf8.encode(value) : value]));
}

const sorted = (map, prefix) => [...map.keys()].filter((key) => key.startsWith(prefix)).sort();

/** Doubles of resources, for `testContext`. Stores are kept in memory; the others answer as the given function says. */
export const fakes = Object.freeze({
  keyvalue(given = {}) {
    const map = table(given);
    return {
      get: (_, key) => map.get(key),
      set: (_, key, value) => void map.set(key, value),
      remove: (_, key) => void map.delete(key),
      keys: (_, prefix) => ({ keys: sorted(map, prefix), more: false }),
    };
  },
  blob(given = {}) {
    const map = table(given);
    return {
      read: (_, path, offset, length) => map.get(path)?.slice(Number(offset), Number(offset) + length),
      size: (_, path) => (map.has(path) ? BigInt(map.get(path).length) : undefined),
      write: (_, path, bytes) => void map.set(path, bytes),
      remove: (_, path) => void map.delete(path),
      paths: (_, prefix) => ({ paths: sorted(map, prefix), more: false }),
    };
  },
  settings(given = {}) {
    return { get: (_, key) => given[key] };
  },
  /** `answer(text, parameters)` gives rows as objects, or the number of rows that were touched. */
  sql(answer) {
    const plain = ({ text, parameters }) => answer(text, parameters.map(({ tag, val }) => (tag === "null" ? null : tag === "integer" ? Number(val) : val)));
    const touched = (found) => BigInt(typeof found === "number" ? found : (found?.length ?? 0));
    return {
      query(_, statement) {
        const rows = plain(statement);
        const columns = Object.keys(rows[0] ?? {});
        return { columns, values: rows.map((row) => columns.map((column) => sqlOf(row[column]))) };
      },
      execute: (_, statement) => touched(plain(statement)),
      transact: (_, statements) => statements.reduce((sum, statement) => sum + touched(plain(statement)), 0n),
    };
  },
  /** `answer({ method, path, headers, body })` gives `{ status, headers, body }`. */
  http(answer) {
    return { send: (_, request) => new HttpResponse(answer(request)) };
  },
  /** `answer(args, stdin)` gives `{ exitCode, stdout, stderr }`. */
  command(answer) {
    return { run: (_, args, stdin) => new CommandOutcome(answer(args, stdin)) };
  },
  /** To be thrown by an answer: `denied`, `invalid`, `unavailable`, `failed` or `too-large`. */
  fault(kind, message) {
    return new Fault(kind, message);
  },
});

function sqlOf(value) {
  if (value === null || value === undefined) return { tag: "null" };
  if (typeof value === "number") return Number.isSafeInteger(value) ? { tag: "integer", val: BigInt(value) } : { tag: "number", val: value };
  if (typeof value === "boolean") return { tag: "truth", val: value };
  return { tag: typeof value === "string" ? "text" : "bytes", val: value };
}

// Runs the top level of a library once, and writes the engine as it is then: what each attempt starts from.
//
// componentize-js calls it in the place of Wizer, with the same arguments, so that the same source makes the same
// bytes: the clock of the build begins at 2000-01-01 as an attempt's does, chance is no chance, and no path of the
// machine is seen.

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { WASI } from "node:wasi";
import { frozen, instrumented } from "./module.mjs";

const INITIALIZE = "componentize.wizer";
/** 2000-01-01 00:00 UTC, and what one reading of a clock takes, in nanoseconds. */
const WALL_START = 946_684_800_000_000_000n;
const READING = 1_000_000n;
/** Where the engine finds the initializer; the folder of the source is `/`. */
const INITIALIZER_FOLDER = "/cofferdam";

const options = process.argv.slice(2);
const input = options.at(-1);
const value = (name) => options.find((option) => option.startsWith(name))?.slice(name.length);
const initializers = value("--dir=");
const sources = value("--mapdir=/::");

const bytes = readFileSync(input);
const { memory, globals } = await run(instrumented(bytes)).catch((error) => {
  // The engine has said what it had to say, and is of no interest itself.
  console.error(error instanceof WebAssembly.RuntimeError ? "the top level of the library did not come to its end" : `error: ${error.message}`);
  process.exit(1);
});
writeFileSync(value("-o="), frozen(bytes, new Uint8Array(memory), globals, ["_initialize", INITIALIZE]));

/** Memory and globals after the top level has run. */
async function run(code) {
  const folder = mkdtempSync(join(dirname(input), "snapshot-"));
  const words = join(folder, "stdin");
  const given = readFileSync(0, "utf8");
  writeFileSync(words, given.replaceAll(initializers, INITIALIZER_FOLDER).replaceAll(`${sources}/`, "/"));
  const stdin = openSync(words);
  const wasi = new WASI({
    version: "preview1",
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(EXPORT|IMPORT|FEATURE|SOURCE|DEBUG)/.test(name)).sort()),
    preopens: { "/": sources, [INITIALIZER_FOLDER]: initializers },
    stdin,
    returnOnExit: false,
  });
  try {
    const module = await WebAssembly.compile(code);
    const instance = await WebAssembly.instantiate(module, imports(module, wasi, () => instance.exports.memory.buffer));
    wasi.initialize(instance);
    instance.exports[INITIALIZE]();
    const globals = Object.entries(instance.exports).filter(([name]) => name.startsWith("global ")).map(([, global]) => global.value);
    return { memory: instance.exports.memory.buffer, globals };
  } finally {
    closeSync(stdin);
    rmSync(folder, { recursive: true });
  }
}

/** WASI without time and chance of this machine; all else is not there while a library is built. */
function imports(module, wasi, memory) {
  let now = 0n;
  let state = 1;
  const still = {
    ...wasi.wasiImport,
    clock_time_get(clock, _, at) {
      now += READING;
      new DataView(memory()).setBigUint64(at, clock === 0 ? WALL_START + now : now, true);
      return 0;
    },
    random_get(at, count) {
      // Marsaglia's xorshift: the engine's hash tables want bits that differ.
      const bytes = new Uint8Array(memory(), at, count);
      for (const index of bytes.keys()) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        bytes[index] = state;
      }
      return 0;
    },
  };
  const found = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    found[from] ??= {};
    found[from][name] = from === "wasi_snapshot_preview1" ? still[name] : () => {
      throw new Error(`${from} \`${name}\` was called while the library is built: call it inside of an op`);
    };
  }
  return found;
}

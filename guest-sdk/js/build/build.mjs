// Makes a component of a module of ops: bundles it, runs its top level once, and keeps what comes of that.
//
// Run by Cofferdam, with one argument: JSON with the keys below. What it prints is for the author.

import { builtinModules, createRequire } from "node:module";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { decodeMappings } from "./lines.mjs";

const { name, version, entry, folder, sdk, wit, tools, out, inputs } = JSON.parse(process.argv[2]);
const require = createRequire(join(tools, "package.json"));
const SOURCE = "library.js";
/** What the engine may import beside the contract. There is no network. */
const WITHOUT = ["http", "fetch-event"];

const { build, formatMessagesSync } = require("esbuild");
const bundled = await bundle();
mkdirSync(dirname(out), { recursive: true });
const work = mkdtempSync(join(dirname(out), "work-"));
try {
  const source = join(work, SOURCE);
  writeFileSync(source, bundled.text);
  // The engine remembers the path of the source as seen from here: it must not differ from build to build.
  process.chdir(work);
  const made = await component(source, bundled.lines);
  if (made !== undefined) {
    writeFileSync(out, made);
    writeFileSync(inputs, JSON.stringify(bundled.files));
  }
} finally {
  process.chdir(folder);
  rmSync(work, { recursive: true });
}

/** One file of JavaScript with all that the module needs, and the files that went into it. */
async function bundle() {
  const main = `import { library } from "cofferdam-op/guest";
import * as module from ${JSON.stringify(entry)};
export const ops = library(${JSON.stringify(name)}, ${JSON.stringify(version)}, module, () => globalThis.cofferdamLines);
`;
  const result = await build({
    stdin: { contents: main, resolveDir: folder, sourcefile: "main.js" },
    absWorkingDir: folder,
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["browser", "module", "main"],
    conditions: ["browser", "import", "module"],
    target: "es2024",
    external: ["cofferdam:op/*"],
    alias: {
      "cofferdam-op/guest": join(sdk, "src/guest.js"),
      "cofferdam-op": join(sdk, "src/index.js"),
      typebox: join(tools, "node_modules/typebox/build/index.mjs"),
    },
    define: { "process.env.NODE_ENV": '"production"' },
    keepNames: false,
    legalComments: "none",
    sourcemap: "external",
    outfile: join(folder, SOURCE),
    write: false,
    metafile: true,
    logLevel: "silent",
  }).catch(({ errors }) => refuse(errors));
  const [map, text] = ["map", "js"].map((end) => result.outputFiles.find(({ path }) => path.endsWith(end)).text);
  const own = (file) => !relative(folder, resolve(folder, file)).startsWith("..") && !file.includes("node_modules");
  const lines = decodeMappings(JSON.parse(map), own);
  const files = Object.keys(result.metafile.inputs).filter((file) => file !== "main.js").map((file) => resolve(folder, file));
  for (const line of formatMessagesSync(result.warnings, { kind: "warning" })) console.error(line);
  return { lines, text: `${text}globalThis.cofferdamLines = ${JSON.stringify(lines)};\n`, files };
}

/** Says what is wrong with the modules, and what to do about packages that are not there. */
function refuse(errors) {
  for (const error of errors) {
    const absent = /^Could not resolve "([^."/][^"]*)"/.exec(error.text)?.[1];
    if (absent === undefined) continue;
    const node = absent.startsWith("node:") || builtinModules.includes(absent);
    error.notes = [{ text: node ? "That is a part of Node, which the sandbox is not." : `Is it installed? npm install ${absent}` }];
  }
  for (const line of formatMessagesSync(errors, { kind: "error" })) console.error(line);
  process.exit(1);
}

/** The component; none if its top level failed, which is told then. */
async function component(source, lines) {
  const { componentize } = await import(pathToFileURL(join(tools, "node_modules/@bytecodealliance/componentize-js/src/componentize.js")));
  const wizerBin = join(work, "snapshot");
  const quoted = [process.execPath, join(dirname(fileURLToPath(import.meta.url)), "snapshot.mjs")].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const [node, script] = quoted;
  writeFileSync(wizerBin, `#!/bin/sh\nexec ${node} --no-warnings ${script} "$@"\n`, { mode: 0o755 });
  try {
    const made = await componentize({ sourcePath: source, witPath: wit, worldName: "library", disableFeatures: WITHOUT, wizerBin });
    return made.component;
  } catch (error) {
    console.error(told(String(error.message ?? error), lines));
    process.exitCode = 1;
    return undefined;
  }
}

/** What the top level of a module threw, with the places in the author's files; all that was said if it did not throw. */
function told(text, lines) {
  const thrown = /^library\.js:(\d+):\d+ (.*)$/m.exec(text);
  if (thrown === null) return text.replace(/^Failed to initialize component \(.*\):\n/, "");
  const places = [...text.matchAll(/^ *(.*)@library\.js:(\d+):\d+$/gm)].filter(([, , line]) => lines[line]);
  const frames = places.map(([, name, line]) => `  at ${name === "" ? lines[line] : `${name} (${lines[line]})`}`);
  return [`error: ${thrown[2].replace(/^Error: /, "")}`, ...frames].join("\n");
}

// Lets node load TypeScript: types are taken away by esbuild, places in errors stay those of the file. A file `x.ts` may
// be imported as `x.js` too, as tsc wants it.

import { createRequire, register } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

const here = new URL(import.meta.url);
const TYPESCRIPT = /\.m?ts$/;

// The module is loaded twice: in the program, and in the thread that node asks for modules.
if (isMainThread) register(here.href, { parentURL: here.href });

let esbuild;
function transform(source, path) {
  esbuild ??= createRequire(`${here.searchParams.get("tools")}/package.json`)("esbuild");
  return esbuild.transformSync(source, { loader: "ts", format: "esm", target: "es2024", sourcemap: "inline", sourcefile: path });
}

export async function resolve(specifier, context, next) {
  if (/^\.{0,2}\//.test(specifier) && context.parentURL && TYPESCRIPT.test(context.parentURL)) {
    const typed = new URL(specifier.replace(/\.(m?)js$/, ".$1ts"), context.parentURL);
    if (TYPESCRIPT.test(typed.pathname) && existsSync(typed)) return { url: typed.href, shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith("file:") || !TYPESCRIPT.test(new URL(url).pathname)) return next(url, context);
  const path = fileURLToPath(url);
  return { format: "module", source: transform(readFileSync(path, "utf8"), path).code, shortCircuit: true };
}

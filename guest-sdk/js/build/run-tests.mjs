// Runs an author's tests with node's runner: the files `*.test.js`, `*.test.mjs` and `*.test.ts` of the folder.
//
// Run by Cofferdam: `node run-tests.mjs TOOLS FOLDER`.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const [tools, folder] = process.argv.slice(2);
const files = find(folder).sort();
if (files.length === 0) {
  console.log(`no tests: there is no file *.test.js or *.test.ts in ${folder}`);
  process.exit(0);
}
const hooks = new URL("typescript.mjs", import.meta.url);
hooks.searchParams.set("tools", tools);
const args = ["--no-warnings", "--enable-source-maps", "--import", hooks.href, "--test", "--test-reporter", "spec", ...files];
process.exit(spawnSync(process.execPath, args, { stdio: "inherit", cwd: folder }).status ?? 1);

function find(place) {
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name.startsWith(".") ? [] : find(path);
    return /\.test\.(js|mjs|ts|mts)$/.test(entry.name) ? [path] : [];
  });
}

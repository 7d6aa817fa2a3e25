// Runs the browser tests: node run.js BASE_URL PROJECT OUT [SUITE…]
//   BASE_URL  a server with the jobs of project/ (or the UI's mock server), on which nothing has run yet
//   PROJECT   the folder of that server's cofferdam.toml, which one test breaks and mends
//   OUT       folder for screenshots
//   SUITE     only these; `signin` has a server of its own, which takes tokens and has several code locations, and `assets`
//             one with the definitions of project/assets.toml, `naughty` one of tests/e2e/src/naughty.rs
// The browser is $COFFERDAM_CHROMIUM or /usr/bin/chromium.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

// In this order: the first needs a server on which nothing has run, the last takes a worker away.
const SUITES = ["first", "frame", "runs", "run", "jobs", "launchpad", "home", "automation", "definitions", "hostile", "pages", "cluster"];

const [baseUrl, project, out, ...only] = process.argv.slice(2);
if (!baseUrl || !project || !out) {
  console.error("usage: node run.js BASE_URL PROJECT OUT [SUITE…]");
  process.exit(2);
}
mkdirSync(out, { recursive: true });
const files = (only.length > 0 ? only : SUITES).map((suite) => fileURLToPath(new URL(`${suite}.test.js`, import.meta.url)));
let failed = 0;
for (const file of files) {
  const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", file], { stdio: "inherit", env: { ...process.env, BASE_URL: baseUrl, PROJECT: project, OUT: out } });
  failed += status === 0 ? 0 : 1;
}
process.exit(failed === 0 ? 0 : 1);

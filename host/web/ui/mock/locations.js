// The code locations that the mock server serves: one, and with `--workspace` three. The second has a job and a schedule by names
// that the first has too; the third cannot be read.
import { jobs, libraries } from "./world.js";

const problem = { severity: "ERROR", code: "config::read", message: "failed to read `/srv/drafts/cofferdam.toml`: no such file or directory", file: null, line: null, column: null, endLine: null, endColumn: null, label: null, hint: "a code location is a folder with a `cofferdam.toml`", rendered: "" };

const flights = { name: "flights", folder: "/srv/flights", jobs: Object.keys(jobs), libraries, environments: ["s3"], problems: [] };
const reports = { name: "reports", folder: "/srv/reports", jobs: ["hello"], libraries: libraries.filter(({ name }) => name === "text"), environments: [], problems: [] };
const drafts = { name: "drafts", folder: "/srv/drafts", jobs: [], libraries: [], environments: [], problems: [problem] };

export const several = process.argv.includes("--workspace");
export const locations = several ? [flights, reports, drafts] : [flights];

/** Those that have it, of the named one or of all. */
export const having = (job, location) => locations.filter(({ name, jobs }) => jobs.includes(job) && (!location || name === location));

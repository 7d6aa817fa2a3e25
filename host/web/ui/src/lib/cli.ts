// The command that does what a page shows or a button does.

/** A word that a shell takes as it is, or in quotes. */
export const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

const command = (...words: string[]) => ["cofferdam", ...words.map(quote)].join(" ");

export const cli = {
  runs: (job?: string) => (job ? command("runs", "--job", job) : command("runs")),
  show: (runId: string) => command("show", runId),
  logs: (runId: string, step?: string, level?: string) =>
    command("logs", runId, ...(step ? ["--step", step] : []), ...(level && level !== "TRACE" ? ["--level", level.toLowerCase()] : [])),
  events: (runId: string) => command("show", runId, "--events"),
  why: (runId: string, step?: string) => command("why", runId, ...(step ? [step] : [])),
  approve: (runId: string, step: string) => command("approve", runId, step),
  cancel: (runId: string) => command("cancel", runId),
  rerun: (runId: string, ...options: string[]) => command("rerun", runId, ...options),
  replay: (runId: string, step: string) => command("replay", runId, step),
  value: (runId: string, step: string, output: string, key: string | null) =>
    command("value", "show", runId, step, output, ...(key === null ? [] : ["--key", key])),
  plan: (job: string) => command("plan", job),
  run: (job: string, ...options: string[]) => command("run", job, ...options),
  check: () => command("check"),
  workers: () => command("workers"),
  drain: (worker: string) => command("drain", worker),
  assets: () => command("asset", "list"),
  asset: (key: string) => command("asset", "show", key),
  schedules: () => command("schedule", "list"),
  sensors: () => command("sensor", "list"),
  /** `kind` is schedule or sensor. */
  automation: (kind: string, what: "show" | "start" | "stop" | "reset" | "try", name: string) => command(kind, what, name),
  /** Without a cursor the sensor begins anew. */
  cursor: (sensor: string, cursor: string | null) => command("sensor", "cursor", sensor, ...(cursor === null ? [] : [cursor])),
  createToken: (name: string, role: string) => command("token", "create", name, "--role", role),
  inspect: (library: string) => command("library", "inspect", library),
};

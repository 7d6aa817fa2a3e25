// The globals that differ in the sandbox: `console` writes log lines, `process.stdout` and `process.stderr` exist, and
// chance is not to be had while the library is built.

/** Levels of objects that a log line shows. */
const SHOWN_DEPTH_MAX = 4;

/** To be called before an attempt: until then there is no chance. */
export const begin = later(Math, "random", "Math.random()");

/** Sets them up. What the top level of the library prints is for who builds it. */
export function sandbox(log) {
  const { log: stdout, error: stderr } = console;
  const say = (level) => (...args) => log(level, format(args), []);
  Object.assign(console, {
    trace: say("trace"),
    debug: say("debug"),
    log: say("info"),
    info: say("info"),
    dir: say("info"),
    table: say("info"),
    warn: say("warn"),
    error: say("error"),
    assert: (holds, ...args) => holds || log("error", `assertion failed: ${format(args)}`, []),
  });
  globalThis.process ??= { env: {}, stdout: lines(stdout), stderr: lines(stderr) };
}

/** Time of the sandbox, in milliseconds, that no op sleeps. It is no real time. */
const FOREVER_MS = 2 ** 31 - 1;

/**
 * The same promise; fails if nothing is left that could settle it. The clock of the sandbox jumps to the next timer
 * as soon as there is nothing else to do: if it comes to this one, there is no other.
 */
export function settled(promise) {
  const never = new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error("the op waits for a promise that nothing will settle")), FOREVER_MS);
    const done = () => clearTimeout(timer);
    promise.then(done, done);
  });
  return Promise.race([promise, never]);
}

/** A stream of text. The engine prints whole lines, so what has no end yet waits. */
function lines(print) {
  let rest = "";
  return {
    write(text) {
      const whole = (rest + text).split("\n");
      rest = whole.pop();
      if (whole.length > 0) print(whole.join("\n"));
      return true;
    },
  };
}

/** Refuses calls until it is called itself: a number drawn while the library is built would be the same ever after. */
function later(object, name, call) {
  const real = object[name];
  let begun = false;
  object[name] = (...args) => {
    if (begun) return real.apply(object, args);
    throw new Error(`${call} was called while the library is built: call it inside of an op`);
  };
  return () => {
    if (begun) return;
    begun = true;
    object[name] = real;
  };
}

/** As `console.log` does: `%s`, `%d`, `%i`, `%f`, `%o`, `%O` and `%j` take arguments, the rest is appended. */
function format(args) {
  let [first, ...rest] = args;
  if (typeof first !== "string") return args.map((arg) => show(arg)).join(" ");
  const text = first.replace(/%([sdifoOj%])/g, (whole, kind) => {
    if (kind === "%") return "%";
    if (rest.length === 0) return whole;
    const arg = rest.shift();
    if (kind === "d" || kind === "f") return String(Number(arg));
    if (kind === "i") return String(Math.trunc(Number(arg)));
    return kind === "s" ? show(arg) : show(arg, 1);
  });
  return [text, ...rest.map((arg) => show(arg))].join(" ");
}

function show(value, depth = 0) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return value.toISOString();
  if (depth > SHOWN_DEPTH_MAX) return "…";
  const inner = (item) => show(item, depth + 1);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return `[${Array.from(value, inner).join(", ")}]`;
  if (value instanceof Map) return `Map {${[...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`).join(", ")}}`;
  if (value instanceof Set) return `Set {${[...value].map(inner).join(", ")}}`;
  return `{ ${Object.entries(value).map(([k, v]) => `${k}: ${inner(v)}`).join(", ")} }`;
}

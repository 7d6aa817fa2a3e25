// Times as people read them. Seconds in, text out; the zone is always printed.

export type Zone = "local" | "utc";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `2.1 s`, `1 m 05 s`, `2 h 03 m`; below a second in milliseconds. */
export function duration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 0.000_05) return "0 ms";
  if (s < 0.009_95) return `${(s * 1000).toFixed(1)} ms`;
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  if (s < HOUR - 0.5) return `${Math.floor(Math.round(s) / MINUTE)} m ${two(Math.round(s) % MINUTE)} s`;
  if (s < DAY) return `${Math.floor(s / HOUR)} h ${two(Math.floor((s % HOUR) / MINUTE))} m`;
  return `${Math.floor(s / DAY)} d ${two(Math.floor((s % DAY) / HOUR))} h`;
}

/** The largest whole unit: `12 s`, `3 m`, `3 h`, `5 d`. */
function coarse(seconds: number): string {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** `just now`, `12 s ago`, `3 h ago`, `5 d ago`. */
export const ago = (then: number, now: number) => (now - then < 2 ? "just now" : `${coarse(now - then)} ago`);

/** `in 12 s`, `in 3 h`; `now` for what is due. */
export const until = (then: number, now: number) => (then <= now ? "now" : `in ${coarse(Math.ceil(then - now))}`);

/** A length of time that somebody has written down: `1 s`, `30 s`, `5 m`, `1 h 30 m`. */
export const span = (seconds: number) => duration(seconds).replace(/\.0(?= )| 00 [mhs]$/, "");

/** `2026-11-22 20:00:09 UTC`. */
export function absolute(seconds: number, zone: Zone): string {
  const part = parts(seconds, zone);
  return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}

/** `20:00:09.120`, for the rows of a list whose day is said elsewhere. */
export function clock(seconds: number, zone: Zone, fraction = true): string {
  const part = parts(seconds, zone);
  const ms = Math.floor((seconds - Math.floor(seconds)) * 1000);
  return `${part.hour}:${part.minute}:${part.second}${fraction ? `.${String(ms).padStart(3, "0")}` : ""}`;
}

/** `UTC` or what the zone of this machine is called now, as `GMT+9`. */
export const zoneName = (zone: Zone, now = Date.now() / 1000) => parts(now, zone).timeZoneName ?? "UTC";

const formats = new Map<Zone, Intl.DateTimeFormat>();

function parts(seconds: number, zone: Zone): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
      hourCycle: "h23", timeZoneName: "short", ...(zone === "utc" ? { timeZone: "UTC" } : {}),
    });
    formats.set(zone, format);
  }
  return Object.fromEntries(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]));
}

const two = (n: number) => String(n).padStart(2, "0");

const NICE = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  10800, 21600, 43200, 86400, 172800, 604800];

/** Round places between two times, at most `most` of them. */
export function ticks(from: number, to: number, most: number): number[] {
  const step = NICE.find((nice) => (to - from) / nice <= most) ?? (to - from) / most;
  const first = Math.ceil(from / step - 1e-9) + 0;
  const out: number[] = [];
  for (let i = first; i * step <= to + step * 1e-9; i++) out.push(i * step);
  return out;
}

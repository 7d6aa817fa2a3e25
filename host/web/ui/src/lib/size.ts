// Bytes and counts as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `12 B`, `1.5 KiB`, `20 MiB`. */
export function bytes(n: number): string {
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export const plural = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** Enough of an id or a digest to know it again. */
export const short = (id: string) => id.replace(/^[a-z0-9]+:/, "").slice(0, 12);
/** Of a run's id the end: ids of runs that began together begin alike. */
export const shortRun = (id: string) => id.slice(-8);

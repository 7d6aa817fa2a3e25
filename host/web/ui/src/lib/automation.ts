// Schedules and sensors as lists show them: which are let through, which tick comes first, which ticks say the same.
import type { Kind, Listed, Ticking, TickStatus, TickSummary } from "../api/automation/types";

export const kindOf = (it: Pick<Ticking, "__typename">): Kind => (it.__typename === "Schedule" ? "schedule" : "sensor");

/** Jobs that it runs or may ask for. */
export const jobsOf = (it: { pipelineName?: string | null; targets?: string[] }): string[] =>
  it.targets ?? (it.pipelineName ? [it.pipelineName] : []);

export const TICK_STATUSES: TickStatus[] = ["SUCCESS", "SKIPPED", "FAILURE"];

/** What a tick says of itself: why it failed, or why it asked for nothing. */
export const wordsOf = (tick: TickSummary): string | null => tick.error?.message ?? tick.skipReason;

/** Ticks with the newest apart while it goes on: it comes and goes, and what can be said of ticks is said of those that have ended. */
export function ended<T extends TickSummary>(ticks: T[]): { now: T | null; ended: T[] } {
  const [newest, ...before] = ticks;
  return newest?.status === "STARTED" ? { now: newest, ended: before } : { now: null, ended: ticks };
}

/** Ticks in a row that failed or were skipped for the same reason stand together; newest first, as they come. */
export function folded<T extends TickSummary>(ticks: T[]): T[][] {
  const folds: T[][] = [];
  for (const tick of ticks) {
    const before = folds.at(-1);
    const same = before && before[0]!.status === tick.status && wordsOf(before[0]!) === wordsOf(tick);
    if (same && (tick.status === "FAILURE" || tick.status === "SKIPPED")) before.push(tick);
    else folds.push([tick]);
  }
  return folds;
}

/** What stands in the address of the list: `q=words&kind=sensor&state=RUNNING`. */
export type AutomationSearch = { q?: string; kind?: string; state?: string };

export function matching(all: Listed[], { q = "", kind, state }: AutomationSearch): Listed[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const several = new Set(all.map((it) => it.location)).size > 1;
  return all.filter((it) => {
    if ((kind && kindOf(it) !== kind) || (state && it.state.status !== state)) return false;
    const about = it.__typename === "Schedule" ? [it.assetSelection, ...it.cronSchedule, it.executionTimezone] : [it.op];
    const last = ended(it.state.ticks).ended[0];
    const text = [it.name, several && it.location, it.description, ...jobsOf(it), ...about, last && wordsOf(last)].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Those that tick next, the soonest first. */
export const soonest = <T extends { name: string; state: { nextTick: number | null } }>(all: T[], most: number): (T & { at: number })[] =>
  all.flatMap((it) => (it.state.nextTick === null ? [] : [{ ...it, at: it.state.nextTick }]))
    .sort((a, b) => a.at - b.at || a.name.localeCompare(b.name)).slice(0, most);

/** `/automation/schedules/NAME` as the router takes it. */
export const PAGE_OF = { schedule: "/automation/schedules/$name", sensor: "/automation/sensors/$name" } as const;

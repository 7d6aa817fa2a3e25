// What the timeline of a run draws, as plain numbers: rows, bars, folded fan-outs, lanes of workers. No canvas here.
import type { Attempt, RunStep, StepStatus } from "../api/types";

export type Part = "queue" | "fetch" | "compile" | "run";
/** Times are seconds since 1970. `step` is what a click on the bar opens. */
export type Bar = { from: number; to: number; part: Part; status: StepStatus; step: string; attempt: number };
export type Row = {
  id: string;
  kind: "step" | "fold" | "lane";
  label: string;
  depth: number;
  status: StepStatus | null;
  bars: Bar[];
  /** Of a fold: how many of how many have ended, and whether its copies are shown below it. */
  fold?: { done: number; total: number; open: boolean; p50: number; max: number };
};

const ENDED: ReadonlySet<StepStatus> = new Set(["SUCCEEDED", "FAILED", "SKIPPED", "ABANDONED", "CANCELLED"]);
export const hasEnded = (status: StepStatus) => ENDED.has(status);

/** The parts of an attempt one after another; what still goes on reaches until `now`. */
export function attemptBars(step: RunStep, attempt: Attempt, now: number): Bar[] {
  const end = attempt.endedAt ?? Math.max(now, attempt.dispatchedAt);
  const status: StepStatus = attempt.failure ? "FAILED" : attempt.endedAt === null ? "RUNNING" : hasEnded(step.status) ? step.status : "SUCCEEDED";
  const bars: Bar[] = [];
  let at = attempt.dispatchedAt - (attempt.usage?.queue ?? 0);
  const push = (part: Part, until: number) => {
    const to = Math.min(Math.max(until, at), end);
    if (to > at || part === "run") bars.push({ from: at, to, part, status, step: step.key, attempt: attempt.number });
    at = to;
  };
  if (attempt.usage) {
    push("queue", attempt.dispatchedAt + attempt.usage.slot);
    push("fetch", at + attempt.usage.fetch);
    push("compile", at + attempt.usage.compile + attempt.usage.load);
  } else {
    push("queue", attempt.startedAt ?? end);
  }
  if (at < end || attempt.startedAt !== null) push("run", end);
  return bars;
}

/** Steps in the order of the plan; copies of a mapped step under one row, unless it is opened. */
export function stepRows(steps: RunStep[], planOrder: string[], open: ReadonlySet<string>, now: number): Row[] {
  const rows: Row[] = [];
  for (const [template, copies] of byTemplate(steps, planOrder)) {
    const folds = copies.length > 1 || (copies[0] && copies[0].key !== template);
    if (folds) rows.push(foldRow(template, copies, open.has(template), now));
    if (!folds || open.has(template)) for (const step of copies) rows.push(stepRow(step, folds ? 1 : 0, now));
  }
  return rows;
}

/** A row for each attempt that a worker had at once, under the worker's name. */
export function laneRows(steps: RunStep[], now: number): Row[] {
  const spans = steps.flatMap((step) => step.attempts.map((attempt) => ({ worker: attempt.worker, bars: onWorker(attemptBars(step, attempt, now), attempt.dispatchedAt) })));
  spans.sort((a, b) => (a.bars[0]?.from ?? 0) - (b.bars[0]?.from ?? 0));
  const lanes = new Map<string, { until: number; bars: Bar[] }[]>();
  for (const { worker, bars } of spans) {
    if (bars.length === 0) continue;
    const of = lanes.get(worker) ?? [];
    lanes.set(worker, of);
    let lane = of.find((lane) => lane.until <= bars[0]!.from + 1e-6);
    if (!lane) of.push((lane = { until: 0, bars: [] }));
    lane.bars.push(...bars);
    lane.until = bars.at(-1)!.to;
  }
  return [...lanes].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })).flatMap(([worker, of]) =>
    of.map((lane, i): Row => ({
      id: `${worker}/${i}`, kind: "lane", label: of.length > 1 ? `${worker} · ${i + 1}` : worker, depth: 0, status: null, bars: lane.bars,
    })),
  );
}

/** Without the time before the worker had it. */
const onWorker = (bars: Bar[], dispatchedAt: number) => bars.filter((bar) => bar.to > dispatchedAt).map((bar) => ({ ...bar, from: Math.max(bar.from, dispatchedAt) }));

/** From when to when anything was done; at least a tenth of a second, so that there is an axis. */
export function extent(rows: Row[], start: number): [number, number] {
  let [from, to] = [start, start + 0.1];
  for (const row of rows)
    for (const bar of row.bars) {
      from = Math.min(from, bar.from);
      to = Math.max(to, bar.to);
    }
  return [from, to];
}

export function byTemplate(steps: RunStep[], planOrder: string[]): Map<string, RunStep[]> {
  const groups = new Map<string, RunStep[]>(planOrder.map((key) => [key, []]));
  for (const step of steps) {
    const group = groups.get(step.template);
    if (group) group.push(step);
    else groups.set(step.template, [step]);
  }
  for (const [template, copies] of groups) if (copies.length === 0) groups.delete(template);
  return groups;
}

/** What is most in need of eyes among the states of copies. */
export function foldStatus(copies: RunStep[]): StepStatus {
  const order: StepStatus[] = ["FAILED", "RETRYING", "RUNNING", "READY", "WAITING", "CANCELLED", "ABANDONED", "SUCCEEDED", "SKIPPED"];
  return order.find((status) => copies.some((copy) => copy.status === status)) ?? "WAITING";
}

function stepRow(step: RunStep, depth: number, now: number): Row {
  return { id: step.key, kind: "step", label: step.key, depth, status: step.status, bars: step.attempts.flatMap((a) => attemptBars(step, a, now)) };
}

function foldRow(template: string, copies: RunStep[], open: boolean, now: number): Row {
  const done = copies.filter((copy) => hasEnded(copy.status));
  const took = done.flatMap((copy) => copy.attempts.slice(-1)).filter((a) => a.endedAt !== null).map((a) => a.endedAt! - a.dispatchedAt).sort((a, b) => a - b);
  return {
    id: template, kind: "fold", label: template, depth: 0, status: foldStatus(copies), bars: merged(template, copies, now),
    fold: { done: done.length, total: copies.length, open, p50: took[took.length >> 1] ?? 0, max: took.at(-1) ?? 0 },
  };
}

/** When any of the copies ran: spans that touch become one, in the state that needs eyes most. */
function merged(template: string, copies: RunStep[], now: number): Bar[] {
  const bars = copies.flatMap((copy) => copy.attempts.flatMap((attempt) => attemptBars(copy, attempt, now)));
  bars.sort((a, b) => a.from - b.from);
  const out: Bar[] = [];
  for (const bar of bars) {
    const last = out.at(-1);
    const status = bar.status === "FAILED" || bar.status === "RUNNING" ? bar.status : (last?.status ?? bar.status);
    if (last && bar.from <= last.to + 1e-3) {
      last.to = Math.max(last.to, bar.to);
      if (last.status !== "FAILED") last.status = status;
    } else out.push({ ...bar, part: "run", step: template });
  }
  return out;
}

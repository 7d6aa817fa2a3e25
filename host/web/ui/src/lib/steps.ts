// Which of two reports about a step is the later one. What a query says and what the live stream says may cross on their way.
import type { Graph, RunStep } from "../api/types";
import { hasEnded } from "./gantt";

/** Larger the further the step has come; it never goes back. */
function progress(step: RunStep): number {
  if (hasEnded(step.status)) return Infinity;
  const last = step.attempts.at(-1);
  return step.attempts.length * 10 + (last?.endedAt != null ? 5 : 0) + (last?.startedAt != null ? 2 : 0) + (step.status === "READY" ? 1 : 0);
}

export function mergeSteps(known: ReadonlyMap<string, RunStep>, reports: RunStep[]): ReadonlyMap<string, RunStep> {
  const next = new Map(known);
  for (const report of reports) {
    const old = next.get(report.key);
    if (!old || progress(report) >= progress(old)) next.set(report.key, report);
  }
  return next;
}

/** The steps to show: those of the plan of which nothing was reported yet as waiting ones, copies in place of what they are copies of. */
export function shownSteps(known: ReadonlyMap<string, RunStep>, plan: Graph): RunStep[] {
  const copied = new Set([...known.values()].filter((step) => step.key !== step.template).map((step) => step.template));
  const steps = [...known.values()].filter((step) => step.key !== step.template || !copied.has(step.key));
  const seen = new Set(steps.map((step) => step.template));
  const waiting = plan.steps.filter((step) => !seen.has(step.key)).map(({ key }): RunStep => ({
    key, template: key, status: "WAITING", becauseOf: null, wait: null, attempts: [], outputs: [], metadata: [],
  }));
  return [...steps, ...waiting].sort((a, b) => a.key.localeCompare(b.key, "en", { numeric: true }));
}

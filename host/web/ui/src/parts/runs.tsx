// A run as other pages mention it: a line with its state, how long it took, and what was wrong first.
import { Link } from "@tanstack/react-router";
import type { RunSummary } from "../api/types";
import { isOver } from "../lib/runs";
import { plural, shortRun } from "../lib/size";
import { duration } from "../lib/time";
import { t } from "../strings";
import { Time } from "./basics";
import { Status } from "./Status";

/** How long the run took or has taken so far; null before it starts. */
export function took(run: RunSummary, now: number): number | null {
  return run.startTime === null ? null : (run.endTime ?? now) - run.startTime;
}

export function RunDuration({ run, now }: { run: RunSummary; now: number }) {
  const seconds = took(run, now);
  return <span className="whitespace-nowrap tabular-nums">{seconds === null ? "–" : duration(seconds)}</span>;
}

/** `12/40 done, 1 failed`: as much as helps. */
export function countsText({ stepCounts: counts, nSteps }: RunSummary): string {
  const done = counts.succeeded + counts.skipped;
  const parts = [t.runs.done(done, nSteps)];
  if (counts.failed > 0) parts.push(t.runs.failed(counts.failed));
  if (counts.abandoned > 0) parts.push(t.runs.notRun(counts.abandoned));
  if (counts.retries > 0) parts.push(plural(counts.retries, "retry", "retries"));
  return parts.join(", ");
}

export function Progress({ run }: { run: RunSummary }) {
  const { stepCounts: counts, nSteps } = run;
  const share = (n: number) => ({ width: `${(100 * n) / Math.max(1, nSteps)}%` });
  return (
    <span role="img" aria-label={countsText(run)} className="flex h-1.5 w-24 overflow-hidden rounded-full bg-line">
      <span className="bg-succeeded" style={share(counts.succeeded + counts.skipped)} />
      <span className="bg-failed" style={share(counts.failed)} />
    </span>
  );
}

export function RunLine({ run, now }: { run: RunSummary; now: number }) {
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-0.5 border-b border-line px-3 py-2 last:border-0">
      <span className="w-28 shrink-0"><Status status={run.status} /></span>
      <Link to="/runs/$runId" params={{ runId: run.runId }} className="font-medium">{run.jobName} <span className="mono font-normal">{shortRun(run.runId)}</span></Link>
      {isOver(run.status) || <Progress run={run} />}
      <span className="ml-auto flex gap-3 text-muted"><RunDuration run={run} now={now} /> <Time at={run.startTime ?? run.creationTime} now={now} /></span>
      {run.firstError && <p className="mono w-full truncate text-failed" title={run.firstError}>{run.firstError}</p>}
    </li>
  );
}

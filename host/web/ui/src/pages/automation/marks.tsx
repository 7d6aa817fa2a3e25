// What the pages of automation say of ticks: how many alike, the runs that they asked for, and many of them at a glance.
import { Link } from "@tanstack/react-router";
import type { TickRun, TickSummary } from "../../api/automation/types";
import { TICK_STATUSES } from "../../lib/automation";
import { shortRun } from "../../lib/size";
import { lookOf, Status, wordOf } from "../../parts/Status";
import { t } from "../../strings";

/** `×24`, where there is more than one. */
export function Times({ n, more = false }: { n: number; more?: boolean }) {
  if (n < 2) return null;
  const text = `${n}${more ? "+" : ""}`;
  return <span className="chip" title={t.automation.inARow(text)}><span aria-hidden="true">×{text}</span><span className="sr-only">{t.automation.inARow(text)}</span></span>;
}

/** A run that a tick asked for: there, still to be made, or refused after all. */
export function AskedRun({ of, whole = false }: { of: TickRun; whole?: boolean }) {
  return (
    <span className="inline-flex max-w-full min-w-0 flex-wrap items-center gap-x-2" data-asked={of.runId}>
      {of.run ? (
        <Link to="/runs/$runId" params={{ runId: of.runId }} className="inline-flex items-center gap-1.5">
          <Status status={of.run.status} iconOnly={!whole} /> {of.run.jobName} <span className="mono">{shortRun(of.runId)}</span>
        </Link>
      ) : <span className="text-muted">{of.refused === null ? t.automation.notMade : t.automation.refused} <span className="mono">{shortRun(of.runId)}</span></span>}
      {of.runKey !== null && <span className="chip mono max-w-48 truncate" title={`${t.automation.runKey} ${of.runKey}`}><span className="sr-only">{t.automation.runKey} </span>{of.runKey}</span>}
      {of.partition !== null && <span className="chip max-w-48 truncate" title={`${t.automation.partition} ${of.partition}`}><span className="sr-only">{t.automation.partition} </span>{of.partition}</span>}
      {whole && of.refused !== null && <span className="w-full break-words text-failed">{of.refused}</span>}
    </span>
  );
}

/** A bar for each tick, oldest left: the higher, the more there is to look at. */
const HEIGHT: { [status in TickSummary["status"]]: string } = { SKIPPED: "h-1.5", STARTED: "h-1.5", SUCCESS: "h-3.5", FAILURE: "h-6" };

export function TickStrip({ ticks, className = "" }: { ticks: TickSummary[]; className?: string }) {
  if (ticks.length === 0) return null;
  const counts = TICK_STATUSES.map((status) => ({ status, n: ticks.filter((tick) => tick.status === status).length })).filter(({ n }) => n > 0);
  const text = t.automation.strip(ticks.length, counts.map(({ status, n }) => `${n} ${wordOf(status).toLowerCase()}`).join(", "));
  return (
    <span role="img" aria-label={text} title={text} className={`flex h-6 items-end gap-px ${className}`}>
      {[...ticks].reverse().map((tick) => <span key={tick.tickId} className={`tone-${lookOf(tick.status).tone} w-1.5 rounded-sm bg-(--tone) ${HEIGHT[tick.status]}`} />)}
    </span>
  );
}

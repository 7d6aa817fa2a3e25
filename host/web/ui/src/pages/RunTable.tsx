// The rows of the list of runs: only those in sight are in the page. On a narrow screen a row is a card of two lines.
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import type { RunSummary } from "../api/types";
import { isOver } from "../lib/runs";
import { shortRun } from "../lib/size";
import { useZone } from "../lib/stored";
import { absolute, ago } from "../lib/time";
import { Tags, useNow } from "../parts/basics";
import { countsText, Progress, RunDuration } from "../parts/runs";
import { Status } from "../parts/Status";
import { t } from "../strings";

const NARROW = "(max-width: 900px)";
const ROW_PX = 44;
const CARD_PX = 84;
const AHEAD = 30;
const COLUMNS = "grid grid-cols-[28px_112px_minmax(150px,1.2fr)_minmax(140px,2fr)_minmax(80px,0.8fr)_220px_80px] items-center gap-x-3 px-3";

type Props = { runs: RunSummary[]; picked: ReadonlySet<string>; onPick: (picked: ReadonlySet<string>) => void; onNearEnd: () => void };

export function RunTable({ runs, picked, onPick, onNearEnd }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const lastPicked = useRef<string | null>(null);
  const narrow = useMedia(NARROW);
  const now = useNow();
  const virtual = useVirtualizer({ count: runs.length, getScrollElement: () => scroll.current, estimateSize: () => (narrow ? CARD_PX : ROW_PX), overscan: 10 });
  useEffect(() => virtual.measure(), [narrow, virtual]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= runs.length - AHEAD) onNearEnd();
  });

  /** With Shift: everything from the one that was picked last. */
  const pick = (run: RunSummary, range: boolean) => {
    const next = new Set(picked);
    const on = !picked.has(run.runId);
    const [from, to] = [runs.findIndex((r) => r.runId === lastPicked.current), runs.indexOf(run)].sort((a, b) => a - b) as [number, number];
    const these = range && from >= 0 ? runs.slice(from, to + 1) : [run];
    for (const { runId } of these) on ? next.add(runId) : next.delete(runId);
    lastPicked.current = run.runId;
    onPick(next);
  };

  return (
    <div role="table" aria-label={t.nav.runs} aria-rowcount={runs.length + 1} className="panel flex min-h-0 flex-1 flex-col overflow-hidden">
      <div role="rowgroup" className="max-[900px]:sr-only">
        <div role="row" aria-rowindex={1} className={`${COLUMNS} border-b border-line py-1.5 text-xs font-semibold text-muted`}>
          <span role="columnheader"><span className="sr-only">{t.runs.pick}</span></span>
          {[t.runs.status, t.runs.run, t.runs.whatHappened, t.runs.tags, t.runs.started, t.runs.took].map((title) => <span key={title} role="columnheader">{title}</span>)}
        </div>
      </div>
      <div ref={scroll} role="rowgroup" tabIndex={0} aria-label={t.nav.runs} className="min-h-0 flex-1 overflow-auto">
        <div role="presentation" className="relative" style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index, start, size }) => {
            const run = runs[index]!;
            return (
              <div key={run.runId} role="row" aria-rowindex={index + 2} aria-selected={picked.has(run.runId)} data-run={run.runId}
                className={`absolute inset-x-0 border-b border-line hover:bg-raised ${narrow ? "flex flex-wrap content-center items-center gap-x-3 gap-y-1 px-3" : COLUMNS} ${picked.has(run.runId) ? "bg-raised" : ""}`}
                style={{ height: size, transform: `translateY(${start}px)` }}>
                <span role="cell">
                  <input type="checkbox" className="block size-4" aria-label={t.runs.pickOne(run.jobName, shortRun(run.runId))} checked={picked.has(run.runId)}
                    onChange={(e) => pick(run, (e.nativeEvent as MouseEvent).shiftKey)} />
                </span>
                <Cells run={run} now={now} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Cells({ run, now }: { run: RunSummary; now: number }) {
  const zone = useZone();
  const at = run.startTime ?? run.creationTime;
  return (
    <>
      <span role="cell"><Status status={run.status} /></span>
      <span role="cell" className="min-w-0 truncate">
        <Link to="/runs/$runId" params={{ runId: run.runId }} className="font-medium">{run.jobName} <span className="mono font-normal">{shortRun(run.runId)}</span></Link>
      </span>
      <span role="cell" className="min-w-0 truncate max-[900px]:order-last max-[900px]:w-full">
        {run.firstError ? <span className="mono text-failed" title={run.firstError}>{run.firstError}</span>
          : isOver(run.status) ? <span className="text-muted">{countsText(run)}</span>
          : <span className="flex items-center gap-2 text-muted"><Progress run={run} /> {countsText(run)}</span>}
      </span>
      <span role="cell" className="flex min-w-0 gap-1 overflow-hidden max-[900px]:hidden"><Tags tags={run.tags} /></span>
      <span role="cell" className="min-w-0 leading-tight max-[900px]:ml-auto">
        <time dateTime={new Date(at * 1000).toISOString()} title={absolute(at, zone)}>{ago(at, now)}</time>
        <span className="block truncate text-xs text-muted max-[900px]:hidden">{absolute(at, zone)}</span>
      </span>
      <span role="cell" className="max-[900px]:hidden"><RunDuration run={run} now={now} /></span>
    </>
  );
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setMatches(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

// The runs of the last hours, a row for each job. Bars are links; drag, wheel with Ctrl, buttons or keys zoom.
import { Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef } from "react";
import type { RunSummary } from "../api/types";
import { useZone } from "../lib/stored";
import { absolute, clock, duration, ticks, zoneName } from "../lib/time";
import { lookOf, wordOf } from "../parts/Status";
import { useZoom, useZoomInput, type Window } from "../parts/zoom";
import { ZoomButtons } from "../parts/ZoomButtons";
import { took } from "../parts/runs";
import { t } from "../strings";

const RANGES = [1, 6, 24, 72];
const TICKS_MAX = 8;
/** The right end is a little later than now, so that what runs is seen to run. */
const LEAD = 0.01;

type Props = { runs: RunSummary[]; now: number; hours: number; onHours: (hours: number) => void };

export function Timeline({ runs, now, hours, onHours }: Props) {
  const zone = useZone();
  const all: Window = [now - hours * 3600, now + hours * 3600 * LEAD];
  const zoom = useZoom(all);
  const track = useRef<HTMLDivElement>(null);
  const input = useZoomInput(zoom, () => track.current?.getBoundingClientRect());
  const wheel = useRef(input.onWheel);
  wheel.current = input.onWheel;
  useEffect(() => {
    const element = track.current?.parentElement;
    const listen = (e: WheelEvent) => wheel.current(e);
    element?.addEventListener("wheel", listen, { passive: false });
    return () => element?.removeEventListener("wheel", listen);
  }, []);
  const [from, to] = zoom.shown;
  const rows = useMemo(() => byJob(runs, from, to, now), [runs, from, to, now]);
  const x = (time: number) => (100 * (time - from)) / (to - from);

  return (
    <section className="panel" aria-label={t.home.timeline}>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <h2>{t.home.timeline}</h2>
        <span className="text-xs text-muted">{zoneName(zone)}</span>
        <div role="group" aria-label={t.home.range} className="ml-auto flex gap-1">
          {RANGES.map((n) => (
            <button key={n} type="button" className="btn btn-quiet px-2" aria-pressed={n === hours} onClick={() => { zoom.reset(); onHours(n); }}>{t.home.hours(n)}</button>
          ))}
        </div>
        <ZoomButtons zoom={zoom} />
      </div>
      <div role="group" aria-label={t.home.timelineKeys} tabIndex={0} className="relative select-none" {...input.handlers}>
        <div ref={track} className="pointer-events-none absolute inset-y-0 right-2 left-28 sm:left-36">
          {ticks(from, to, TICKS_MAX).map((time) => (
            <div key={time} className="absolute inset-y-0 border-l border-line pl-1 text-xs text-muted" style={{ left: `${x(time)}%` }}>{x(time) < 92 && clock(time, zone, false).slice(0, to - from < 300 ? 8 : 5)}</div>
          ))}
          {input.range && <div className="absolute inset-y-0 bg-accent/20" style={{ left: input.range[0], width: input.range[1] - input.range[0] }} />}
        </div>
        <ul className="pt-6 pb-1">
          {rows.map(([job, of]) => (
            <li key={job} className="flex h-7 items-center">
              <Link to="/jobs/$job" params={{ job }} className="w-28 shrink-0 truncate px-3 sm:w-36" title={job} draggable={false}>{job}</Link>
              <div className="relative mr-2 h-full flex-1 overflow-hidden">
                {of.map((run) => (
                  <Link key={run.runId} to="/runs/$runId" params={{ runId: run.runId }} draggable={false} data-bar={run.runId}
                    className={`tone-${lookOf(run.status).tone} absolute top-1.5 h-4 min-w-1.5 rounded-sm bg-(--tone) hover:ring-2 hover:ring-text`}
                    style={{ left: `${x(start(run))}%`, width: `${x(end(run, now)) - x(start(run))}%` }}
                    aria-label={barText(run, now)} title={`${barText(run, now)}\n${absolute(start(run), zone)}`} />
                ))}
              </div>
            </li>
          ))}
        </ul>
        {rows.length === 0 && <p className="px-3 pb-3 text-muted">{t.home.nothingThen}</p>}
      </div>
    </section>
  );
}

const start = (run: RunSummary) => run.startTime ?? run.creationTime;
const end = (run: RunSummary, now: number) => run.endTime ?? now;

function barText(run: RunSummary, now: number): string {
  const seconds = took(run, now);
  return [run.jobName, wordOf(run.status), seconds === null ? "" : duration(seconds), run.firstError ?? ""].filter(Boolean).join(", ");
}

function byJob(runs: RunSummary[], from: number, to: number, now: number): [string, RunSummary[]][] {
  const jobs = new Map<string, RunSummary[]>();
  for (const run of runs) {
    if (start(run) > to || end(run, now) < from) continue;
    const of = jobs.get(run.jobName) ?? [];
    of.push(run);
    jobs.set(run.jobName, of);
  }
  return [...jobs].sort(([a], [b]) => a.localeCompare(b));
}

// The ticks of a schedule or a sensor, newest first: alike ones in a row as one, with what they say in full when they are opened.
import type { ReactNode } from "react";
import { useTickLogs } from "../../api/automation/queries";
import type { Shown, Tick, TickStatus, Which } from "../../api/automation/types";
import { ended, folded, TICK_STATUSES, wordsOf } from "../../lib/automation";
import { duration } from "../../lib/time";
import { When } from "../../parts/automation";
import { Empty, Time } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { Status } from "../../parts/Status";
import { t } from "../../strings";
import { Because, Logged } from "./Because";
import { AskedRun, Times, TickStrip } from "./marks";

export type TicksSearch = { status?: string; before?: string; tick?: string };
type Props = { it: Shown; search: TicksSearch; set: (next: TicksSearch) => void; page: number; now: number };

const RUNS_SHOWN = 3;
/** A tick that begins later than this after it was due says so. */
const LATE_S = 5;

export function Ticks({ it, search, set, page, now }: Props) {
  const known = it.state.ticks.slice(0, page);
  const chosen = (search.status ?? "").split(",").filter(Boolean);
  const { now: current, ended: over } = ended(known);
  const shown = folded(over).filter(([tick]) => chosen.length === 0 || chosen.includes(tick!.status));
  const oldest = it.state.ticks.length > page ? known.at(-1)?.tickId : undefined;
  return (
    <section className="panel min-w-0" aria-label={t.automation.ticks}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-3 py-2">
        <h2>{t.automation.ticks}</h2>
        <StatusFilter chosen={chosen} set={set} />
        {current && <span className="inline-flex items-center gap-2"><Status status={current.status} /> <When at={current.timestamp} now={now} /></span>}
        <TickStrip ticks={over} className="ml-auto max-lg:hidden" />
      </div>
      {over.length === 0 && <Empty title={search.before ? t.automation.noOlder : t.automation.neverTicked} />}
      {over.length > 0 && shown.length === 0 && <Empty title={t.automation.noneOf(over.length)} />}
      {shown.length > 0 && <Table it={it} shown={shown} cut={oldest === undefined ? undefined : over.at(-1)} search={search} open={(tick) => set({ tick })} now={now} />}
      {(oldest || search.before) && (
        <p className="flex flex-wrap items-center gap-2 border-t border-line px-3 py-2">
          {search.before && <button type="button" className="btn" onClick={() => set({ before: undefined, tick: undefined })}>{t.automation.newest}</button>}
          {oldest && <button type="button" className="btn" onClick={() => set({ before: oldest, tick: undefined })}>{t.automation.older}</button>}
          {chosen.length > 0 && <span className="text-muted">{t.automation.filtered(shown.flat().length, over.length)}</span>}
        </p>
      )}
    </section>
  );
}

function StatusFilter({ chosen, set }: { chosen: string[]; set: Props["set"] }) {
  const toggle = (status: TickStatus) => set({ status: TICK_STATUSES.filter((s) => (s === status) !== chosen.includes(s)).join(",") || undefined, before: undefined });
  return (
    <div role="group" aria-label={t.runs.byStatus} className="flex flex-wrap gap-1">
      {TICK_STATUSES.map((status) => <button key={status} type="button" className="btn px-2" aria-pressed={chosen.includes(status)} onClick={() => toggle(status)}><Status status={status} /></button>)}
    </div>
  );
}

type Open = (tick: string | undefined) => void;
/** `cut`: the last tick of the page, if there are older ones, which may be like it. */
type TableProps = { it: Shown; shown: Tick[][]; cut: Tick | undefined; search: TicksSearch; open: Open; now: number };

function Table({ it, shown, cut, search, open, now }: TableProps) {
  return (
    <table className="w-full max-lg:block">
      <thead className="max-lg:sr-only"><tr className="border-b border-line">{[t.automation.tick, t.runs.status, t.automation.cameOf].map((title) => <th key={title} scope="col" className="px-3 py-1.5">{title}</th>)}</tr></thead>
      <tbody className="max-lg:block">
        {shown.map((alike, i) => {
          const opened = alike.find((tick) => tick.tickId === search.tick);
          const oldest = alike.at(-1)!;
          // The last row loses its oldest ticks as new ones come, and stays the same row.
          return (
            <Alike key={i === shown.length - 1 ? "last" : oldest.tickId} alike={alike} isOpen={!!opened} more={oldest === cut} open={open} now={now}>
              {opened && <Opened tick={opened} alike={alike} open={open}>{it.__typename === "Sensor" && <Logs sensor={it} tick={opened} newer={newerThan(opened, it.state.ticks) ?? search.before} />}</Opened>}
            </Alike>
          );
        })}
      </tbody>
    </table>
  );
}

const newerThan = (tick: Tick, ticks: Tick[]) => ticks[ticks.indexOf(tick) - 1]?.tickId;

type AlikeProps = { alike: Tick[]; now: number; isOpen: boolean; more: boolean; open: Open; children: ReactNode };

function Alike({ alike, now, isOpen, more, open, children }: AlikeProps) {
  const tick = alike[0]!;
  const cell = "px-3 py-2 align-top max-lg:block max-lg:p-0";
  return (
    <>
      <tr className={`max-lg:flex max-lg:flex-wrap max-lg:gap-x-6 max-lg:gap-y-0.5 max-lg:px-3 max-lg:py-2 ${isOpen ? "" : "border-b border-line last:border-0"}`} data-tick={tick.tickId} data-ticks={alike.length}>
        <td className={`${cell} lg:w-56`}>
          <button type="button" className="flex items-start gap-2 text-left" aria-expanded={isOpen} onClick={() => open(isOpen ? undefined : tick.tickId)}><span className="mt-0.5"><Icon name={isOpen ? "down" : "right"} /></span> <When at={tick.timestamp} now={now} /></button>
        </td>
        <td className={`${cell} max-lg:pl-6 lg:w-40`}><span className="inline-flex items-center gap-2"><Status status={tick.status} /> <Times n={alike.length} more={more} /></span></td>
        <td className={`${cell} min-w-0 max-lg:w-full max-lg:pl-6 lg:max-w-0`}><CameOf tick={tick} isOpen={isOpen} /></td>
      </tr>
      {isOpen && <tr className="border-b border-line max-lg:block"><td colSpan={3} className="px-3 pb-3 max-lg:block md:pl-9">{children}</td></tr>}
    </>
  );
}

/** What came of a tick, on a line or two. */
function CameOf({ tick, isOpen }: { tick: Tick; isOpen: boolean }) {
  const words = wordsOf(tick);
  return (
    <>
      {!isOpen && tick.runs.length > 0 && (
        <div className="flex flex-wrap items-center gap-x-4">
          {tick.runs.slice(0, RUNS_SHOWN).map((run) => <AskedRun key={run.runId} of={run} />)}
          {tick.runs.length > RUNS_SHOWN && <span className="text-muted">{t.automation.moreRuns(tick.runs.length - RUNS_SHOWN)}</span>}
        </div>
      )}
      {!isOpen && words && <p className={`mono truncate ${tick.status === "FAILURE" ? "text-failed" : "text-muted"}`} title={words}>{words}</p>}
    </>
  );
}

/** What the op logged is asked for when a tick is opened. */
function Logs({ sensor, tick, newer }: { sensor: Which; tick: Tick; newer: string | undefined }) {
  const { data } = useTickLogs(sensor, tick.tickId, newer);
  return data && <Logged lines={data} />;
}

/** One tick in full, with the ways to those that are alike. */
function Opened({ tick, alike, open, children }: { tick: Tick; alike: Tick[]; open: Open; children: ReactNode }) {
  const late = tick.startTimestamp - tick.timestamp;
  return (
    <div className="flex flex-col gap-2" data-opened>
      {tick.error && <Because error={tick.error} />}
      {tick.skipReason !== null && <p className="mono break-words whitespace-pre-wrap">{tick.skipReason}</p>}
      {tick.runs.length > 0 && <ul className="max-h-80 overflow-auto" tabIndex={0} aria-label={t.automation.itsRuns}>{tick.runs.map((run) => <li key={run.runId} className="py-0.5"><AskedRun of={run} whole /></li>)}</ul>}
      {children}
      <p className="flex flex-wrap gap-x-4 text-muted">
        {tick.endTimestamp !== null && <span>{t.automation.took(duration(tick.endTimestamp - tick.startTimestamp))}</span>}
        {late > LATE_S && <span>{t.automation.late(duration(late))}</span>}
        {tick.failures > (tick.status === "FAILURE" ? 1 : 0) && <span>{t.automation.failures(tick.failures)}</span>}
        <span>{t.automation.number} <code className="mono">{tick.tickId}</code></span>
      </p>
      {alike.length > 1 && (
        <div>
          <h3>{t.automation.alike(alike.length)}</h3>
          <ol className="grid max-h-40 gap-x-6 overflow-auto text-muted sm:grid-cols-2 xl:grid-cols-3" tabIndex={0} aria-label={t.automation.alike(alike.length)}>
            {alike.map((one) => <li key={one.tickId}><button type="button" aria-pressed={one === tick} className="aria-pressed:font-semibold aria-pressed:text-text" onClick={() => open(one.tickId)}><Time at={one.timestamp} /></button></li>)}
          </ol>
        </div>
      )}
    </div>
  );
}

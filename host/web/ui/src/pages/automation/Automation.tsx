// `/automation`: every schedule and sensor, when it ticks next, what came of its last tick, and a switch. The address holds the filter.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useAutomation } from "../../api/automation/queries";
import type { Instigator, Listed, TickSummary } from "../../api/automation/types";
import { useWorkspace } from "../../api/queries";
import { ended, folded, jobsOf, kindOf, matching, PAGE_OF, wordsOf, type AutomationSearch } from "../../lib/automation";
import { cli } from "../../lib/cli";
import { span } from "../../lib/time";
import { InstigatorLink, KindMark, When } from "../../parts/automation";
import { Cli, Copy, Empty, LoadingPage, PageHead, Problem, useNow } from "../../parts/basics";
import { LocationMark, useTold } from "../../parts/location";
import { Status } from "../../parts/Status";
import { t } from "../../strings";
import { AskedRun, Times, TickStrip } from "./marks";
import { Toggle } from "./Toggle";

const RUNS_SHOWN = 2;
/** As many ticks as the list asks for: a row of them may be longer. */
const TICKS_KNOWN = 25;

export function Automation() {
  const search = useSearch({ from: "/automation" });
  const navigate = useNavigate({ from: "/automation" });
  const { data: all, isPending, error, refetch } = useAutomation();
  const now = useNow();
  if (isPending) return <LoadingPage title={t.nav.automation} />;
  if (!all) return <><PageHead title={t.nav.automation} /><Problem error={error} retry={() => void refetch()} /></>;
  const shown = matching(all, search);
  return (
    <>
      <PageHead title={t.nav.automation}
        below={<>{all.length > 0 && <Filters search={search} />}<div className="flex flex-wrap gap-2"><Cli command={cli.schedules()} /><Cli command={cli.sensors()} /></div></>}>
        <p role="status" className="text-muted">{all.length > 0 && t.automation.count(all.filter((it) => it.state.status === "RUNNING").length, all.length, shown.length)}</p>
      </PageHead>
      {error && <Problem error={error} retry={() => void refetch()} />}
      {all.length === 0 && <WriteOne />}
      {all.length > 0 && shown.length === 0 && (
        <Empty title={t.automation.noneMatch}><button type="button" className="btn" onClick={() => void navigate({ search: {} })}>{t.runs.clear}</button></Empty>
      )}
      {shown.length > 0 && <ul className="panel">{shown.map((it) => <Row key={`${kindOf(it)}/${it.location}/${it.name}`} it={it} now={now} />)}</ul>}
    </>
  );
}

function Filters({ search }: { search: AutomationSearch }) {
  const navigate = useNavigate({ from: "/automation" });
  const set = (next: AutomationSearch) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true });
  return (
    <div role="search" className="flex flex-wrap items-center gap-2">
      <select className="field" aria-label={t.automation.byKind} value={search.kind ?? ""} onChange={(e) => set({ kind: e.target.value || undefined })}>
        <option value="">{t.automation.bothKinds}</option>
        {(["schedule", "sensor"] as const).map((kind) => <option key={kind} value={kind}>{t.automation.ofKind[kind]}</option>)}
      </select>
      <select className="field" aria-label={t.automation.byState} value={search.state ?? ""} onChange={(e) => set({ state: e.target.value || undefined })}>
        <option value="">{t.automation.onAndOff}</option>
        <option value="RUNNING">{t.automation.on}</option>
        <option value="STOPPED">{t.automation.off}</option>
      </select>
      <input type="search" className="field min-w-40 flex-1 md:max-w-80" aria-label={t.runs.byText} placeholder={t.runs.byText} value={search.q ?? ""}
        onChange={(e) => set({ q: e.target.value || undefined })} />
    </div>
  );
}

const COLUMNS = "md:grid-cols-[74px_minmax(0,1fr)_210px] lg:grid-cols-[74px_minmax(0,1.1fr)_minmax(0,1fr)_minmax(0,1.4fr)] xl:grid-cols-[74px_minmax(0,1.1fr)_minmax(0,0.9fr)_minmax(0,1.4fr)_175px]";

function Row({ it, now }: { it: Listed; now: number }) {
  const { nextTick } = it.state;
  const { now: current, ended: ticks } = ended(it.state.ticks);
  return (
    <li className={`grid grid-cols-[74px_minmax(0,1fr)] items-start gap-x-4 gap-y-2 border-b border-line px-4 py-3 last:border-0 ${COLUMNS}`} data-automation={it.name} data-of={it.location}>
      <div className="pt-0.5"><Toggle it={it} /></div>
      <div className="min-w-0">
        <p className="flex flex-wrap items-baseline gap-x-3"><InstigatorLink it={it} className="text-base font-semibold break-all" /> <LocationMark location={it.location} /> <KindMark kind={kindOf(it)} /></p>
        {it.description && <p className="text-muted">{it.description}</p>}
        <p><span className="text-muted">{it.__typename === "Schedule" ? t.automation.runs : t.automation.asksFor}</span> <Jobs it={it} /></p>
      </div>
      <div className="min-w-0 max-md:col-start-2">
        <p className="flex flex-wrap items-center gap-x-3"><Rhythm it={it} /> {current && <Status status={current.status} />}</p>
        {nextTick !== null && <p><span className="text-muted">{t.automation.next}</span> <When at={nextTick} now={now} due /></p>}
      </div>
      <div className="min-w-0 max-lg:col-start-2 max-lg:col-end-[-1]">{ticks.length > 0 ? <LastTick it={it} ticks={ticks} now={now} /> : <span className="text-muted">{t.automation.neverTicked}</span>}</div>
      <TickStrip ticks={ticks} className="justify-end max-xl:hidden" />
    </li>
  );
}

/** What it runs or may ask for. */
export function Jobs({ it }: { it: Instigator }) {
  const location = useTold()(it.location);
  if (it.__typename === "Schedule" && it.assetSelection !== null) return <code className="mono">{it.assetSelection}</code>;
  return jobsOf(it).map((job, i) => <span key={job}>{i > 0 && ", "}<Link to="/jobs/$job" params={{ job }} search={{ location }}>{job}</Link></span>);
}

/** When it ticks, in the words of its definition. */
function Rhythm({ it }: { it: Listed }) {
  if (it.__typename === "Sensor") return t.automation.every(span(it.minIntervalSeconds));
  return <>{it.cronSchedule.map((cron) => <code key={cron} className="mono rounded bg-raised px-1">{cron}</code>)}<span className="text-muted">{it.executionTimezone}</span></>;
}

function LastTick({ it, ticks, now }: { it: Listed; ticks: TickSummary[]; now: number }) {
  const location = useTold()(it.location);
  const [alike] = folded(ticks);
  const [tick] = ticks;
  if (!alike || !tick) return null;
  const runs = it.state.last.find((last) => last.tickId === tick.tickId)?.runs ?? [];
  const words = wordsOf(tick);
  return (
    <>
      <p className="flex flex-wrap items-center gap-x-3"><Status status={tick.status} /> <Times n={alike.length} more={alike.length === ticks.length && it.state.ticks.length === TICKS_KNOWN} /> <When at={tick.timestamp} now={now} /></p>
      {runs.length > 0 && (
        <p className="flex flex-wrap items-center gap-x-3">{runs.slice(0, RUNS_SHOWN).map((run) => <AskedRun key={run.runId} of={run} />)}{runs.length > RUNS_SHOWN && <span className="text-muted">{t.automation.moreRuns(runs.length - RUNS_SHOWN)}</span>}</p>
      )}
      {words && (
        <Link to={PAGE_OF[kindOf(it)]} params={{ name: it.name }} search={{ location, tick: tick.tickId }} title={words} data-words
          className={`mono block truncate ${tick.status === "FAILURE" ? "text-failed" : "text-muted"}`}>{words}</Link>
      )}
    </>
  );
}

/** What to write to have a first one, with a job of this project and the zone of this machine. */
function WriteOne() {
  const { data: locations } = useWorkspace();
  const job = locations?.flatMap((entry) => entry.jobs)[0]?.name ?? "hello";
  const toml = `[schedules.nightly]\njob = "${job}"\ncron = "30 2 * * *"\ntimezone = "${Intl.DateTimeFormat().resolvedOptions().timeZone}"\nstatus = "running"\n`;
  return (
    <section className="panel mx-auto flex max-w-2xl flex-col gap-3 p-5" aria-label={t.automation.none}>
      <h2>{t.automation.none}</h2>
      <p>{t.automation.writeOne}</p>
      <div className="flex items-start rounded-md bg-raised">
        <pre className="mono min-w-0 flex-1 overflow-x-auto p-3" tabIndex={0} aria-label="cofferdam.toml">{toml}</pre>
        <Copy text={toml} label={t.automation.copyToml} />
      </div>
      <p className="text-muted">{t.automation.thenLoad} <Link to="/settings" hash="definitions">{t.definitions.reload}</Link></p>
    </section>
  );
}

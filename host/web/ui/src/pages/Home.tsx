// `/`: what goes on now, what failed last, the last hours, the cluster. While nothing has ever run: three steps to the first run.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { useCluster, useInstance, useLaunch, useNext, useSomeRuns, useWorkspace } from "../api/queries";
import type { JobSummary, RunSummary } from "../api/types";
import { jobsOf, kindOf, soonest } from "../lib/automation";
import { cli } from "../lib/cli";
import { Cli, Empty, Loading, LoadingPage, PageHead, Problem, useNow } from "../parts/basics";
import { InstigatorLink, When } from "../parts/automation";
import { Icon } from "../parts/Icon";
import { LocationMark, useFullName } from "../parts/location";
import { useMay } from "../parts/may";
import { RunLine } from "../parts/runs";
import { t } from "../strings";
import { Timeline } from "./Timeline";

const RUNS_SHOWN = 500;
const HOURS_SHOWN = 6;
const NEXT_SHOWN = 5;
/** The runs of the timeline are asked for from a quarter of an hour on, so that the question does not change each second. */
const QUARTER_S = 900;
const OPEN = { statuses: ["QUEUED", "STARTED", "CANCELING"] as RunSummary["status"][] };
const FAILED = { statuses: ["FAILURE"] as RunSummary["status"][] };

export function Home() {
  const { data: instance } = useInstance();
  const all = useSomeRuns({}, 1);
  if (all.isPending) return <LoadingPage title={t.nav.home} />;
  if (!all.data) return <><PageHead title={t.nav.home} /><Problem error={all.error} retry={() => void all.refetch()} /></>;
  return (
    <>
      <PageHead title={instance?.instance.name ?? t.nav.home} command={cli.runs()} />
      {all.data.results.length === 0 ? <FirstRun /> : <Overview />}
    </>
  );
}

function Overview() {
  const hours = Number(useSearch({ from: "/" }).hours) || HOURS_SHOWN;
  const navigate = useNavigate({ from: "/" });
  const open = useSomeRuns(OPEN, 20);
  const failed = useSomeRuns(FAILED, 8);
  const now = useNow();
  const recent = useSomeRuns({ createdAfter: Math.floor(now / QUARTER_S) * QUARTER_S - hours * 3600 }, RUNS_SHOWN);
  return (
    <div className="flex flex-col gap-4">
      <ClusterStrip />
      <Timeline runs={recent.data?.results ?? []} now={now} hours={hours} onHours={(n) => void navigate({ search: { hours: String(n) }, replace: true })} />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <RunsPanel title={t.home.now} runs={open.data?.results ?? []} empty={t.home.nothingNow} now={now} more="QUEUED,STARTED,CANCELING" />
          <Next now={now} />
        </div>
        <RunsPanel title={t.home.failures} runs={failed.data?.results ?? []} empty={t.home.noFailures} now={now} more="FAILURE" />
      </div>
    </div>
  );
}

function RunsPanel({ title, runs, empty, now, more }: { title: string; runs: RunSummary[]; empty: string; now: number; more: string }) {
  return (
    <section className="panel" aria-label={title}>
      <div className="flex items-baseline border-b border-line px-3 py-2">
        <h2>{title}</h2>
        <Link className="ml-auto" to="/runs" search={{ status: more }} aria-label={`${t.home.all}: ${title}`}>{t.home.all}</Link>
      </div>
      {runs.length === 0 ? <p className="p-4 text-muted">{empty}</p> : <ul>{runs.map((run) => <RunLine key={run.runId} run={run} now={now} />)}</ul>}
    </section>
  );
}

/** What ticks next of that which is on. */
function Next({ now }: { now: number }) {
  const next = soonest(useNext().data ?? [], NEXT_SHOWN);
  if (next.length === 0) return null;
  return (
    <section className="panel" aria-label={t.home.next}>
      <div className="flex items-baseline border-b border-line px-3 py-2"><h2>{t.home.next}</h2><Link className="ml-auto" to="/automation">{t.nav.automation}</Link></div>
      <ul>{next.map((it) => (
        <li key={`${kindOf(it)}/${it.location}/${it.name}`} className="flex flex-wrap items-center gap-x-3 border-b border-line px-3 py-2 last:border-0" data-next={it.name}>
          <span className="text-muted"><Icon name={kindOf(it) === "schedule" ? "clock" : "eye"} size={14} /></span>
          <InstigatorLink it={it} /> <LocationMark location={it.location} />
          <span className="min-w-0 truncate text-muted">{it.assetSelection ?? jobsOf(it).join(", ")}</span>
          <span className="ml-auto"><When at={it.at} now={now} due /></span>
        </li>
      ))}</ul>
    </section>
  );
}

function ClusterStrip() {
  const { data } = useCluster();
  if (!data) return null;
  const { queue, workers } = data;
  const queued = queue.runs.find((count) => count.name.toLowerCase() === "queued")?.count ?? 0;
  const waiting = queue.waiting.reduce((sum, count) => sum + count.count, 0);
  return (
    <Link to="/cluster" className="panel flex flex-wrap gap-x-6 gap-y-1 px-3 py-2 text-text no-underline hover:bg-raised" data-strip>
      <Figure n={workers.length} label={t.cluster.workers(workers.length)} />
      <Figure n={`${queue.running}/${queue.slots}`} label={t.cluster.slotsBusy} />
      <Figure n={waiting} label={t.cluster.stepsWait} />
      <Figure n={queued} label={t.cluster.runsQueued} />
    </Link>
  );
}

const Figure = ({ n, label }: { n: number | string; label: string }) => (
  <span className="whitespace-nowrap"><b className="text-lg font-semibold tabular-nums">{n}</b> <span className="text-muted">{label}</span></span>
);

/** The way from nothing to a first run, with what is done already ticked. */
function FirstRun() {
  const { data: locations, isPending, error } = useWorkspace();
  const jobs = useMemo(() => (locations ?? []).flatMap((entry) => entry.jobs), [locations]);
  const wrong = (locations ?? []).some((entry) => entry.diagnostics.some((d) => d.severity === "ERROR"));
  if (isPending) return <Loading what={t.nav.jobs} />;
  if (error) return <Problem error={error} />;
  const job = jobs.find((candidate) => !candidate.isAssetJob) ?? jobs[0];
  return (
    <section className="panel mx-auto max-w-2xl p-5" aria-label={t.home.first}>
      <h2 className="mb-3">{t.home.first}</h2>
      <ol className="flex flex-col gap-4">
        <Step done={(locations?.length ?? 0) > 0} title={t.home.step1}><Cli command="cofferdam new weather" /></Step>
        <Step done={!!job && !wrong} title={t.home.step2}><Cli command={cli.check()} /></Step>
        <Step done={false} title={t.home.step3}>{job ? <RunFirst job={job} /> : <Empty title={t.home.noJob} />}</Step>
      </ol>
    </section>
  );
}

function Step({ done, title, children }: { done: boolean; title: string; children: React.ReactNode }) {
  return (
    <li className="flex gap-3">
      <span className={`status mt-0.5 self-start ${done ? "tone-succeeded" : "tone-queued"}`}><Icon name={done ? "check" : "circle"} /><span className="sr-only">{done ? t.home.done : t.home.open}</span></span>
      <div className="flex min-w-0 flex-col items-start gap-2"><p className="font-medium">{title}</p>{children}</div>
    </li>
  );
}

function RunFirst({ job }: { job: JobSummary }) {
  const navigate = useNavigate();
  const launch = useLaunch();
  const barred = useMay("LAUNCHER");
  const name = useFullName()(job);
  const go = () =>
    launch.mutate({ jobName: job.name, location: job.location }, {
      onSuccess: ({ run }) => void navigate({ to: "/runs/$runId", params: { runId: run.runId } }),
      onError: () => void navigate({ to: "/jobs/$job/run", params: { job: job.name }, search: { location: job.location } }),
    });
  return (
    <>
      <button type="button" className="btn btn-primary" onClick={go} disabled={launch.isPending} {...barred}><Icon name="play" /> {t.home.run(name)}</button>
      <Cli command={cli.run(job.name)} />
    </>
  );
}

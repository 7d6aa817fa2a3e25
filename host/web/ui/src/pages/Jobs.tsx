// `/jobs`: every job, its last runs, and a button that runs it.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useJobsRuns, useWorkspace } from "../api/queries";
import type { JobSummary, RunSummary } from "../api/types";
import { cli } from "../lib/cli";
import { duration } from "../lib/time";
import { Cli, Empty, LoadingPage, PageHead, Problem, Tags, Time, useNow } from "../parts/basics";
import { Icon } from "../parts/Icon";
import { LocationMark, useFullName } from "../parts/location";
import { LaunchLink } from "../parts/may";
import { took } from "../parts/runs";
import { lookOf, Status, wordOf } from "../parts/Status";
import { t } from "../strings";

export function Jobs() {
  const { q = "" } = useSearch({ from: "/jobs" });
  const navigate = useNavigate({ from: "/jobs" });
  const { data: locations, isPending, error, refetch } = useWorkspace();
  const { data: runs } = useJobsRuns();
  const now = useNow();
  if (isPending) return <LoadingPage title={t.nav.jobs} />;
  if (error) return <><PageHead title={t.nav.jobs} /><Problem error={error} retry={() => void refetch()} /></>;
  const jobs = locations.flatMap((entry) => entry.jobs);
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = jobs.filter((job) => words.every((word) => `${job.name} ${job.description} ${job.location}`.toLowerCase().includes(word)));
  return (
    <>
      <PageHead title={t.nav.jobs} command={cli.check()}>
        <input type="search" className="field w-64" aria-label={t.jobs.filter} placeholder={t.jobs.filter} value={q}
          onChange={(e) => void navigate({ search: { q: e.target.value || undefined }, replace: true })} />
      </PageHead>
      {jobs.length === 0 && <Empty title={t.jobs.none}><Cli command="cofferdam new weather" /></Empty>}
      {jobs.length > 0 && shown.length === 0 && <Empty title={t.jobs.noneMatch} />}
      {shown.length > 0 && (
        <ul className="panel">
          {shown.map((job) => <JobRow key={`${job.location}/${job.name}`} job={job} runs={runs?.get(`${job.location}/${job.name}`) ?? []} now={now} />)}
        </ul>
      )}
    </>
  );
}

function JobRow({ job, runs, now }: { job: JobSummary; runs: RunSummary[]; now: number }) {
  const last = runs[0];
  const name = useFullName()(job);
  const search = { location: job.location };
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 border-b border-line px-4 py-3 last:border-0 md:grid-cols-[minmax(0,1fr)_150px_190px_auto]" data-job={job.name} data-of={job.location}>
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-2">
          <Link to="/jobs/$job" params={{ job: job.name }} search={search} className="text-base font-semibold">{job.name}</Link>
          <LocationMark location={job.location} />
          {job.isAssetJob && <span className="chip">{t.jobs.assets}</span>}
          <Tags tags={job.tags} />
        </p>
        {job.description && <p className="text-muted">{job.description}</p>}
      </div>
      <Strip runs={runs} now={now} />
      <div className="max-md:col-start-1 md:col-auto">
        {last ? <><Status status={last.status} /> <span className="text-muted"><Time at={last.startTime ?? last.creationTime} now={now} />, {t.jobs.median} {median(runs, now)}</span></> : <span className="text-muted">{t.jobs.neverRan}</span>}
      </div>
      <LaunchLink job={job.name} search={search} className="btn-primary max-md:col-start-2 max-md:row-start-1" label={t.home.run(name)}><Icon name="play" /> {t.jobs.run}</LaunchLink>
    </li>
  );
}

/** The last runs as small bars, oldest left, as high as they took long. */
function Strip({ runs, now }: { runs: RunSummary[]; now: number }) {
  const longest = Math.max(0.001, ...runs.map((run) => took(run, now) ?? 0));
  return (
    <div className="flex h-7 items-end gap-1 max-md:hidden">
      {[...runs].reverse().map((run) => (
        <Link key={run.runId} to="/runs/$runId" params={{ runId: run.runId }} title={`${wordOf(run.status)} ${duration(took(run, now) ?? 0)}`}
          aria-label={`${wordOf(run.status)}, ${duration(took(run, now) ?? 0)}`}
          className={`tone-${lookOf(run.status).tone} w-2.5 rounded-sm bg-(--tone) hover:ring-2 hover:ring-text`} style={{ height: `${25 + (75 * (took(run, now) ?? 0)) / longest}%` }} />
      ))}
    </div>
  );
}

function median(runs: RunSummary[], now: number): string {
  const all = runs.map((run) => took(run, now)).filter((s) => s !== null).sort((a, b) => a - b);
  return duration(all[all.length >> 1] ?? 0);
}

// `/jobs/:name`: the typed graph of a job, what its steps take and give, its last runs, any of which can be laid over the graph.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { useLiveRun } from "../api/live";
import { useJob, useRun } from "../api/queries";
import type { Graph, GraphStep, Job, Run } from "../api/types";
import { cli } from "../lib/cli";
import { libraryId } from "../lib/locations";
import { shortRun } from "../lib/size";
import { Empty, Loading, LoadingPage, PageHead, Problem, Tags, useNow } from "../parts/basics";
import { Diagnostics } from "../parts/Diagnostics";
import { Icon } from "../parts/Icon";
import { OneJob, useTold } from "../parts/location";
import { LaunchLink } from "../parts/may";
import { Ports } from "../parts/Ports";
import { RunLine } from "../parts/runs";
import { wordOf } from "../parts/Status";
import { t } from "../strings";

const GraphView = lazy(() => import("../parts/GraphView"));

export function JobPage() {
  const { job: name } = useParams({ from: "/jobs/$job" });
  const { location } = useSearch({ from: "/jobs/$job" });
  return <OneJob job={name} location={location}>{(location) => <JobOf name={name} location={location} />}</OneJob>;
}

function JobOf({ name, location }: { name: string; location: string | undefined }) {
  const { data: job, error, isPending, refetch } = useJob(name, location);
  if (isPending) return <LoadingPage title={name} />;
  if (!job) return <><PageHead title={name} /><Problem error={error} retry={() => void refetch()} /></>;
  return <JobBody job={job} />;
}

function JobBody({ job }: { job: Job }) {
  const search = useSearch({ from: "/jobs/$job" });
  const navigate = useNavigate({ from: "/jobs/$job" });
  const set = (next: Partial<typeof search>) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true });
  const now = useNow();
  const picked = useMemo(() => new Set((search.select ?? "").split(",").filter(Boolean)), [search.select]);
  const { graph } = job.graph;
  const step = graph?.steps.find((candidate) => candidate.key === search.step);
  const pick = (key: string) => set({ select: (graph?.steps ?? []).map((s) => s.key).filter((k) => (k === key) !== picked.has(k)).join(",") || undefined });
  return (
    <div className="flex flex-col gap-4">
      <PageHead title={job.name} command={cli.plan(job.name)}
        below={<>{job.description && <p>{job.description}</p>}<p className="flex flex-wrap gap-1"><span className="chip">{job.location}</span>{job.partitions && <span className="chip">{t.job.partitions(job.partitions)}</span>}<Tags tags={job.tags} /></p></>}>
        {picked.size > 0 && <LaunchLink job={job.name} search={{ location: job.location, select: search.select }}><Icon name="play" /> {t.job.runSelection(picked.size)}</LaunchLink>}
        <LaunchLink job={job.name} search={{ location: job.location }} className="btn-primary" label={t.home.run(job.name)}><Icon name="play" /> {t.jobs.run}</LaunchLink>
      </PageHead>
      {job.graph.error && <Problem error={job.graph.error} />}
      {job.graph.diagnostics.length > 0 && <section className="panel" aria-label={t.job.graphWrong}><h2 className="border-b border-line px-3 py-2">{t.job.graphWrong}</h2><Diagnostics diagnostics={job.graph.diagnostics} /></section>}
      {graph && (
        <div className={step ? "grid items-start gap-3 xl:grid-cols-[minmax(0,1fr)_360px]" : ""}>
          <section className="panel min-w-0 overflow-hidden" aria-label={t.graph.label}>
            <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
              <h2>{t.run.graph}</h2>
              <span className="text-muted">{t.job.steps(graph.steps.length)}</span>
              <select className="field ml-auto max-w-full" aria-label={t.job.overlay} value={search.run ?? ""} onChange={(e) => set({ run: e.target.value || undefined })}>
                <option value="">{t.job.noOverlay}</option>
                {job.runs.map((run) => <option key={run.runId} value={run.runId}>{shortRun(run.runId)} {wordOf(run.status)}</option>)}
                {search.run && !job.runs.some((run) => run.runId === search.run) && <option value={search.run}>{shortRun(search.run)}</option>}
              </select>
            </div>
            <Suspense fallback={<Loading what={t.run.graph} />}>
              <Shown graph={graph} runId={search.run} selected={search.step} onSelect={(key) => set({ step: key === search.step ? undefined : key })} picked={picked} />
            </Suspense>
          </section>
          {step && <StepDocs step={step} location={job.location} picked={picked.has(step.key)} pick={() => pick(step.key)} close={() => set({ step: undefined })} />}
        </div>
      )}
      <section className="panel" aria-label={t.job.lastRuns}>
        <div className="flex border-b border-line px-3 py-2"><h2>{t.job.lastRuns}</h2><Link to="/runs" search={{ job: job.name }} className="ml-auto">{t.home.all}</Link></div>
        {job.runs.length === 0 ? <Empty title={t.jobs.neverRan} /> : <ul>{job.runs.map((run) => <RunLine key={run.runId} run={run} now={now} />)}</ul>}
      </section>
    </div>
  );
}

type ShownProps = { graph: Graph; runId: string | undefined; selected: string | undefined; onSelect: (key: string) => void; picked: ReadonlySet<string> };

function Shown({ runId, ...rest }: ShownProps) {
  return runId ? <WithRun runId={runId} {...rest} /> : <GraphView ports {...rest} />;
}

function WithRun({ runId, ...rest }: ShownProps & { runId: string }) {
  const { data, error } = useRun(runId);
  if (error) return <><Problem error={error} /><GraphView ports {...rest} /></>;
  return data ? <Live key={runId} read={data} {...rest} /> : <Loading what={t.run.theRun} />;
}

function Live({ read, ...rest }: { read: Run } & Omit<ShownProps, "runId">) {
  const { steps } = useLiveRun(read);
  return <GraphView ports steps={steps} {...rest} />;
}

function StepDocs({ step, location, picked, pick, close }: { step: GraphStep; location: string; picked: boolean; pick: () => void; close: () => void }) {
  const told = useTold();
  return (
    <aside className="panel flex flex-col gap-3 p-3" aria-label={t.step.label(step.key)} data-step={step.key}>
      <div className="flex items-start gap-2">
        <div className="min-w-0"><h2 className="mono break-words">{step.key}</h2><p className="text-muted"><Link to="/libraries" search={{ library: libraryId(step.library, told(location)) }}>{step.library}</Link>.{step.op}</p></div>
        <button type="button" className="btn ml-auto" aria-pressed={picked} onClick={pick}>{picked ? t.job.unpick : t.job.pick}</button>
        <button type="button" className="btn btn-quiet px-1.5" onClick={close} aria-label={t.close}><Icon name="cross" /></button>
      </div>
      {step.description && <p>{step.description}</p>}
      <Ports title={t.types.inputs} ports={step.inputs} />
      <Ports title={t.types.outputs} ports={step.outputs} />
      {step.resources.length > 0 && <p><span className="text-muted">{t.job.needs}</span> <span className="mono">{step.resources.join(", ")}</span></p>}
      {step.retries > 0 && <p className="text-muted">{t.job.retries(step.retries)}</p>}
      {step.pool && <p><span className="text-muted">{t.job.pool}</span> {step.pool}</p>}
    </aside>
  );
}

// `/runs/:id`: a run, live. The address says which view, which step, which part of the logs.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { ApiError } from "../../api/client";
import { useLiveRun, useRunLines } from "../../api/live";
import { useRun } from "../../api/queries";
import type { Run } from "../../api/types";
import { isOver } from "../../lib/runs";
import { cli } from "../../lib/cli";
import { Cli, Loading, LoadingPage, PageHead, Problem, Tabs } from "../../parts/basics";
import { t } from "../../strings";
import { Events } from "./Events";
import { FailureCard } from "./FailureCard";
import { Gantt } from "./Gantt";
import { Logs } from "./Logs";
import { RunConfig } from "./RunConfig";
import { RunHead } from "./RunHead";
import { StepPanel } from "./StepPanel";
import { ToApprove } from "./Wait";

const GraphView = lazy(() => import("../../parts/GraphView"));

export function RunPage() {
  const { runId } = useParams({ from: "/runs/$runId" });
  const { data, error, isPending, refetch } = useRun(runId);
  if (isPending) return <LoadingPage title={t.run.theRun} />;
  if (error instanceof ApiError && error.typename === "RunNotFoundError")
    return <><PageHead title={t.run.notFound} /><p className="mono mb-3 break-all">{runId}</p><Link to="/runs" className="btn no-underline">{t.run.toRuns}</Link></>;
  if (!data) return <><PageHead title={t.run.theRun} /><Problem error={error} retry={() => void refetch()} /></>;
  return <LiveRunPage key={runId} read={data} />;
}

export type RunSearch = { view?: string; tab?: string; step?: string; level?: string; q?: string; open?: string; line?: string };

function LiveRunPage({ read }: { read: Run }) {
  const search = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const set = (next: RunSearch) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true });
  const live = useLiveRun(read);
  const logs = useRunLines(read.runId);
  const { run, steps } = live;
  const view = search.view === "graph" ? "graph" : "timeline";
  const tab = search.tab === "events" || search.tab === "config" ? search.tab : "logs";
  const select = (step: string | undefined) => set({ step: step === search.step ? undefined : step, line: undefined });

  return (
    <div className="flex flex-col gap-3">
      <RunHead run={run} selected={search.step} />
      {live.error && <Problem error={live.error} />}
      {!isOver(run.status) && <ToApprove steps={steps} select={(step) => set({ step })} />}
      {live.failure && <FailureCard run={run} failure={live.failure} steps={steps} lines={logs.lines} select={(step) => set({ step })} />}
      <div className={`grid items-start gap-3 ${search.step ? "xl:grid-cols-[minmax(0,1fr)_400px] xl:grid-rows-[auto_1fr]" : "grid-cols-[minmax(0,1fr)]"}`}>
        <section className="panel min-w-0 overflow-hidden" aria-label={t.run.steps}>
          <Tabs label={t.run.views} value={view} onChange={(id) => set({ view: id === "timeline" ? undefined : id })}
            tabs={[{ id: "timeline", label: t.run.timeline }, { id: "graph", label: t.run.graph }]} />
          {view === "timeline"
            ? <Gantt run={run} steps={steps} selected={search.step} onSelect={select} open={new Set((search.open ?? "").split(",").filter(Boolean))}
                onOpen={(open) => set({ open: [...open].join(",") || undefined })} lanes={search.view === "lanes"} onLanes={(on) => set({ view: on ? "lanes" : undefined })} />
            : <Suspense fallback={<Loading what={t.run.graph} />}><GraphView graph={run.plan} steps={steps} selected={search.step} onSelect={select} /></Suspense>}
        </section>
        {search.step && <StepPanel run={run} steps={steps} stepKey={search.step} select={(step) => set({ step, line: undefined })} />}
        <section className="panel min-w-0 overflow-hidden" aria-label={t.run.details}>
          <Tabs label={t.run.details} value={tab} onChange={(id) => set({ tab: id === "logs" ? undefined : id })}
            tabs={[{ id: "logs", label: t.run.logs }, { id: "events", label: t.run.events(live.events.length) }, { id: "config", label: t.run.config }]} />
          {tab === "logs" && <Logs run={run} steps={steps} {...logs} search={search} set={set} />}
          {tab === "events" && <Events run={run} events={live.events} step={search.step} over={isOver(run.status)} onSelect={select} />}
          {tab === "config" && <RunConfig run={run} />}
        </section>
      </div>
      <div className="flex flex-wrap gap-2"><Cli command={cli.show(run.runId)} /></div>
    </div>
  );
}

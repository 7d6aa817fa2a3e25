// The head of a run's page: what it is, how it stands, and what can be done with it.
import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useTerminate } from "../../api/queries";
import type { Run } from "../../api/types";
import { kindOf } from "../../lib/automation";
import { isOver } from "../../lib/runs";
import { shortRun } from "../../lib/size";
import { InstigatorLink } from "../../parts/automation";
import { Copy, Problem, Tags, Time, useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useMay } from "../../parts/may";
import { countsText, Progress, RunDuration } from "../../parts/runs";
import { Status } from "../../parts/Status";
import { t } from "../../strings";

const RerunMenu = lazy(() => import("./RerunMenu"));

export function RunHead({ run, selected }: { run: Run; selected: string | undefined }) {
  const now = useNow(!isOver(run.status));
  const terminate = useTerminate();
  const barred = useMay("LAUNCHER");
  return (
    <header className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h1 className="min-w-0"><Link to="/jobs/$job" params={{ job: run.jobName }} search={{ run: run.runId }}>{run.jobName}</Link> <span className="mono text-base font-normal text-muted">{shortRun(run.runId)}</span></h1>
        <Status status={run.status} />
        {isOver(run.status) || <Progress run={run} />}
        <span className="ml-auto flex flex-wrap items-center gap-2">
          {!isOver(run.status) && (
            <button type="button" className="btn btn-danger" disabled={!run.canTerminate || terminate.isPending} onClick={() => terminate.mutate([run.runId])} {...barred}>
              <Icon name="stop" /> {run.status === "CANCELING" ? t.run.cancelling : t.run.cancel}
            </button>
          )}
          <Suspense fallback={<button type="button" className="btn" disabled><Icon name="retry" /> {t.run.rerun}</button>}><RerunMenu run={run} selected={selected} /></Suspense>
        </span>
      </div>
      {terminate.error && <Problem error={terminate.error} />}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-muted">
        <span className="flex items-center"><code className="mono break-all">{run.runId}</code><Copy text={run.runId} label={t.run.copyId} /></span>
        <span><Time at={run.startTime ?? run.creationTime} /></span>
        <span><RunDuration run={run} now={now} /></span>
        <span>{countsText(run)}</span>
        <AskedBy run={run} />
        {run.parentRunId && <span>{t.run.againOf} <Link to="/runs/$runId" params={{ runId: run.parentRunId }} className="mono">{shortRun(run.parentRunId)}</Link></span>}
        {run.childRunIds.length > 0 && <span>{t.run.runAgain} {run.childRunIds.map((id) => <Link key={id} to="/runs/$runId" params={{ runId: id }} className="mono mr-1">{shortRun(id)}</Link>)}</span>}
        <span className="flex flex-wrap gap-1">
          <Tags tags={run.tags} link={(tag) => <Link to="/runs" search={{ tag: `${tag.key}=${tag.value}` }} className="text-muted">{tag.key}={tag.value}</Link>} />
        </span>
      </div>
    </header>
  );
}

/** The schedule or the sensor whose tick asked for the run. */
function AskedBy({ run }: { run: Run }) {
  return (["Schedule", "Sensor"] as const).map((__typename) => {
    const kind = kindOf({ __typename });
    const name = run.tags.find((tag) => tag.key === `dagster/${kind}_name`)?.value;
    return name && <span key={kind}>{t.run.by[kind]} <InstigatorLink it={{ __typename, name }} /></span>;
  });
}

// `/cluster`: the workers, what they run now, and what waits and why.
import { Link } from "@tanstack/react-router";
import { useCluster, useDrain } from "../api/queries";
import type { Count, Pool, QueuedRun, Worker } from "../api/types";
import { cli } from "../lib/cli";
import { shortRun } from "../lib/size";
import { duration } from "../lib/time";
import { Cli, Empty, LoadingPage, PageHead, Problem, Tags, useNow } from "../parts/basics";
import { Icon } from "../parts/Icon";
import { useMay } from "../parts/may";
import { t } from "../strings";

export function Cluster() {
  const { data, isPending, error, refetch } = useCluster();
  if (isPending) return <LoadingPage title={t.nav.cluster} />;
  if (!data) return <><PageHead title={t.nav.cluster} /><Problem error={error} retry={() => void refetch()} /></>;
  const { workers, queue } = data;
  return (
    <>
      <PageHead title={t.nav.cluster} command={cli.workers()}>
        <p className="text-muted" data-slots={`${queue.running}/${queue.slots}`}>{t.cluster.busy(queue.running, queue.slots)}</p>
      </PageHead>
      {error && <Problem error={error} retry={() => void refetch()} />}
      <div className="grid gap-4 xl:grid-cols-[minmax(0,1fr)_320px]">
        {workers.length === 0
          ? <div className="panel"><Empty title={t.cluster.noWorkers}><p>{t.cluster.startOne}</p><Cli command="cofferdam worker" /></Empty></div>
          : <ul className="flex flex-col gap-3">{[...workers].sort(byId).map((worker) => <WorkerCard key={worker.id} worker={worker} />)}</ul>}
        <section className="panel self-start" aria-label={t.cluster.queue}>
          <h2 className="border-b border-line px-3 py-2">{t.cluster.queue}</h2>
          <Counts title={t.cluster.runs} counts={queue.runs} none={t.cluster.noRuns} />
          <Counts title={t.cluster.waiting} counts={queue.waiting} none={t.cluster.nothingWaits} />
          {queue.queued.length > 0 && <Queued runs={queue.queued} more={queue.moreQueued} />}
          {queue.pools.length > 0 && <Pools pools={queue.pools} />}
        </section>
      </div>
    </>
  );
}

const byId = (a: Worker, b: Worker) => a.id.localeCompare(b.id, "en", { numeric: true });

function Counts({ title, counts, none }: { title: string; counts: Count[]; none: string }) {
  return (
    <div className="px-3 py-2">
      <h3>{title}</h3>
      {counts.length === 0 ? <p className="text-muted">{none}</p> : (
        <dl>{counts.map(({ name, count }) => (
          <div key={name} className="flex gap-3 py-0.5"><dt className="min-w-0 break-words">{t.cluster.reasons[name] ?? name}</dt><dd className="ml-auto font-semibold tabular-nums">{count}</dd></div>
        ))}</dl>
      )}
    </div>
  );
}

function Queued({ runs, more }: { runs: QueuedRun[]; more: number }) {
  return (
    <div className="border-t border-line px-3 py-2">
      <h3>{t.cluster.runQueue}</h3>
      <ol className="flex flex-col gap-1.5">{runs.map(({ runId, jobName, priority, text }) => (
        <li key={runId} data-queued={runId}>
          <Link to="/runs/$runId" params={{ runId }} className="font-medium">{jobName} <span className="mono">{shortRun(runId)}</span></Link>
          {priority !== 0 && <span className="ml-2 text-muted">{t.cluster.priority(priority)}</span>}
          <p className="text-xs break-words text-muted">{text}</p>
        </li>
      ))}</ol>
      {more > 0 && <p className="text-muted">{t.cluster.moreQueued(more)}</p>}
    </div>
  );
}

function Pools({ pools }: { pools: Pool[] }) {
  return (
    <div className="border-t border-line px-3 py-2">
      <h3>{t.cluster.pools}</h3>
      <ul className="flex flex-col gap-1.5">{pools.map(({ name, limit, taken, waiting, holders }) => (
        <li key={name} data-pool={name}>
          <p className="flex flex-wrap gap-x-3"><span className="font-medium break-all">{name}</span><span className="ml-auto tabular-nums">{t.cluster.taken(taken, limit)}</span></p>
          {waiting > 0 && <p className="text-muted">{t.cluster.wait(waiting)}</p>}
          <ul className="text-xs">{holders.map(({ runId, stepKey }) => (
            <li key={runId + stepKey} className="truncate"><Link to="/runs/$runId" params={{ runId }} search={{ step: stepKey }} title={stepKey}>{stepKey} <span className="mono">{shortRun(runId)}</span></Link></li>
          ))}</ul>
          {taken > holders.length && <p className="text-xs text-muted">{t.cluster.moreHolders(taken - holders.length)}</p>}
        </li>
      ))}</ul>
    </div>
  );
}

function WorkerCard({ worker }: { worker: Worker }) {
  const drain = useDrain();
  const barred = useMay("OPERATOR");
  const now = useNow(worker.running.length > 0);
  return (
    <li className="panel" data-worker={worker.id}>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2 px-3 py-2">
        <h2>{t.cluster.worker(worker.id)}</h2>
        <span className={`status ${worker.leaving ? "tone-retrying" : "tone-succeeded"}`}><Icon name={worker.leaving ? "out" : "check"} /> {worker.leaving ? t.cluster.leaving : t.cluster.here}</span>
        <span className="ml-auto flex flex-wrap items-center gap-2">
          <Cli command={cli.drain(worker.id)} />
          <button type="button" className="btn" disabled={worker.leaving || drain.isPending} onClick={() => drain.mutate(worker.id)} aria-label={t.cluster.drainOne(worker.id)} {...barred}>{t.cluster.drain}</button>
        </span>
      </div>
      {drain.error && <Problem error={drain.error} />}
      <div className="flex flex-wrap items-center gap-1.5 px-3 pb-2"><Tags tags={worker.resources} /><Tags tags={worker.labels} /></div>
      <Slots worker={worker} now={now} />
    </li>
  );
}

/** A box for each slot: what runs in it, or that it is free. */
function Slots({ worker, now }: { worker: Worker; now: number }) {
  const free = Math.max(0, worker.slots - worker.running.length);
  return (
    <ul className="grid grid-cols-1 gap-1.5 border-t border-line p-3 sm:grid-cols-2 lg:grid-cols-4" aria-label={t.cluster.slotsOf(worker.id)}>
      {worker.running.map((step) => (
        <li key={step.runId + step.stepKey} className="tone-running min-w-0 rounded-md border border-(--tone) px-2 py-1">
          <Link to="/runs/$runId" params={{ runId: step.runId }} search={{ step: step.stepKey }} className="block truncate font-medium" title={step.stepKey}>{step.stepKey}</Link>
          <span className="flex justify-between text-xs text-muted"><span className="mono">{shortRun(step.runId)}</span><span className="tabular-nums">{duration(now - step.since)}</span></span>
        </li>
      ))}
      {Array.from({ length: free }, (_, i) => <li key={i} className="rounded-md border border-dashed border-line px-2 py-1 text-muted">{t.cluster.free}</li>)}
    </ul>
  );
}

// Beside the timeline: one step, or the copies of a mapped one. Why it waits, its attempts, what it used, what it made.
import { useState } from "react";
import { useWhy } from "../../api/queries";
import type { Attempt, Run, RunStep } from "../../api/types";
import { cli } from "../../lib/cli";
import { foldStatus, hasEnded } from "../../lib/gantt";
import { isOver } from "../../lib/runs";
import { bytes } from "../../lib/size";
import { duration } from "../../lib/time";
import { Cli, Problem, Ticked, Time, useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useMay } from "../../parts/may";
import { Status } from "../../parts/Status";
import { t } from "../../strings";
import { Outputs } from "./Outputs";
import { useGoRerun } from "./rerun";
import { Wait } from "./Wait";

type Props = { run: Run; steps: RunStep[]; stepKey: string; select: (step: string | undefined) => void };

export function StepPanel({ run, steps, stepKey, select }: Props) {
  const step = steps.find((candidate) => candidate.key === stepKey);
  const copies = steps.filter((candidate) => candidate.template === stepKey && candidate.key !== stepKey);
  const planned = run.plan.steps.find((candidate) => candidate.key === (step?.template ?? stepKey));
  return (
    <aside className="panel min-w-0 xl:col-start-2 xl:row-span-2 xl:row-start-1" aria-label={t.step.label(stepKey)} data-step={stepKey}>
      <div className="flex items-start gap-2 border-b border-line px-3 py-2">
        <div className="min-w-0">
          <h2 className="mono break-words">{stepKey}</h2>
          {planned && <p className="text-muted">{planned.library}.{planned.op}{planned.resources.length > 0 ? `, ${planned.resources.join(", ")}` : ""}</p>}
        </div>
        <button type="button" className="btn btn-quiet ml-auto px-1.5" onClick={() => select(undefined)} aria-label={t.close}><Icon name="cross" /></button>
      </div>
      {step ? <StepBody run={run} step={step} select={select} /> : copies.length > 0 ? <Copies copies={copies} select={select} /> : <p className="p-3 text-muted">{t.step.unknown}</p>}
    </aside>
  );
}

function StepBody({ run, step, select }: { run: Run; step: RunStep; select: (step: string) => void }) {
  const { go, error, isPending } = useGoRerun(run);
  const over = isOver(run.status);
  const barred = useMay("LAUNCHER");
  return (
    <div className="flex flex-col gap-3 p-3">
      <div className="flex flex-wrap items-center gap-2">
        <Status status={step.status} />
        {step.becauseOf && <span>{t.step.becauseOf} <button type="button" className="mono text-accent underline" onClick={() => select(step.becauseOf!)}>{step.becauseOf}</button></span>}
        {over && <button type="button" className="btn ml-auto" disabled={isPending} onClick={() => go({ strategy: "SELECTION", stepSelection: [`${step.key}+`] })} {...barred}>{t.step.rerunFromHere}</button>}
      </div>
      {error && <Problem error={error} />}
      {step.wait && <Wait run={run} step={step} wait={step.wait} />}
      <WhyWaiting run={run} step={step} />
      {step.attempts.map((attempt) => <AttemptFacts key={attempt.number} attempt={attempt} of={step.attempts.length} />)}
      <Outputs runId={run.runId} step={step} />
      {step.metadata.length > 0 && <Facts title={t.step.metadata} facts={step.metadata.map((m) => [m.name, m.text])} />}
      <div className="flex flex-wrap gap-2"><Cli command={cli.logs(run.runId, step.key)} />{step.attempts.length > 0 && <Cli command={cli.replay(run.runId, step.key)} />}</div>
    </div>
  );
}

function WhyWaiting({ run, step }: { run: Run; step: RunStep }) {
  const waits = !isOver(run.status) && (step.status === "WAITING" || step.status === "READY" || step.status === "RETRYING");
  const { data, error } = useWhy(run.runId, step.key, waits);
  if (!waits) return null;
  return (
    <div data-why>
      <h3>{t.step.why}</h3>
      {error && <Problem error={error} />}
      {data?.length === 0 && <p className="text-muted">{t.step.noReason}</p>}
      {data?.map((why) => <p key={why.stepKey}><Ticked text={why.text} /></p>)}
      <Cli command={cli.why(run.runId, step.key)} />
    </div>
  );
}

function AttemptFacts({ attempt, of }: { attempt: Attempt; of: number }) {
  const now = useNow(attempt.endedAt === null);
  const { usage, failure } = attempt;
  const facts: [string, React.ReactNode][] = [
    [t.step.worker, attempt.worker],
    [t.step.sent, <Time at={attempt.dispatchedAt} />],
    [t.step.took, duration((attempt.endedAt ?? now) - attempt.dispatchedAt)],
  ];
  if (usage) facts.push(
    [t.step.times, t.step.timesText(duration(usage.queue + usage.slot), duration(usage.fetch), duration(usage.compile + usage.load), duration(usage.wall), duration(usage.store))],
    [t.step.cpu, duration(usage.cpu)],
    [t.step.memory, bytes(usage.memoryPeakBytes)],
    [t.step.inOut, `${bytes(usage.inputBytes)} → ${bytes(usage.outputBytes)}`],
  );
  if (usage?.fuel) facts.push([t.step.fuel, Math.round(usage.fuel).toLocaleString("en")]);
  if (usage && usage.logLinesDropped > 0) facts.push([t.step.dropped, usage.logLinesDropped.toLocaleString("en")]);
  return (
    <div>
      <Facts title={of > 1 ? t.gantt.attempt(attempt.number) : t.step.attempt} facts={facts} />
      {failure && <p className="mono mt-1 rounded-md bg-failed-bg p-2 break-words text-failed">{failure.message}</p>}
    </div>
  );
}

function Facts({ title, facts }: { title: string; facts: [string, React.ReactNode][] }) {
  return (
    <div>
      <h3>{title}</h3>
      <dl>{facts.map(([name, value]) => (
        <div key={name} className="grid grid-cols-[110px_1fr] gap-2 py-0.5"><dt className="text-muted">{name}</dt><dd className="min-w-0 break-words">{value}</dd></div>
      ))}</dl>
    </div>
  );
}

const COPIES_SHOWN = 60;

function Copies({ copies, select }: { copies: RunStep[]; select: (step: string) => void }) {
  const [all, setAll] = useState(false);
  const inNeed = [...copies].sort((a, b) => Number(b.status === "FAILED") - Number(a.status === "FAILED"));
  return (
    <div className="flex flex-col gap-2 p-3">
      <p className="flex items-center gap-2"><Status status={foldStatus(copies)} /> {t.step.copies(copies.filter((copy) => hasEnded(copy.status)).length, copies.length)}</p>
      <ul>{(all ? inNeed : inNeed.slice(0, COPIES_SHOWN)).map((copy) => (
        <li key={copy.key} className="flex items-center gap-2 py-0.5"><Status status={copy.status} iconOnly /><button type="button" className="mono truncate text-accent hover:underline" onClick={() => select(copy.key)}>{copy.key}</button></li>
      ))}</ul>
      {!all && copies.length > COPIES_SHOWN && <button type="button" className="btn" onClick={() => setAll(true)}>{t.step.allCopies(copies.length)}</button>}
    </div>
  );
}

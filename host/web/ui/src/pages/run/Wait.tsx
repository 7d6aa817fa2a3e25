// A step that waits although it has all that it reads: for a time, or until somebody says that it may run.
import { useState } from "react";
import { useReview } from "../../api/queries";
import type { Run, RunStep, StepWait } from "../../api/types";
import { cli } from "../../lib/cli";
import { isOver } from "../../lib/runs";
import { duration } from "../../lib/time";
import { Cli, Problem, Time } from "../../parts/basics";
import { useMay } from "../../parts/may";
import { t } from "../../strings";

const isAsked = ({ wait, status }: RunStep) => wait !== null && wait.approval && wait.end === null && status === "WAITING";
const NAMED_MAX = 8;

/** What the page of a run says first while steps of it wait to be approved. */
export function ToApprove({ steps, select }: { steps: RunStep[]; select: (step: string) => void }) {
  const asked = steps.filter(isAsked);
  if (asked.length === 0) return null;
  return (
    <section aria-label={t.wait.title} className="panel flex flex-wrap items-center gap-x-2 p-3" data-to-approve>
      {t.wait.asks(asked.length)}
      {asked.slice(0, NAMED_MAX).map((step) => <button key={step.key} type="button" className="mono text-accent underline" onClick={() => select(step.key)}>{step.key}</button>)}
      {asked.length > NAMED_MAX && " …"}
    </section>
  );
}

export function Wait({ run, step, wait }: { run: Run; step: RunStep; wait: StepWait }) {
  if (isAsked(step) && !isOver(run.status)) return <Ask run={run} step={step} wait={wait} />;
  if (wait.end === null) return wait.until === null ? null : <p>{t.wait.timeUntil} <Time at={wait.until} /></p>;
  return (
    <div data-wait={wait.end}>
      <p>{t.wait.ends[wait.end]} {wait.by && t.wait.by(wait.by)} <span className="text-muted">({t.wait.waited} {duration((wait.endedAt ?? wait.since) - wait.since)})</span></p>
      {wait.note && <p className="break-words whitespace-pre-wrap">{wait.note}</p>}
    </div>
  );
}

function Ask({ run, step, wait }: { run: Run; step: RunStep; wait: StepWait }) {
  const [note, setNote] = useState("");
  const review = useReview();
  const barred = useMay("OPERATOR");
  const say = (approved: boolean) => review.mutate({ runId: run.runId, stepKey: step.key, approved, note: note.trim() || undefined });
  return (
    <form className="flex flex-col gap-2" data-ask={step.key} onSubmit={(e) => e.preventDefault()}>
      <h3>{t.wait.title}</h3>
      <p className="text-muted">{t.wait.since} <Time at={wait.since} />{wait.until !== null && <>. {t.wait.until} <Time at={wait.until} /></>}</p>
      <label className="flex flex-col gap-1">{t.wait.note}<textarea className="field w-full" rows={2} maxLength={4000} value={note} onChange={(e) => setNote(e.target.value)} /></label>
      <div className="flex flex-wrap gap-2">
        <button type="button" className="btn btn-primary" disabled={review.isPending} onClick={() => say(true)} {...barred}>{t.wait.approve}</button>
        <button type="button" className="btn" disabled={review.isPending} onClick={() => say(false)} {...barred}>{t.wait.reject}</button>
        <Cli command={cli.approve(run.runId, step.key)} />
      </div>
      {review.error && <Problem error={review.error} />}
    </form>
  );
}

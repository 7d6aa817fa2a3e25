// The first thing that the page of a failed run shows: which step, why in one line, and what can be done now.
import type { LogLine, Run, RunStep, StepFailure } from "../../api/types";
import { cli } from "../../lib/cli";
import { isOver } from "../../lib/runs";
import { plural } from "../../lib/size";
import { Cli, Problem, Ticked } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useMay } from "../../parts/may";
import { t } from "../../strings";
import { useGoRerun } from "./rerun";

const TAIL_LINES = 5;

type Props = { run: Run; failure: StepFailure; steps: RunStep[]; lines: LogLine[]; select: (step: string) => void };

export function FailureCard({ run, failure: { stepKey, attempts, failure }, steps, lines, select }: Props) {
  const { go, error, isPending } = useGoRerun(run);
  const over = isOver(run.status);
  const barred = useMay("LAUNCHER");
  const tail = lines.filter((line) => line.stepKey === stepKey).slice(-TAIL_LINES);
  const notRun = steps.filter((step) => step.becauseOf === stepKey);
  const others = steps.filter((step) => step.status === "FAILED" && step.key !== stepKey);
  return (
    <section aria-label={t.failure.title} className="flex flex-col gap-2 rounded-lg border border-failed bg-failed-bg p-4" data-failure={stepKey}>
      <p className="flex flex-wrap items-center gap-x-2">
        <span className="status tone-failed"><Icon name="cross" /> {t.failure.failed}</span>
        <button type="button" className="mono font-semibold text-accent underline" onClick={() => select(stepKey)}>{stepKey}</button>
        <span className="text-muted">{t.failure.kinds[failure.kind] ?? failure.kind}, {plural(attempts, "attempt")}</span>
      </p>
      <p className="mono text-[15px] font-semibold break-words whitespace-pre-wrap">{failure.message}</p>
      {failure.causes.map((cause, i) => <p key={i} className="mono break-words">{t.failure.because} <Ticked text={cause} /></p>)}
      {failure.metadata.length > 0 && <p className="mono text-muted">{failure.metadata.map((m) => `${m.name}=${m.text}`).join("  ")}</p>}
      {failure.backtrace.length > 0 && (
        <details><summary className="text-muted">{t.failure.backtrace(failure.backtrace.length)}</summary><pre className="mono overflow-x-auto p-2" tabIndex={0}>{failure.backtrace.join("\n")}</pre></details>
      )}
      {tail.length > 0 && (
        <div><h2 className="sub">{t.failure.tail}</h2><pre className="mono overflow-x-auto" tabIndex={0} aria-label={t.failure.tail}>{tail.map((line) => line.message).join("\n")}</pre></div>
      )}
      {others.length > 0 && <p>{t.failure.others} {others.slice(0, 8).map((step) => <button key={step.key} type="button" className="mono mr-2 text-accent underline" onClick={() => select(step.key)}>{step.key}</button>)}</p>}
      {notRun.length > 0 && <p className="text-muted">{t.failure.notRun(notRun.length)} <span className="mono">{notRun.slice(0, 8).map((step) => step.key).join(", ")}{notRun.length > 8 ? " …" : ""}</span></p>}
      <div className="flex flex-wrap items-center gap-2 pt-1">
        <button type="button" className="btn btn-primary" disabled={!over || isPending} onClick={() => go({ strategy: "FROM_FAILURE" })} {...barred}><Icon name="retry" /> {t.failure.rerun}</button>
        <Cli command={cli.rerun(run.runId, "--from-failure")} />
        <span className="text-muted">{t.failure.here}</span> <Cli command={cli.replay(run.runId, stepKey)} />
      </div>
      {error && <Problem error={error} />}
    </section>
  );
}

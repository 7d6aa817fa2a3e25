// Beside the editor: what is expected where the cursor is, and what would run.
import type { Json, PlannedStep } from "../../api/types";
import { expectedAt, keysAt } from "../../lib/jsonschema";
import { Problem } from "../../parts/basics";
import { t } from "../../strings";

const STEPS_SHOWN = 40;

export function Expected({ schema, path, error }: { schema: Json; path: string[]; error: unknown }) {
  const expected = schema === null ? null : expectedAt(schema, path);
  const keys = schema === null ? [] : keysAt(schema, path);
  return (
    <section className="panel p-3" aria-label={t.launchpad.expected} data-expected={path.join(".")}>
      <h2>{t.launchpad.expected}</h2>
      <p className="mono break-words text-muted">{path.length > 0 ? path.join(" › ") : t.launchpad.top}</p>
      {error ? <Problem error={error} /> : !expected ? <p>{t.launchpad.unknownKey}</p> : (
        <>
          <p className="mono">{expected.type}</p>
          {expected.info && <p>{expected.info}</p>}
          {keys.length > 0 && <ul className="mt-1 max-h-52 overflow-auto" tabIndex={0} aria-label={t.launchpad.keys}>{keys.map((key) => (
            <li key={key.label} className="py-0.5"><code className="mono font-semibold">{key.label}</code> <span className="mono text-muted">{key.detail}{key.required ? ` ${t.types.required}` : ""}</span>{key.info && <span className="block text-muted">{key.info}</span>}</li>
          ))}</ul>}
        </>
      )}
    </section>
  );
}

export function WouldRun({ steps, stale }: { steps: PlannedStep[]; stale: boolean }) {
  return (
    <section className="panel p-3" aria-label={t.launchpad.wouldRun} aria-busy={stale} data-would-run={steps.length}>
      <h2>{t.launchpad.wouldRun} <span className="font-normal text-muted">{t.job.steps(steps.length)}</span></h2>
      {steps.length === 0 ? <p className="text-muted">{t.launchpad.nothingYet}</p> : (
        <ul className="max-h-44 overflow-auto" tabIndex={0} aria-label={t.launchpad.wouldRun}>
          {steps.slice(0, STEPS_SHOWN).map((step) => <li key={step.key} className="flex gap-2"><code className="mono truncate font-semibold">{step.key}</code><span className="ml-auto shrink-0 text-muted">{step.op}</span></li>)}
          {steps.length > STEPS_SHOWN && <li className="text-muted">{t.launchpad.more(steps.length - STEPS_SHOWN)}</li>}
        </ul>
      )}
    </section>
  );
}

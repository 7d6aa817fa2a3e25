// What a tick would do now: the runs that it would ask for, or why none. Nothing is launched, and the page says so.
import { Link } from "@tanstack/react-router";
import type { useTry } from "../../api/automation/queries";
import type { DryRun, RunRequest, Shown } from "../../api/automation/types";
import { asYaml } from "../../lib/yaml";
import { Problem, Tags, Time } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useTold } from "../../parts/location";
import { t } from "../../strings";
import { Because, Logged } from "./Because";

export function TryNow({ trial, it, close }: { trial: ReturnType<typeof useTry>; it: Shown; close: () => void }) {
  if (trial.isIdle) return null;
  return (
    <section className="panel" aria-label={t.automation.wouldDo} aria-busy={trial.isPending}>
      <div className="flex flex-wrap items-center gap-x-3 border-b border-line px-3 py-1.5">
        <h2>{t.automation.wouldDo}</h2>
        {trial.data && <span className="text-muted"><Time at={trial.data.timestamp} /></span>}
        <button type="button" className="btn btn-quiet ml-auto px-1.5" onClick={close} aria-label={t.close}><Icon name="cross" /></button>
      </div>
      <div role="status" className="flex flex-col gap-3 p-3">
        {trial.isPending && <p className="flex items-center gap-2 text-muted"><Icon name="half" spin /> {t.automation.asking(it.name)}</p>}
        {trial.error && <Problem error={trial.error} />}
        {trial.data && <Would did={trial.data} it={it} />}
      </div>
    </section>
  );
}

function Would({ did, it }: { did: DryRun; it: Shown }) {
  const { runRequests, skipReason, error, cursor, logs } = did;
  return (
    <>
      <p className="tone-succeeded flex gap-1.5 font-medium text-(--tone)"><span className="mt-0.5"><Icon name="check" size={15} /></span> {t.automation.nothingLaunched}</p>
      {error && <div><p className="status tone-failed"><Icon name="cross" size={15} /> {t.automation.wouldFail}</p><Because error={error} /></div>}
      {!error && runRequests.length === 0 && <p><span className="font-medium">{t.automation.wouldSkip}</span>{skipReason && <> <span className="mono">{skipReason}</span></>}</p>}
      {runRequests.length > 0 && (
        <div>
          <h3>{t.automation.wouldAsk(runRequests.length)}</h3>
          <ol className="divide-y divide-line">{runRequests.map((request, i) => <Request key={i} request={request} location={it.location} />)}</ol>
        </div>
      )}
      {it.__typename === "Sensor" && <p className="min-w-0 text-muted">{cursor === null ? t.automation.wouldStay : <>{t.automation.wouldMove} <code className="mono break-all text-text">{cursor}</code></>}</p>}
      <Logged lines={logs} />
    </>
  );
}

function Request({ request: { jobName, runKey, skipped, partition, runConfigYaml, tags }, location }: { request: RunRequest; location: string }) {
  const told = useTold();
  const config = asYaml(runConfigYaml);
  return (
    <li className="grid gap-x-6 gap-y-1 py-2 lg:grid-cols-2" data-request>
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-x-3">
          {jobName === null ? <span className="font-medium">{t.automation.assetRun}</span> : <Link to="/jobs/$job" params={{ job: jobName }} search={{ location: told(location) }} className="font-medium">{jobName}</Link>}
          {runKey !== null && <span className="break-all"><span className="text-muted">{t.automation.runKey}</span> <code className="mono">{runKey}</code></span>}
          {partition !== null && <span className="break-all"><span className="text-muted">{t.automation.partition}</span> <code className="mono">{partition}</code></span>}
        </p>
        {skipped !== null && <p className="tone-skipped text-(--tone)">{t.automation.noRun} {skipped}</p>}
        {tags.length > 0 && <p className="flex flex-wrap gap-1"><Tags tags={tags} /></p>}
      </div>
      {config ? <pre className="mono min-w-0 overflow-x-auto rounded-md bg-raised p-2" tabIndex={0} aria-label={t.run.config}>{config}</pre> : <p className="text-muted">{t.automation.noConfig}</p>}
    </li>
  );
}

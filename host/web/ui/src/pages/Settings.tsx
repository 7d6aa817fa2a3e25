// `/settings`: what this instance is, and what is wrong with the definitions.
import { useInstance, useReload, useWorkspace } from "../api/queries";
import type { LocationEntry } from "../api/types";
import { cli } from "../lib/cli";
import { plural } from "../lib/size";
import { Cli, Fact, Loading, LoadingPage, PageHead, Problem, Time } from "../parts/basics";
import { Diagnostics } from "../parts/Diagnostics";
import { Icon } from "../parts/Icon";
import { useMay } from "../parts/may";
import { t } from "../strings";

export function Settings() {
  const { data, isPending, error, refetch } = useInstance();
  if (isPending) return <LoadingPage title={t.nav.settings} />;
  if (!data) return <><PageHead title={t.nav.settings} /><Problem error={error} retry={() => void refetch()} /></>;
  const { instance } = data;
  return (
    <>
      <PageHead title={t.nav.settings} command="cofferdam doctor" />
      <div className="max-w-3xl">
        <section className="panel self-start" aria-label={t.settings.instance}>
          <h2 className="border-b border-line px-3 py-2">{t.settings.instance}</h2>
          <dl className="px-3 py-2">
            <Fact name={t.settings.name}>{instance.name}</Fact>
            <Fact name={t.settings.version}>{instance.version}</Fact>
            <Fact name={t.settings.stateDir}><code className="mono break-all">{instance.stateDir}</code></Fact>
            <Fact name={t.settings.started}><Time at={instance.startedAt} /></Fact>
          </dl>
        </section>
      </div>
      <Definitions />
    </>
  );
}

function Definitions() {
  const { data, isPending, error, refetch } = useWorkspace();
  const reload = useReload();
  const barred = useMay("OPERATOR");
  return (
    <section id="definitions" className="panel mt-4" aria-label={t.definitions.title}>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-2">
        <h2>{t.definitions.title}</h2>
        <span className="ml-auto"><Cli command={cli.check()} /></span>
        <button type="button" className="btn" disabled={reload.isPending} onClick={() => reload.mutate()} {...barred}><Icon name="retry" spin={reload.isPending} /> {t.definitions.reload}</button>
      </div>
      {reload.error && <Problem error={reload.error} />}
      {isPending && <Loading what={t.definitions.title} />}
      {error && <Problem error={error} retry={() => void refetch()} />}
      {data?.map((entry) => <Location key={entry.name} entry={entry} />)}
    </section>
  );
}

function Location({ entry }: { entry: LocationEntry }) {
  const look = { LOADED: "tone-succeeded", LOADING: "tone-running", FAILED: "tone-failed" }[entry.loadStatus];
  return (
    <div className="border-b border-line last:border-0" data-location={entry.name} data-location-state={entry.loadStatus}>
      <p className="flex flex-wrap items-center gap-x-3 px-3 py-2">
        <b>{entry.name}</b>
        <span className={`status ${look}`}><Icon name={entry.loadStatus === "LOADED" ? "check" : entry.loadStatus === "FAILED" ? "cross" : "half"} spin={entry.loadStatus === "LOADING"} /> {t.definitions.load[entry.loadStatus]}</span>
        <code className="mono min-w-0 break-all text-muted">{entry.folder}</code>
        <span className="text-muted">{plural(entry.jobs.length, "job")}, <Time at={entry.loadedAt} /></span>
      </p>
      {entry.diagnostics.length > 0 && <Diagnostics diagnostics={entry.diagnostics} />}
    </div>
  );
}

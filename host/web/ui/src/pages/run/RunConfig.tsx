// What the run was given: its run config, and the libraries that it is pinned to.
import { Link } from "@tanstack/react-router";
import type { Run } from "../../api/types";
import { asYaml } from "../../lib/yaml";
import { Copy } from "../../parts/basics";
import { t } from "../../strings";

export function RunConfig({ run }: { run: Run }) {
  const config = asYaml(run.runConfigYaml);
  return (
    <div className="grid gap-4 p-3 lg:grid-cols-2">
      <div className="min-w-0">
        <h2 className="sub flex items-center gap-2">{t.run.config} {config && <Copy text={config} />} <Link to="/jobs/$job/run" params={{ job: run.jobName }} search={{ from: run.runId }} className="ml-auto">{t.run.openInLaunchpad}</Link></h2>
        {config ? <pre className="mono overflow-x-auto rounded-md bg-raised p-3" tabIndex={0} aria-label={t.run.config}>{config}</pre> : <p className="text-muted">{t.run.noConfig}</p>}
      </div>
      <div className="min-w-0">
        <h2 className="sub">{t.nav.libraries}</h2>
        <dl>{run.libraries.map(({ key, value }) => (
          <div key={key} className="flex min-w-0 gap-3 py-0.5"><dt className="font-medium"><Link to="/libraries" search={{ library: key }}>{key}</Link></dt><dd className="mono min-w-0 truncate text-muted" title={value}>{value}</dd></div>
        ))}</dl>
      </div>
    </div>
  );
}

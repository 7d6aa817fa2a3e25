// `/assets/key/:key`: one asset: whether it is up to date and why not, what it is made from, what was made of it, its checks.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useAssetHistory, useAssetPartitions, useAssets } from "../../api/assets/queries";
import type { Asset, AssetPartition, Checked, Made } from "../../api/assets/types";
import type { MetadataEntry } from "../../api/types";
import { around, keyOf } from "../../lib/assets";
import { cli } from "../../lib/cli";
import { shortRun } from "../../lib/size";
import { Empty, Fact, Loading, LoadingPage, PageHead, Problem, Tags, Time, useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { LocationMark } from "../../parts/location";
import { t } from "../../strings";
import { Lineage } from "./Assets";
import { AssetLink, AssetState, AssetStatus } from "./marks";
import { Materialize } from "./Materialize";

const HISTORY_ROWS = 20;
/** The first characters of a version that is a digest say enough. */
const VERSION_CHARS = 8;

export function AssetPage() {
  const key = useParams({ from: "/assets/key/$" })._splat ?? "";
  const { location } = useSearch({ from: "/assets/key/$" });
  const { data: all, isPending, error, refetch } = useAssets();
  if (isPending) return <LoadingPage title={key} />;
  if (!all) return <><PageHead title={key} /><Problem error={error} retry={() => void refetch()} /></>;
  const asset = all.find((one) => keyOf(one.assetKey) === key && (location === undefined || one.location === location));
  if (!asset) return <><PageHead title={key} /><Empty title={t.assets.noSuch}><Link to="/assets" className="btn">{t.nav.assets}</Link></Empty></>;
  return <Body asset={asset} all={all} />;
}

function Body({ asset, all }: { asset: Asset; all: Asset[] }) {
  const { assetKey: { path }, location } = asset;
  const key = path.join("/");
  const { data: partitions, error } = useAssetPartitions(path, location);
  const known = asset.isPartitioned ? partitions?.map((one) => one.partition ?? "") : undefined;
  return (
    <div className="flex flex-col gap-4">
      <PageHead title={key} command={cli.asset(key)}
        below={<>
          {asset.description && <p>{asset.description}</p>}
          <p className="flex flex-wrap items-center gap-2"><AssetState asset={asset} /> <LocationMark location={location} /> <span className="chip">{asset.groupName}</span> {asset.kinds.map((kind) => <span key={kind} className="chip">{kind}</span>)} <Tags tags={asset.tags} /></p>
        </>}>
        {asset.staleStatus !== "EXTERNAL" && <Materialize assets={[asset]} label={t.assets.make} known={known} primary />}
      </PageHead>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_360px]">
        <div className="flex min-w-0 flex-col gap-4">
          <Lineage assets={around(all, asset)} selected={key} />
          <History path={path} location={location} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Facts asset={asset} />
          {error && <Problem error={error} />}
          {partitions && <Partitions partitions={partitions} location={location} />}
        </div>
      </div>
    </div>
  );
}

function Panel({ title, children }: { title: string; children: ReactNode }) {
  return <section className="panel min-w-0" aria-label={title}><h2 className="border-b border-line px-3 py-2">{title}</h2>{children}</section>;
}

function Facts({ asset }: { asset: Asset }) {
  const links = (keys: Asset["dependencyKeys"]) => keys.map((of, i) => <span key={keyOf(of)}>{i > 0 && ", "}<AssetLink of={of} location={asset.location} /></span>);
  return (
    <Panel title={t.assets.facts}>
      <dl className="px-3 py-2">
        {asset.owners.length > 0 && <Fact name={t.assets.owners}>{asset.owners.join(", ")}</Fact>}
        {asset.dependencyKeys.length > 0 && <Fact name={t.assets.madeFrom}>{links(asset.dependencyKeys)}</Fact>}
        {asset.dependedByKeys.length > 0 && <Fact name={t.assets.readBy}>{links(asset.dependedByKeys)}</Fact>}
        {asset.codeVersion && <Fact name={t.assets.codeVersion}><code className="mono">{version(asset.codeVersion)}</code></Fact>}
        <Fact name={t.assets.location}>{asset.location}</Fact>
      </dl>
    </Panel>
  );
}

const version = (text: string) => (/^[0-9a-f]{64}$/.test(text) ? text.slice(0, VERSION_CHARS) : text);

/** Those that are not up to date first; of an asset without partitions, why it is not. */
function Partitions({ partitions, location }: { partitions: AssetPartition[]; location: string }) {
  const due = partitions.filter((one) => one.staleStatus === "STALE" || one.staleStatus === "MISSING");
  const [only] = partitions;
  if (partitions.length === 1 && only!.partition === null) {
    if (only!.staleCauses.length === 0) return null;
    return <Panel title={t.assets.why}><div className="px-3 py-2"><Causes of={only!} location={location} /></div></Panel>;
  }
  return (
    <Panel title={t.assets.partitions}>
      <p className="px-3 pt-2 text-muted">{t.assets.due(due.length, partitions.length)}</p>
      <ul className="max-h-96 overflow-y-auto px-3 py-2" tabIndex={0} aria-label={t.assets.partitions}>
        {partitions.toReversed().map((one) => (
          <li key={one.partition} className="flex flex-wrap items-baseline gap-x-3 py-0.5" data-partition={one.partition}>
            <span className="mono">{one.partition}</span><span className="ml-auto"><AssetStatus status={one.staleStatus} /></span>
            {one.staleCauses.length > 0 && <div className="w-full text-muted"><Causes of={one} location={location} /></div>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Causes({ of, location }: { of: AssetPartition; location: string }) {
  return (
    <>
      <ul>{of.staleCauses.map((cause) => <li key={cause.reason} className="break-words">{cause.reason}</li>)}</ul>
      {of.staleRoots.map((root) => (
        <p key={`${keyOf(root.assetKey)} ${root.partition} ${root.category}`} className="text-muted">{t.assets.root[root.category]} <AssetLink of={root.assetKey} location={location} />{root.partition && ` ${root.partition}`}</p>
      ))}
    </>
  );
}

function History({ path, location }: { path: string[]; location: string }) {
  const { before } = useSearch({ from: "/assets/key/$" });
  const navigate = useNavigate({ from: "/assets/key/$" });
  const { data, error, isPending } = useAssetHistory(path, location, HISTORY_ROWS, before);
  const now = useNow();
  if (isPending) return <Loading what={t.assets.history} />;
  if (!data) return <Problem error={error} />;
  const { assetMaterializations: made, assetCheckEvaluations: checks } = data;
  const page = (cursor: string | undefined) => void navigate({ search: (old) => ({ ...old, before: cursor }) });
  return (
    <>
      {checks.length > 0 && <Panel title={t.assets.checks}><ul>{checks.map((check) => <CheckRow key={`${check.runId} ${check.checkName} ${check.partition}`} check={check} now={now} />)}</ul></Panel>}
      <Panel title={t.assets.history}>
        {made.length === 0 && <p className="px-3 py-2 text-muted">{t.assets.neverMade}</p>}
        <ul>{made.map((one) => <MadeRow key={one.cursor} made={one} now={now} />)}</ul>
        {(before || made.length === HISTORY_ROWS) && (
          <p className="flex gap-2 px-3 py-2">
            {before && <button type="button" className="btn" onClick={() => page(undefined)}>{t.assets.newest}</button>}
            {made.length === HISTORY_ROWS && <button type="button" className="btn" onClick={() => page(made.at(-1)!.cursor)}>{t.assets.older}</button>}
          </p>
        )}
      </Panel>
    </>
  );
}

const RunOf = ({ runId, step }: { runId: string; step?: string }) => <Link to="/runs/$runId" params={{ runId }} search={{ step }} className="mono">{shortRun(runId)}</Link>;

function MadeRow({ made, now }: { made: Made; now: number }) {
  return (
    <li className="border-b border-line px-3 py-2 last:border-0" data-made={made.runId}>
      <p className="flex flex-wrap items-baseline gap-x-3"><Time at={made.timestamp} now={now} /> {made.partition && <span className="chip">{made.partition}</span>} <span className="text-muted">{t.assets.versions(version(made.dataVersion), version(made.codeVersion))}</span> <span className="ml-auto">{t.assets.byRun} <RunOf runId={made.runId} step={made.stepKey} /></span></p>
      <Told entries={made.metadataEntries} />
    </li>
  );
}

function CheckRow({ check, now }: { check: Checked; now: number }) {
  const [tone, icon, word] = check.success ? ["succeeded", "check", t.assets.passed] as const : check.severity === "WARN" ? ["retrying", "warning", t.assets.warned] as const : ["failed", "cross", t.assets.failed] as const;
  return (
    <li className="border-b border-line px-3 py-2 last:border-0" data-check={check.checkName}>
      <p className="flex flex-wrap items-baseline gap-x-3"><span className={`status tone-${tone}`}><Icon name={icon} size={15} /> {word}</span> <span className="font-medium">{check.checkName}</span> {check.partition && <span className="chip">{check.partition}</span>} <Time at={check.timestamp} now={now} /> <span className="ml-auto"><RunOf runId={check.runId} /></span></p>
      <Told entries={check.metadataEntries} />
    </li>
  );
}

const Told = ({ entries }: { entries: MetadataEntry[] }) => entries.length > 0 && (
  <dl>{entries.map((entry) => <Fact key={entry.name} name={entry.name}><span className="break-words whitespace-pre-wrap">{entry.text}</span></Fact>)}</dl>
);

// `/assets`: every asset, whether it is up to date and why not, as a list or as the graph of what is made from what.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { useAssets } from "../../api/assets/queries";
import type { Asset, StaleStatus } from "../../api/assets/types";
import { type AssetsSearch, keyOf, lineage, makeable, matching, notFresh } from "../../lib/assets";
import { cli } from "../../lib/cli";
import { Cli, Empty, Loading, LoadingPage, PageHead, Problem, Tabs, Time, useNow } from "../../parts/basics";
import { LocationMark, useTold } from "../../parts/location";
import { t } from "../../strings";
import { AssetLink, AssetState, toneOf } from "./marks";
import { Materialize } from "./Materialize";

const GraphView = lazy(() => import("../../parts/GraphView"));
const STATES: StaleStatus[] = ["FRESH", "STALE", "MISSING", "EXTERNAL"];

export function Assets() {
  const search = useSearch({ from: "/assets" });
  const navigate = useNavigate({ from: "/assets" });
  const set = (next: AssetsSearch) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true });
  const { data: all, isPending, error, refetch } = useAssets();
  const now = useNow();
  if (isPending) return <LoadingPage title={t.nav.assets} />;
  if (!all) return <><PageHead title={t.nav.assets} /><Problem error={error} retry={() => void refetch()} /></>;
  const shown = matching(all, search);
  const picked = new Set((search.pick ?? "").split(",").filter(Boolean));
  const toggle = (key: string) => set({ pick: shown.map((asset) => keyOf(asset.assetKey)).filter((k) => (k === key) !== picked.has(k)).join(",") || undefined });
  const chosen = shown.filter((asset) => picked.has(keyOf(asset.assetKey)));
  return (
    <>
      <PageHead title={t.nav.assets} command={cli.assets()} below={all.length > 0 && <Filters search={search} set={set} />}>
        <p role="status" className="text-muted">{all.length > 0 && t.assets.count(shown.length, all.length)}</p>
        <Ways chosen={chosen} shown={shown} />
      </PageHead>
      {error && <Problem error={error} retry={() => void refetch()} />}
      {all.length === 0 && <Empty title={t.assets.none}><p>{t.assets.writeOne}</p><Cli command="cofferdam asset --help" /></Empty>}
      {all.length > 0 && shown.length === 0 && (
        <Empty title={t.assets.noneMatch}><button type="button" className="btn" onClick={() => void navigate({ search: {} })}>{t.runs.clear}</button></Empty>
      )}
      {shown.length > 0 && (search.view === "graph" ? <Lineage assets={shown} /> : (
        <ul className="panel">{shown.map((asset) => {
          const key = keyOf(asset.assetKey);
          return <Row key={`${asset.location}/${key}`} asset={asset} picked={picked.has(key)} onPick={() => toggle(key)} now={now} />;
        })}</ul>
      ))}
    </>
  );
}

/** What was chosen, or else what is to be made: of one code location, which one run is of. */
function Ways({ chosen, shown }: { chosen: Asset[]; shown: Asset[] }) {
  const wanted = chosen.length > 0 ? makeable(chosen) : notFresh(shown);
  const several = new Set(wanted.map((asset) => asset.location)).size > 1;
  if (wanted.length === 0) return null;
  if (several) return <p className="text-muted">{t.assets.severalLocations}</p>;
  return <Materialize assets={wanted} label={chosen.length > 0 ? t.assets.makeChosen(wanted.length) : t.assets.makeStale(wanted.length)} primary />;
}

function Filters({ search, set }: { search: AssetsSearch; set: (next: AssetsSearch) => void }) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      <div role="search" className="flex flex-1 flex-wrap items-center gap-2">
        <select className="field" aria-label={t.assets.byState} value={search.state ?? ""} onChange={(e) => set({ state: e.target.value || undefined })}>
          <option value="">{t.assets.allStates}</option>
          {STATES.map((state) => <option key={state} value={state}>{t.assets.status[state]}</option>)}
        </select>
        <input type="search" className="field min-w-40 flex-1 md:max-w-80" aria-label={t.runs.byText} placeholder={t.runs.byText} value={search.q ?? ""}
          onChange={(e) => set({ q: e.target.value || undefined })} />
      </div>
      <Tabs label={t.assets.view} value={search.view === "graph" ? "graph" : "list"} tabs={[{ id: "list", label: t.assets.asList }, { id: "graph", label: t.assets.asGraph }]}
        onChange={(view) => set({ view: view === "graph" ? view : undefined })} />
    </div>
  );
}

function Row({ asset, picked, onPick, now }: { asset: Asset; picked: boolean; onPick: () => void; now: number }) {
  const key = keyOf(asset.assetKey);
  const latest = asset.latestMaterialization;
  return (
    <li className="grid grid-cols-[24px_minmax(0,1fr)] items-start gap-x-3 gap-y-1 border-b border-line px-4 py-3 last:border-0 md:grid-cols-[24px_minmax(0,1.2fr)_220px_minmax(0,1fr)]" data-asset={key}>
      <input type="checkbox" className="mt-1" aria-label={t.assets.choose(key)} checked={picked} disabled={asset.staleStatus === "EXTERNAL"} onChange={onPick} />
      <div className="min-w-0">
        <p className="flex flex-wrap items-baseline gap-x-2 gap-y-1"><AssetLink of={asset.assetKey} location={asset.location} className="text-base font-semibold break-all" /> <LocationMark location={asset.location} /> <span className="chip">{asset.groupName}</span> {asset.kinds.map((kind) => <span key={kind} className="chip">{kind}</span>)}</p>
        {asset.description && <p className="text-muted">{asset.description}</p>}
      </div>
      <p className="flex flex-wrap items-center gap-x-2 max-md:col-start-2"><AssetState asset={asset} /></p>
      <div className="min-w-0 max-md:col-start-2">
        {latest ? <p>{t.assets.made} <Time at={latest.timestamp} now={now} /></p> : <p className="text-muted">{t.assets.neverMade}</p>}
        {asset.staleCauses[0] && <p className="truncate text-muted" title={asset.staleCauses.map((cause) => cause.reason).join("\n")}>{asset.staleCauses[0].reason}</p>}
      </div>
    </li>
  );
}

/** What is made from what; a box leads to its asset. */
export function Lineage({ assets, selected }: { assets: Asset[]; selected?: string }) {
  const navigate = useNavigate();
  const told = useTold();
  const graph = useMemo(() => lineage(assets, (status) => t.assets.status[status]), [assets]);
  const tones = useMemo(() => new Map(assets.map((asset) => [keyOf(asset.assetKey), toneOf(asset.staleStatus)])), [assets]);
  const open = (key: string) => {
    const asset = assets.find((one) => keyOf(one.assetKey) === key);
    if (asset) void navigate({ to: "/assets/key/$", params: { _splat: key }, search: { location: told(asset.location) } });
  };
  return (
    <section className="panel min-w-0 overflow-hidden" aria-label={t.assets.lineage}>
      <Suspense fallback={<Loading what={t.run.graph} />}><GraphView graph={graph} tones={tones} selected={selected} onSelect={open} /></Suspense>
    </section>
  );
}

// `/runs`: all runs, newest first. The address holds the filter; the list follows what changes and loads on as it is scrolled.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { useRuns, useTerminate, useWorkspace } from "../api/queries";
import type { RunStatus, RunSummary } from "../api/types";
import { cli } from "../lib/cli";
import { parseTags, RUN_STATUSES, type RunsSearch, runMatcher, serverFilter } from "../lib/runs";
import { plural } from "../lib/size";
import { Empty, Loading, PageHead, Problem } from "../parts/basics";
import { useMay } from "../parts/may";
import { Status } from "../parts/Status";
import { t } from "../strings";
import { RunTable } from "./RunTable";

export function Runs() {
  const search = useSearch({ from: "/runs" });
  const filter = useMemo(() => serverFilter(search), [search]);
  const { data, error, isPending, fetchNextPage, hasNextPage, isFetching, refetch } = useRuns(filter);
  const matches = useMemo(() => runMatcher(search.q ?? ""), [search.q]);
  const loaded = useMemo(() => data?.pages.flatMap((page) => page.results) ?? [], [data]);
  const runs = useMemo(() => loaded.filter(matches), [loaded, matches]);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const more = hasNextPage && !isFetching;

  return (
    <div className="flex h-full min-h-[420px] flex-col">
      <PageHead title={t.nav.runs} command={cli.runs(search.job)} below={<Filters search={search} />} />
      <BulkBar runs={runs.filter((run) => picked.has(run.runId))} clear={() => setPicked(new Set())} />
      {error && <Problem error={error} retry={() => void refetch()} />}
      {isPending ? <Loading what={t.nav.runs} /> : runs.length === 0 && !more && !isFetching ? <NoRuns filtered={Object.keys(search).length > 0} /> : (
        <RunTable runs={runs} picked={picked} onPick={setPicked} onNearEnd={() => more && void fetchNextPage()} />
      )}
      <p role="status" className="pt-2 text-xs text-muted">
        {t.runs.shown(runs.length)}{hasNextPage ? t.runs.moreThere : ""}
      </p>
    </div>
  );
}

function NoRuns({ filtered }: { filtered: boolean }) {
  const navigate = useNavigate();
  return (
    <Empty title={filtered ? t.runs.noneMatch : t.runs.none}>
      {filtered
        ? <button type="button" className="btn" onClick={() => void navigate({ to: "/runs", search: {} })}>{t.runs.clear}</button>
        : <button type="button" className="btn btn-primary" onClick={() => void navigate({ to: "/jobs" })}>{t.runs.toJobs}</button>}
    </Empty>
  );
}

function Filters({ search }: { search: RunsSearch }) {
  const navigate = useNavigate({ from: "/runs" });
  const { data: locations } = useWorkspace();
  const set = (next: RunsSearch) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true });
  const chosen = (search.status ?? "").split(",").filter(Boolean);
  const toggle = (status: RunStatus) =>
    set({ status: RUN_STATUSES.filter((s) => (s === status) !== chosen.includes(s)).join(",") || undefined });
  const jobs = [...new Set((locations ?? []).flatMap((entry) => entry.jobs.map((job) => job.name)))];
  const [tag, setTag] = useState(search.tag ?? "");
  useEffect(() => setTag(search.tag ?? ""), [search.tag]);
  const wrongTag = parseTags(tag).wrong.length > 0;
  return (
    <div role="search" className="flex flex-wrap items-center gap-2">
      <div role="group" aria-label={t.runs.byStatus} className="flex flex-wrap gap-1">
        {RUN_STATUSES.map((status) => (
          <button key={status} type="button" className="btn px-2" aria-pressed={chosen.includes(status)} onClick={() => toggle(status)}><Status status={status} /></button>
        ))}
      </div>
      <select className="field" aria-label={t.runs.byJob} value={search.job ?? ""} onChange={(e) => set({ job: e.target.value || undefined })}>
        <option value="">{t.runs.allJobs}</option>
        {jobs.map((job) => <option key={job}>{job}</option>)}
        {search.job && !jobs.includes(search.job) && <option>{search.job}</option>}
      </select>
      <input className="field w-44" aria-label={t.runs.byTag} placeholder="key=value" value={tag} aria-invalid={wrongTag || undefined} aria-describedby={wrongTag ? "tag-wrong" : undefined}
        onChange={(e) => {
          setTag(e.target.value);
          if (parseTags(e.target.value).wrong.length === 0) set({ tag: e.target.value || undefined });
        }} />
      {wrongTag && <span id="tag-wrong" className="text-xs text-muted">{t.runs.tagForm}</span>}
      <input type="search" className="field min-w-40 flex-1" aria-label={t.runs.byText} placeholder={t.runs.byText} value={search.q ?? ""}
        onChange={(e) => set({ q: e.target.value || undefined })} />
    </div>
  );
}

function BulkBar({ runs, clear }: { runs: RunSummary[]; clear: () => void }) {
  const terminate = useTerminate();
  const barred = useMay("LAUNCHER");
  const open = runs.filter((run) => run.canTerminate);
  if (runs.length === 0 && !terminate.error) return null;
  return (
    <>
      <div role="toolbar" aria-label={t.runs.bulk} className="panel mb-2 flex flex-wrap items-center gap-3 px-3 py-1.5">
        <span role="status">{t.runs.picked(runs.length)}</span>
        <button type="button" className="btn btn-danger" disabled={open.length === 0 || terminate.isPending}
          onClick={() => terminate.mutate(open.map((run) => run.runId), { onSuccess: clear })} {...barred}>
          {t.runs.cancelThese(plural(open.length, "run"))}
        </button>
        {open.length === 0 && runs.length > 0 && <span className="text-muted">{t.runs.allOver}</span>}
        <button type="button" className="btn btn-quiet" onClick={clear}>{t.runs.unpick}</button>
      </div>
      {terminate.error && <Problem error={terminate.error} />}
    </>
  );
}

// `/jobs/:name/run`: a run config in YAML, judged by the server as it is typed, and what is run with it.
import { undo } from "@codemirror/commands";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ConfigInvalid, scaffold, useConfigSchema, useLaunch, useRun, useValidation, useWorkspace } from "../../api/queries";
import type { LaunchRequest, ScaffoldHow } from "../../api/types";
import { cli } from "../../lib/cli";
import { shelfOf } from "../../lib/locations";
import { parseTags } from "../../lib/runs";
import { asYaml } from "../../lib/yaml";
import { PageHead, Problem } from "../../parts/basics";
import { Diagnostics } from "../../parts/Diagnostics";
import { Icon } from "../../parts/Icon";
import { LocationMark, OneJob, useTold } from "../../parts/location";
import { useMay, useVisitor } from "../../parts/may";
import { t } from "../../strings";
import { goTo, inConfig, mend, offered, replace } from "./editor";
import { EditorPane, type EditorHandle } from "./EditorPane";
import { draft, keepDraft, noteLaunch, type Setup } from "./presets";
import { Options, type Search } from "./Options";
import { Kept } from "./Kept";
import { Expected, WouldRun } from "./Side";

/** The server is asked when typing has paused this long. */
const TYPING_MS = 250;

export function Launchpad() {
  const { job } = useParams({ from: "/jobs/$job/run" });
  const search = useSearch({ from: "/jobs/$job/run" });
  return <OneJob job={job} location={search.location}>{(location) => <Pad key={`${location}/${job}`} job={job} search={search} location={location} />}</OneJob>;
}

function Pad({ job, search, location }: { job: string; search: Search; location: string | undefined }) {
  const shelf = shelfOf(job, useTold()(location), useVisitor()?.name);
  const navigate = useNavigate({ from: "/jobs/$job/run" });
  const set = useCallback((next: Search) => void navigate({ search: (old) => ({ ...old, ...next }), replace: true }), [navigate]);
  const editor = useRef<EditorHandle>(null);
  const [text, setText] = useState(() => draft(shelf) ?? "");
  const settled = useSettled(text, TYPING_MS);
  const [path, setPath] = useState<string[]>([]);
  const [note, setNote] = useState<{ text: string; undo: boolean } | null>(null);
  const request = useMemo(() => requestOf(job, search, settled), [job, search, settled]);
  const validation = useValidation(request);
  const schema = useConfigSchema(job, search.location, search.env);
  const locations = useWorkspace().data;
  const environments = locations?.find((entry) => !search.location || entry.name === search.location)?.environments ?? [];
  const tagsWrong = parseTags(search.tags ?? "").wrong;
  const checking = settled !== text || validation.isFetching;
  const launch = useLaunch();
  const barred = useMay("LAUNCHER");
  const ready = !barred.disabled && !launch.isPending && tagsWrong.length === 0 && (checking || validation.data?.isValid !== false);
  const diagnostics = launch.error instanceof ConfigInvalid && !checking ? launch.error.diagnostics : (validation.data?.diagnostics ?? []);

  const fill = useCallback(async (how: ScaffoldHow, from: string) => {
    try {
      const { yaml, removed, error } = await scaffold(requestOf(job, search, from), how);
      if (yaml === null) return setNote({ text: error ?? t.launchpad.mendFirst, undo: false });
      if (editor.current) replace(editor.current.view, yaml);
      setNote({ text: removed.length > 0 ? t.launchpad.removed(removed.join(", ")) : t.launchpad.did[how], undo: true });
    } catch (error) {
      setNote({ text: error instanceof Error ? error.message : String(error), undo: false });
    }
  }, [job, search]);
  useFromRun(search.from, editor, () => set({ from: undefined }));
  const scaffolded = useRef(false);
  useEffect(() => {
    if (scaffolded.current || search.from || draft(shelf)?.trim()) return;
    scaffolded.current = true;
    void fill("SCAFFOLD", "").then(() => setNote(null));
  }, [shelf, search.from, fill]);

  const go = () => {
    if (!ready) return;
    const now = requestOf(job, search, text);
    launch.mutate(now, {
      onSuccess: ({ run }) => {
        noteLaunch(shelf, { ...setupOf(search, text), runId: run.runId, at: Date.now() / 1000 });
        void navigate({ to: "/runs/$runId", params: { runId: run.runId }, search: {} });
      },
    });
  };
  const latestGo = useRef(go);
  latestGo.current = go;
  const load = ({ text: next, ...rest }: Setup) => {
    if (editor.current) replace(editor.current.view, next);
    set({ select: rest.select, tags: rest.tags, env: rest.env, partition: rest.partition });
  };

  return (
    <div className="flex flex-col gap-3" onKeyDown={(e) => e.key === "Enter" && (e.ctrlKey || e.metaKey) && !e.defaultPrevented && go()}>
      <PageHead title={<>{t.launchpad.title} <Link to="/jobs/$job" params={{ job }} search={{ location: search.location }}>{job}</Link> {location !== undefined && <LocationMark location={location} />}</>} command={commandOf(job, search)}>
        {barred.title && <span className="text-muted">{barred.title}</span>}
        <button type="button" className="btn btn-primary" onClick={go} disabled={!ready} aria-keyshortcuts="Control+Enter" data-launch {...barred}><Icon name="play" /> {t.launchpad.launch} <kbd className="text-xs font-normal opacity-90">Ctrl ⏎</kbd></button>
      </PageHead>
      {launch.error && !(launch.error instanceof ConfigInvalid) && <Problem error={launch.error} />}
      <div className="grid items-start gap-3 lg:grid-cols-[minmax(0,1fr)_340px]">
        <section className="panel min-w-0 overflow-hidden" aria-label={t.launchpad.config}>
          <div role="toolbar" aria-label={t.launchpad.config} className="flex flex-wrap items-center gap-1 border-b border-line px-2 py-1">
            {(["SCAFFOLD", "DEFAULTS", "REMOVE_EXTRA"] as const).map((how) => <button key={how} type="button" className="btn btn-quiet" title={t.launchpad.what[how]} onClick={() => void fill(how, text)}>{t.launchpad.how[how]}</button>)}
            {note && <span role="status" className="flex items-center gap-2 px-2 text-muted">{note.text}{note.undo && <button type="button" className="text-accent underline" onClick={() => { if (editor.current) undo(editor.current.view); setNote(null); }}>{t.launchpad.undo}</button>}</span>}
          </div>
          <EditorPane ref={editor} initial={text} schema={schema.data ?? null} diagnostics={checking ? null : diagnostics}
            onText={(next) => { setText(next); keepDraft(shelf, next); launch.reset(); }} onPath={setPath} onLaunch={() => latestGo.current()} />
          <div className="border-t border-line" data-verdict={checking ? "checking" : validation.data?.isValid ? "valid" : "invalid"}>
            <p role="status" className="flex items-center gap-2 px-3 py-2">
              {validation.error ? <span className="status tone-failed"><Icon name="warning" /> {validation.error.message}</span>
                : checking ? <span className="status tone-queued"><Icon name="half" spin /> {t.launchpad.checking}</span>
                : validation.data?.isValid ? <span className="status tone-succeeded"><Icon name="check" /> {t.launchpad.valid}</span>
                : <span className="status tone-failed"><Icon name="cross" /> {validation.data?.error ?? t.launchpad.wrong(diagnostics.length)}</span>}
            </p>
            {!checking && validation.data?.unservable && <p className="status tone-retrying px-3 pb-2 !whitespace-normal"><Icon name="warning" /> {validation.data.unservable}</p>}
            {!checking && diagnostics.length > 0 && <Diagnostics diagnostics={diagnostics} onPlace={(d) => editor.current && goTo(editor.current.view, d)} fix={(d) => (inConfig(d) ? offered(d) : null)} onFix={(d) => editor.current && mend(editor.current.view, d)} />}
          </div>
        </section>
        <div className="flex flex-col gap-3">
          <Options search={search} set={set} environments={environments} tagsWrong={tagsWrong} />
          <Expected schema={schema.data ?? null} path={path} error={schema.error} />
          <WouldRun steps={validation.data?.steps ?? []} stale={checking} />
          <Kept shelf={shelf} setup={setupOf(search, text)} load={load} />
        </div>
      </div>
    </div>
  );
}

function requestOf(jobName: string, search: Search, runConfigYaml: string): LaunchRequest {
  const stepSelection = (search.select ?? "").split(/[\s,]+/).filter(Boolean);
  const { tags } = parseTags(search.tags ?? "");
  return {
    jobName, runConfigYaml, ...(search.location ? { location: search.location } : {}), ...(stepSelection.length > 0 ? { stepSelection } : {}),
    ...(search.partition ? { partition: search.partition } : {}), ...(search.env ? { environment: search.env } : {}), ...(tags.length > 0 ? { tags } : {}),
  };
}

const setupOf = ({ select, tags, env, partition }: Search, text: string): Setup => ({ text, select, tags, env, partition });

function commandOf(job: string, search: Search): string {
  const { stepSelection = [], tags = [], partition, environment } = requestOf(job, search, "");
  return cli.run(job, "-c", "run.yaml", ...stepSelection.flatMap((s) => ["--select", s]), ...tags.flatMap((tag) => ["--tag", `${tag.key}=${tag.value}`]),
    ...(partition ? ["--partition", partition] : []), ...(environment ? ["--env", environment] : []));
}

/** The value once it has not changed for a while. */
function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Brings the run config of an earlier run into the editor, once. */
function useFromRun(runId: string | undefined, editor: React.RefObject<EditorHandle | null>, done: () => void) {
  const { data } = useRun(runId ?? "");
  useEffect(() => {
    if (!runId || !data || data.runId !== runId || !editor.current) return;
    replace(editor.current.view, asYaml(data.runConfigYaml));
    done();
  }, [runId, data, editor, done]);
}

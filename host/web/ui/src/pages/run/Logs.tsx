// The log lines of all steps in one list: filtered by step, level and words, followed while they come.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { ApiError } from "../../api/client";
import type { LogLevel, LogLine, Run, RunStep } from "../../api/types";
import { cli } from "../../lib/cli";
import { LEVELS, logMatcher, stepColour } from "../../lib/logs";
import { isOver } from "../../lib/runs";
import { useZone } from "../../lib/stored";
import { clock, zoneName } from "../../lib/time";
import { Cli, Problem } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { t } from "../../strings";
import type { RunSearch } from "./RunPage";

const LINE_PX = 22;
const COLOURS = 6;
const HEIGHT_PX = 440;
/** So near to the end, the reader is at the end. */
const END_PX = 40;
const UP_KEYS = ["ArrowUp", "PageUp", "Home"];
/** Words are searched for when typing has paused this long. */
const TYPING_MS = 150;

type Props = { run: Run; steps: RunStep[]; lines: LogLine[]; complete: boolean; error: ApiError | null; search: RunSearch; set: (next: RunSearch) => void };

export function Logs({ run, steps, lines, complete, error, search, set }: Props) {
  const level = LEVELS.includes(search.level as LogLevel) ? (search.level as LogLevel) : "TRACE";
  const [text, setText] = useState(search.q ?? "");
  useEffect(() => {
    const timer = setTimeout(() => text !== (search.q ?? "") && set({ q: text || undefined }), TYPING_MS);
    return () => clearTimeout(timer);
  });
  const shown = useMemo(
    () => lines.filter(logMatcher({ steps: search.step ? [search.step] : [], level, text: search.q ?? "" })),
    [lines, search.step, level, search.q],
  );
  const templates = useMemo(() => [...new Set(steps.map((step) => step.template))], [steps]);
  return (
    <div>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <select className="field max-w-52" aria-label={t.logs.step} value={search.step ?? ""} onChange={(e) => set({ step: e.target.value || undefined, line: undefined })}>
          <option value="">{t.logs.allSteps}</option>
          {templates.map((key) => <option key={key}>{key}</option>)}
          {search.step && !templates.includes(search.step) && <option>{search.step}</option>}
        </select>
        <select className="field" aria-label={t.logs.level} value={level} onChange={(e) => set({ level: e.target.value === "TRACE" ? undefined : e.target.value })}>
          {LEVELS.map((l) => <option key={l} value={l}>{t.logs.atLeast[l]}</option>)}
        </select>
        <input type="search" className="field min-w-36 flex-1" aria-label={t.logs.search} placeholder={t.logs.search} value={text} onChange={(e) => setText(e.target.value)} />
        <span role="status" className="text-xs text-muted tabular-nums" data-lines={shown.length}>{t.logs.count(shown.length, lines.length)}</span>
        <button type="button" className="btn btn-quiet" disabled={shown.length === 0} onClick={() => download(run, shown)}>{t.logs.download}</button>
      </div>
      {error && <Problem error={error} />}
      {shown.length === 0
        ? <p className="p-6 text-muted">{lines.length > 0 ? t.logs.noneMatch : complete ? t.logs.none : t.logs.noneYet}</p>
        : <Lines lines={shown} live={!isOver(run.status)} marked={search.line} onMark={(line) => set({ line })} />}
      <div className="flex flex-wrap items-center gap-3 border-t border-line px-3 py-1.5 text-xs text-muted"><Cli command={cli.logs(run.runId, search.step, level)} /></div>
    </div>
  );
}

const lineId = (line: LogLine) => `${line.stepKey}:${line.attempt}:${line.number}`;

function Lines({ lines, live, marked, onMark }: { lines: LogLine[]; live: boolean; marked: string | undefined; onMark: (line: string) => void }) {
  const scroll = useRef<HTMLDivElement>(null);
  const zone = useZone();
  const [follow, setFollow] = useState(live && !marked);
  const lastTop = useRef(0);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroll.current, estimateSize: () => LINE_PX, overscan: 20 });
  const found = useMemo(() => (marked ? lines.findIndex((line) => lineId(line) === marked) : -1), [lines, marked]);
  useEffect(() => {
    if (follow) virtual.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, lines.length, virtual]);
  const jumped = useRef<string>(undefined);
  useEffect(() => {
    if (found < 0 || jumped.current === marked) return;
    jumped.current = marked;
    virtual.scrollToIndex(found, { align: "center" });
  }, [found, marked, virtual]);
  // Where lines come fast, following moves down what a person has just moved up before anybody hears of it: what counts is
  // what they turned or pressed.
  const upwards = useRef(false);
  const turn = (up: boolean) => {
    upwards.current = up;
    if (up) setFollow(false);
  };
  const onScroll = (e: React.UIEvent<HTMLDivElement>) => {
    const { scrollTop, scrollHeight, clientHeight } = e.currentTarget;
    if (scrollTop < lastTop.current - 2) setFollow(false);
    else if (live && !upwards.current && scrollHeight - scrollTop - clientHeight < END_PX) setFollow(true);
    lastTop.current = scrollTop;
  };
  return (
    <div className="relative">
      <div ref={scroll} role="log" aria-live="off" aria-label={t.run.logs} tabIndex={0} data-log className="mono overflow-auto" style={{ height: Math.min(HEIGHT_PX, lines.length * LINE_PX + 40) }}
        onScroll={onScroll} onWheel={(e) => turn(e.deltaY < 0)} onKeyDown={(e) => turn(UP_KEYS.includes(e.key))} onPointerDown={() => turn(false)}>
        <div className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start, key }) => {
            const line = lines[index]!;
            return (
              <div key={key} ref={virtual.measureElement} data-index={index} data-line={lineId(line)} aria-current={index === found || undefined}
                className={`absolute inset-x-0 flex gap-x-2 px-3 leading-[22px] hover:bg-raised max-sm:flex-wrap ${index === found ? "bg-accent/15" : ""}`} style={{ transform: `translateY(${start}px)` }}>
                <button type="button" className="shrink-0 text-muted hover:underline" onClick={() => { jumped.current = lineId(line); onMark(lineId(line)); }} title={t.logs.mark(zoneName(zone))}>{clock(line.timestamp, zone)}</button>
                <Level level={line.level} />
                <span className={`name-${stepColour(line.stepKey, COLOURS)} w-36 shrink-0 truncate`} title={line.stepKey}>{line.stepKey}</span>
                <span className="min-w-0 break-words whitespace-pre-wrap max-sm:w-full">{line.source !== "op" && <span className="text-muted">{line.source} </span>}{line.message}{fieldsText(line)}</span>
              </div>
            );
          })}
        </div>
      </div>
      {live && !follow && <button type="button" className="btn absolute right-4 bottom-3 shadow-lg" onClick={() => { upwards.current = false; setFollow(true); }}><Icon name="down" /> {t.logs.follow}</button>}
    </div>
  );
}

const TONE: Record<LogLevel, string> = { TRACE: "tone-queued", DEBUG: "tone-queued", INFO: "tone-running", WARN: "tone-retrying", ERROR: "tone-failed" };
const Level = ({ level }: { level: LogLevel }) => <span className={`${TONE[level]} w-11 shrink-0 text-(--tone)`}>{level.toLowerCase()}</span>;

function fieldsText(line: LogLine) {
  if (typeof line.fields !== "object" || line.fields === null || Array.isArray(line.fields)) return null;
  const text = Object.entries(line.fields).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
  return text && <span className="text-muted"> {text}</span>;
}

function download(run: Run, lines: LogLine[]) {
  const text = lines.map((line) => `${new Date(line.timestamp * 1000).toISOString()} ${line.level} ${line.stepKey}#${line.attempt} ${line.message}\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = `${run.jobName}-${run.runId}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
}

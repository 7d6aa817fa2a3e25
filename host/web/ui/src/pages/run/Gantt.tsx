// The timeline of a run. Bars are drawn on one canvas; over it lies a button for each row in sight, so that keys and screen
// readers have what the mouse has.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Run, RunStep } from "../../api/types";
import { type Bar, extent, laneRows, type Row, stepRows } from "../../lib/gantt";
import { isOver } from "../../lib/runs";
import { duration, ticks } from "../../lib/time";
import { useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { Status } from "../../parts/Status";
import { useZoom, useZoomInput } from "../../parts/zoom";
import { ZoomButtons } from "../../parts/ZoomButtons";
import { t } from "../../strings";
import { draw, ROW_PX } from "./draw";
import { BarCard, Legend } from "./GanttCard";

const HEIGHT_MAX = 420;
const TICK_PX = 90;
const LIVE_MS = 100;

type Props = {
  run: Run; steps: RunStep[]; selected: string | undefined; onSelect: (step: string) => void;
  open: ReadonlySet<string>; onOpen: (open: ReadonlySet<string>) => void; lanes: boolean; onLanes: (on: boolean) => void;
};

export function Gantt({ run, steps, selected, onSelect, open, onOpen, lanes, onLanes }: Props) {
  const live = !isOver(run.status);
  const now = useNow(live, LIVE_MS);
  const order = useMemo(() => run.plan.steps.map((step) => step.key), [run.plan]);
  const openKey = [...open].join(",");
  const rows = useMemo(() => (lanes ? laneRows(steps, now) : stepRows(steps, order, open, now)), [steps, order, openKey, lanes, now]);
  const start = run.startTime ?? run.creationTime;
  const [from, to] = extent(rows, start);
  const zoom = useZoom([from, live ? Math.max(to, now) : to]);
  const toggle = (id: string) => onOpen(new Set(open.has(id) ? [...open].filter((o) => o !== id) : [...open, id]));
  return (
    <div>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1">
        <Legend lanes={lanes} />
        <span className="ml-auto" />
        <button type="button" className="btn btn-quiet" aria-pressed={lanes} onClick={() => onLanes(!lanes)}><Icon name="cluster" /> {t.gantt.lanes}</button>
        <ZoomButtons zoom={zoom} />
      </div>
      {rows.length === 0 ? <p className="p-6 text-muted">{lanes ? t.gantt.noLanes : t.gantt.noSteps}</p>
        : <Rows rows={rows} origin={start} zoom={zoom} selected={selected} onSelect={onSelect} onToggle={toggle} lanes={lanes} />}
    </div>
  );
}

type RowsProps = { rows: Row[]; origin: number; zoom: ReturnType<typeof useZoom>; selected: string | undefined; onSelect: (step: string) => void; onToggle: (id: string) => void; lanes: boolean };

function Rows({ rows, origin, zoom, selected, onSelect, onToggle, lanes }: RowsProps) {
  const scroll = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const names = useNamesWidth();
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => ROW_PX, overscan: 8 });
  const [hover, setHover] = useState<{ bar: Bar; x: number; y: number } | null>(null);
  const [focus, setFocus] = useState<number | null>(null);
  const input = useZoomInput(zoom, () => canvas.current?.getBoundingClientRect());
  const wheel = useRef(input.onWheel);
  wheel.current = input.onWheel;
  const height = Math.min(HEIGHT_MAX, rows.length * ROW_PX);
  const width = useWidth(scroll) - names;
  const [from, to] = zoom.shown;
  const marks = ticks(from - origin, to - origin, Math.max(2, width / TICK_PX));

  useEffect(() => {
    const element = scroll.current;
    const listen = (e: WheelEvent) => wheel.current(e);
    element?.addEventListener("wheel", listen, { passive: false });
    return () => element?.removeEventListener("wheel", listen);
  }, []);
  useEffect(() => {
    if (canvas.current) draw(canvas.current, { rows, top: virtual.scrollOffset ?? 0, from, to, width, height, marks: marks.map((m) => m + origin), selected, lanes });
  });
  useEffect(() => {
    if (focus !== null) scroll.current?.querySelector<HTMLElement>(`[data-index="${focus}"] [data-row]`)?.focus();
  }, [focus]);

  const move = (by: number) => {
    const at = Number((document.activeElement?.closest("[data-index]") as HTMLElement | null)?.dataset.index ?? -1);
    const next = Math.min(rows.length - 1, Math.max(0, at + by));
    virtual.scrollToIndex(next);
    setFocus(null);
    requestAnimationFrame(() => setFocus(next));
  };
  const onKey = (e: React.KeyboardEvent) => {
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    if (by !== undefined) {
      e.preventDefault();
      move(by);
    } else input.handlers.onKeyDown(e);
  };
  const barAt = (row: Row, clientX: number): Bar | undefined => {
    const rect = canvas.current?.getBoundingClientRect();
    if (!rect) return undefined;
    const time = from + ((clientX - rect.left) / rect.width) * (to - from);
    const slack = ((to - from) / rect.width) * 3;
    return row.bars.findLast((bar) => time >= bar.from - slack && time <= bar.to + slack);
  };
  const open = (row: Row, clientX: number) => {
    const bar = barAt(row, clientX) ?? row.bars[0];
    if (row.kind !== "lane") onSelect(row.id);
    else if (bar) onSelect(bar.step);
  };

  return (
    <>
      <div aria-hidden="true" className="relative h-6 border-b border-line text-xs text-muted" style={{ marginLeft: names }}>
        {marks.map((mark) => { const x = ((mark + origin - from) / (to - from)) * width; return x < width - 30 && <span key={mark} className="absolute top-1 pl-1" style={{ left: x }}>{mark === 0 ? "0" : duration(Math.abs(mark))}</span>; })}
      </div>
      <div ref={scroll} role="group" aria-label={t.gantt.label} aria-description={t.gantt.keys} data-gantt className="relative overflow-x-hidden overflow-y-auto select-none" style={{ height }}
        {...input.handlers} onKeyDown={onKey} onScroll={() => setHover(null)} onMouseLeave={() => setHover(null)}>
        <div className="relative" style={{ height: virtual.getTotalSize() }}>
          <canvas ref={canvas} aria-hidden="true" className="pointer-events-none sticky top-0 block" style={{ marginLeft: names, width, height }} />
          {input.range && <div className="pointer-events-none absolute inset-y-0 z-10 bg-accent/20" style={{ left: names + input.range[0], width: input.range[1] - input.range[0] }} />}
          <ul className="absolute inset-0">
            {virtual.getVirtualItems().map(({ index, start }) => {
              const row = rows[index]!;
              return (
                <li key={row.id} data-index={index} aria-setsize={rows.length} aria-posinset={index + 1} className={`absolute inset-x-0 flex ${row.id === selected ? "bg-accent/10" : "hover:bg-text/5"}`} style={{ height: ROW_PX, transform: `translateY(${start}px)` }}>
                  {row.fold && <button type="button" className="absolute left-0.5 z-10 flex h-full w-5 items-center justify-center" aria-expanded={row.fold.open} aria-label={t.gantt.fold(row.label)} data-fold={row.id} onClick={() => onToggle(row.id)}><Icon name={row.fold.open ? "down" : "right"} size={14} /></button>}
                  <button type="button" data-row={row.id} className="flex w-full items-center text-left outline-offset-[-2px]"
                    onClick={(e) => open(row, e.clientX)} onMouseMove={(e) => { const bar = barAt(row, e.clientX); setHover(bar ? { bar, x: e.clientX, y: e.clientY } : null); }}>
                    <span className="flex items-center gap-1.5 overflow-hidden pr-2" style={{ width: names, paddingLeft: 22 + row.depth * 14 }} title={row.label}>
                      {row.status && <Status status={row.status} iconOnly />}
                      <span className="truncate">{row.label}</span>
                      {row.fold && <span className="ml-auto shrink-0 text-xs text-muted tabular-nums">{row.fold.done}/{row.fold.total}</span>}
                    </span>
                    <span className="sr-only">{rowText(row)}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        </div>
      </div>
      {hover && <BarCard bar={hover.bar} x={hover.x} y={hover.y} fold={rows.find((row) => row.id === hover.bar.step)?.fold} />}
    </>
  );
}

function rowText(row: Row): string {
  const total = row.bars.reduce((sum, bar) => sum + bar.to - bar.from, 0);
  const parts = [row.fold ? t.gantt.foldText(row.fold.done, row.fold.total, duration(row.fold.p50), duration(row.fold.max)) : ""];
  return [...parts, row.bars.length > 0 ? duration(total) : ""].filter(Boolean).map((part) => `, ${part}`).join("");
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    if (element.current) observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

/** The column of names takes what its width of screen can spare. */
function useNamesWidth(): number {
  const [width, setWidth] = useState(() => namesWidth());
  useEffect(() => {
    const resized = () => setWidth(namesWidth());
    addEventListener("resize", resized);
    return () => removeEventListener("resize", resized);
  }, []);
  return width;
}
const namesWidth = () => (innerWidth < 640 ? 132 : 240);

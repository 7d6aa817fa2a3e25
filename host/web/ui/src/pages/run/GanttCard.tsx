// What the mouse is told about a bar of the timeline, and what the colours mean.
import type { Bar, Row } from "../../lib/gantt";
import { duration } from "../../lib/time";
import { wordOf } from "../../parts/Status";
import { t } from "../../strings";

const CARD_PX = 260;

export function BarCard({ bar, x, y, fold }: { bar: Bar; x: number; y: number; fold: Row["fold"] }) {
  return (
    <div role="tooltip" className="panel pointer-events-none fixed z-30 px-3 py-2 text-xs shadow-xl" style={{ left: Math.min(x + 12, innerWidth - CARD_PX), top: y + 16, maxWidth: CARD_PX }}>
      <p className="mono font-semibold break-words">{bar.step}</p>
      {fold ? <p>{t.gantt.foldText(fold.done, fold.total, duration(fold.p50), duration(fold.max))}</p>
        : <p>{t.gantt.attempt(bar.attempt)}, {wordOf(bar.status)}</p>}
      <p>{fold ? "" : `${t.gantt.parts[bar.part]} `}{duration(bar.to - bar.from)}</p>
    </div>
  );
}

export function Legend({ lanes }: { lanes: boolean }) {
  const parts = [["queue", "bg-(--part-queue)"], ["fetch", "bg-(--part-fetch)"], ["compile", "bg-(--part-compile)"], ["run", "bg-succeeded"]] as const;
  return (
    <ul aria-label={t.gantt.legend} className="flex flex-wrap gap-x-3 text-xs text-muted">
      {parts.map(([part, colour]) => <li key={part} className="flex items-center gap-1"><span className={`size-2.5 rounded-sm ${colour}`} />{t.gantt.parts[part]}</li>)}
      {lanes && <li>{t.gantt.lanesWhat}</li>}
    </ul>
  );
}

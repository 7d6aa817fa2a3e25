// Everything that happened to the run and its steps, in order.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import type { Run, RunEvent } from "../../api/types";
import { cli } from "../../lib/cli";
import { logMatcher } from "../../lib/logs";
import { useZone } from "../../lib/stored";
import { clock } from "../../lib/time";
import { Cli } from "../../parts/basics";
import { t } from "../../strings";

const ROW_PX = 28;
const HEIGHT_PX = 440;
const TONE: Record<string, string> = { ERROR: "tone-failed", WARN: "tone-retrying" };

type Props = { run: Run; events: RunEvent[]; step: string | undefined; over: boolean; onSelect: (step: string) => void };

export function Events({ run, events, step, over, onSelect }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const zone = useZone();
  const shown = useMemo(() => {
    const matches = logMatcher({ steps: step ? [step] : [], level: "TRACE", text: "" });
    return events.filter((event) => (event.stepKey === null ? !step : matches({ ...event, stepKey: event.stepKey })));
  }, [events, step]);
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => scroll.current, estimateSize: () => ROW_PX, overscan: 15 });
  if (shown.length === 0) return <p className="p-6 text-muted">{over ? t.events.none : t.events.noneYet}</p>;
  return (
    <>
      <div ref={scroll} tabIndex={0} role="region" aria-label={t.events.label} data-events={shown.length} className="overflow-auto" style={{ height: Math.min(HEIGHT_PX, shown.length * ROW_PX) }}>
        <ol className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const event = shown[index]!;
            return (
              <li key={index} aria-setsize={shown.length} aria-posinset={index + 1} className={`${TONE[event.level] ?? ""} absolute inset-x-0 flex items-center gap-3 border-b border-line px-3`} style={{ height: ROW_PX, transform: `translateY(${start}px)` }}>
                <span className="mono shrink-0 text-muted">{clock(event.timestamp, zone)}</span>
                <span className={`mono w-44 shrink-0 truncate font-semibold max-sm:w-28 ${TONE[event.level] ? "text-(--tone)" : ""}`} title={event.eventType}>{event.eventType}</span>
                {event.stepKey && <button type="button" className="mono max-w-40 shrink-0 truncate text-accent hover:underline" onClick={() => onSelect(event.stepKey!)}>{event.stepKey}</button>}
                <span className="truncate" title={event.message}>{event.message}</span>
              </li>
            );
          })}
        </ol>
      </div>
      <div className="border-t border-line px-3 py-1.5"><Cli command={cli.events(run.runId)} /></div>
    </>
  );
}

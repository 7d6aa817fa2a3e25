// A window on a stretch of time: zoomed by wheel, keys, buttons or by drawing a range; null is all of it.
import { useRef, useState } from "react";

export type Window = [from: number, to: number];
const ZOOM_STEP = 1.6;
/** Nothing shorter than this is looked into. */
const SPAN_MIN_S = 0.002;
const DRAG_MIN_PX = 6;

export function zoomed([from, to]: Window, factor: number, around: number): Window {
  const span = Math.max(SPAN_MIN_S, (to - from) * factor);
  const share = (around - from) / (to - from);
  return [around - span * share, around + span * (1 - share)];
}

/** Pushed back to where there is something to see. */
export function within([from, to]: Window, [first, last]: Window): Window | null {
  if (to - from >= last - first) return null;
  const by = from < first ? first - from : to > last ? last - to : 0;
  return [from + by, to + by];
}

export function useZoom(all: Window) {
  const [chosen, setChosen] = useState<Window | null>(null);
  const shown = chosen ?? all;
  const set = (next: Window) => setChosen(within(next, all));
  const by = (factor: number, around = (shown[0] + shown[1]) / 2) => set(zoomed(shown, factor, around));
  return {
    shown,
    isZoomed: chosen !== null,
    set,
    reset: () => setChosen(null),
    in: () => by(1 / ZOOM_STEP),
    out: () => by(ZOOM_STEP),
    pan: (share: number) => set([shown[0] + (shown[1] - shown[0]) * share, shown[1] + (shown[1] - shown[0]) * share]),
    at: (factor: number, around: number) => by(factor, around),
  };
}
export type Zoom = ReturnType<typeof useZoom>;

/** Mouse and keys for an element whose width is the window: drag draws a range, Ctrl and the wheel zoom, + − 0 and arrows too. */
export function useZoomInput(zoom: Zoom, track: () => DOMRect | undefined) {
  const drag = useRef<{ x: number; moved: boolean } | null>(null);
  const [range, setRange] = useState<[number, number] | null>(null);
  const timeAt = (x: number, rect: DOMRect) => zoom.shown[0] + ((x - rect.left) / rect.width) * (zoom.shown[1] - zoom.shown[0]);
  return {
    range,
    dragged: () => drag.current?.moved ?? false,
    handlers: {
      onPointerDown: (e: React.PointerEvent) => {
        const rect = track();
        drag.current = rect && e.button === 0 && e.pointerType === "mouse" && e.clientX >= rect.left ? { x: e.clientX, moved: false } : null;
      },
      onPointerMove: (e: React.PointerEvent) => {
        if (!drag.current || e.buttons === 0 || Math.abs(e.clientX - drag.current.x) < DRAG_MIN_PX) return;
        const rect = track();
        if (!rect) return;
        drag.current.moved = true;
        setRange([Math.min(drag.current.x, e.clientX) - rect.left, Math.max(drag.current.x, e.clientX) - rect.left]);
      },
      onPointerUp: (e: React.PointerEvent) => {
        const rect = track();
        if (drag.current?.moved && rect) {
          const [a, b] = [timeAt(drag.current.x, rect), timeAt(e.clientX, rect)];
          zoom.set([Math.min(a, b), Math.max(a, b)]);
        }
        setRange(null);
      },
      onPointerLeave: () => setRange(null),
      onClickCapture: (e: React.MouseEvent) => {
        if (drag.current?.moved) {
          e.preventDefault();
          e.stopPropagation();
        }
        drag.current = null;
      },
      onKeyDown: (e: React.KeyboardEvent) => {
        const act = { "+": zoom.in, "=": zoom.in, "-": zoom.out, "0": zoom.reset, ArrowLeft: () => zoom.pan(-0.2), ArrowRight: () => zoom.pan(0.2) }[e.key];
        if (!act || e.ctrlKey || e.metaKey) return;
        e.preventDefault();
        act();
      },
    },
    /** React listens to wheels passively, so this one is for addEventListener. */
    onWheel: (e: WheelEvent) => {
      const rect = track();
      if (!rect || !(e.ctrlKey || e.metaKey)) return;
      e.preventDefault();
      zoom.at(e.deltaY > 0 ? 1.2 : 1 / 1.2, timeAt(e.clientX, rect));
    },
  };
}

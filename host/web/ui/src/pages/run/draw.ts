// Draws the bars of the timeline that are in sight.
import type { Bar, Row } from "../../lib/gantt";
import { lookOf } from "../../parts/Status";

export const ROW_PX = 28;
const BAR_PX = 14;
/** Shorter bars would not be seen. */
const BAR_MIN_PX = 2;

export type Scene = { rows: Row[]; top: number; from: number; to: number; width: number; height: number; marks: number[]; selected: string | undefined; lanes: boolean };

export function draw(canvas: HTMLCanvasElement, scene: Scene) {
  const { rows, top, from, to, width, height } = scene;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  if (!context || width <= 0) return;
  const colour = colours(canvas);
  const x = (time: number) => ((time - from) / (to - from)) * width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = colour("--line");
  for (const mark of scene.marks) context.fillRect(Math.round(x(mark)), 0, 1, height);
  const first = Math.floor(top / ROW_PX);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW_PX));
  for (let i = first; i < last; i++) {
    const row = rows[i]!;
    const y = i * ROW_PX - top + (ROW_PX - BAR_PX) / 2;
    for (const bar of row.bars) drawBar(context, bar, row, x(bar.from), x(bar.to), y, colour, width);
  }
}

function drawBar(context: CanvasRenderingContext2D, bar: Bar, row: Row, left: number, right: number, y: number, colour: Colour, width: number) {
  if (right < 0 || left > width) return;
  const wide = Math.max(BAR_MIN_PX, right - left);
  const runs = bar.part === "run";
  context.fillStyle = colour(runs ? `--${lookOf(bar.status).tone}` : `--part-${bar.part}`);
  context.globalAlpha = row.kind === "fold" ? 0.55 : 1;
  const inset = runs ? 0 : 3;
  context.beginPath();
  context.roundRect(left, y + inset, wide, BAR_PX - 2 * inset, Math.min(3, wide / 2));
  context.fill();
  if (runs && bar.status === "FAILED") cross(context, Math.max(left, 0), y, colour);
  context.globalAlpha = 1;
}

/** Failure is told by shape too, not by colour alone. */
function cross(context: CanvasRenderingContext2D, left: number, y: number, colour: Colour) {
  context.strokeStyle = colour("--panel");
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(left + 4, y + 4);
  context.lineTo(left + 10, y + 10);
  context.moveTo(left + 10, y + 4);
  context.lineTo(left + 4, y + 10);
  context.stroke();
}

type Colour = (token: string) => string;
let known: { scheme: string; values: Map<string, string> } | undefined;

/** Tokens hold both themes; what holds now is asked of an element, once for each theme. */
function colours(canvas: HTMLCanvasElement): Colour {
  const scheme = `${document.documentElement.dataset.theme ?? ""}${matchMedia("(prefers-color-scheme: dark)").matches}`;
  if (known?.scheme !== scheme) known = { scheme, values: new Map() };
  const { values } = known;
  return (token) => {
    let value = values.get(token);
    if (value === undefined) {
      canvas.style.color = `var(${token})`;
      value = getComputedStyle(canvas).color;
      canvas.style.color = "";
      values.set(token, value);
    }
    return value;
  };
}

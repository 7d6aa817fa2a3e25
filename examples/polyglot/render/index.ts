// The TypeScript op of the polyglot example: a page with a table and a curve.

import { Type, bytes, op } from "cofferdam-op";
import type { Static } from "cofferdam-op";

const Airline = Type.Object({
  carrier: Type.String(),
  flights: Type.Integer(),
  mean: Type.Number(),
  median: Type.Number(),
  stdev: Type.Number(),
  late: Type.Number(),
});
const Point = Type.Object({ x: Type.Number(), y: Type.Number() });

const WIDTH = 640;
const HEIGHT = 200;

const escape = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

/** The curve, with zero minutes marked. */
function chart(density: Static<typeof Point>[]): string {
  const [first, last] = [density[0]?.x ?? 0, density.at(-1)?.x ?? 1];
  const peak = Math.max(...density.map(({ y }) => y)) || 1;
  const x = (minutes: number) => (((minutes - first) / (last - first)) * WIDTH).toFixed(1);
  const y = (value: number) => (HEIGHT - (value / peak) * HEIGHT).toFixed(1);
  const points = density.map((point) => `${x(point.x)},${y(point.y)}`).join(" ");
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT + 20}" role="img" aria-label="How often flights were how late">
<line x1="${x(0)}" x2="${x(0)}" y1="0" y2="${HEIGHT}" stroke="#999"/>
<polyline points="${points}" fill="none" stroke="#06c" stroke-width="2"/>
<text x="${x(0)}" y="${HEIGHT + 15}" text-anchor="middle" font-size="12">on time</text>
</svg>`;
}

function row({ carrier, flights, mean, median, stdev, late }: Static<typeof Airline>): string {
  const cells = [flights, mean.toFixed(1), median.toFixed(1), stdev.toFixed(1), `${(late * 100).toFixed(0)} %`];
  return `<tr><th>${escape(carrier)}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

export const page = op({
  doc: "A page with a table of airlines and the curve of all delays.",
  inputs: { airlines: Type.Array(Airline), density: Type.Array(Point) },
  config: Type.Object({ title: Type.String() }),
  output: bytes("text/html"),
}, ({ airlines, density }, ctx) => {
  const title = escape(ctx.config.title);
  const head = ["airline", "flights", "mean", "median", "spread", "late"].map((name) => `<th>${name}</th>`).join("");
  const text = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><h1>${title}</h1>
${chart(density)}
<table><thead><tr>${head}</tr></thead><tbody>
${airlines.map(row).join("\n")}
</tbody></table></body></html>
`;
  return new TextEncoder().encode(text);
});

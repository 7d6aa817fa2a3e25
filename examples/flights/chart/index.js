// Draws the year of every airline.

import { Type, bytes, op } from "cofferdam-op";

const Season = Type.Object({
  carrier: Type.String(),
  airline: Type.String(),
  months: Type.Array(Type.Union([Type.Number(), Type.Null()])),
  mean: Type.Number(),
  spread: Type.Number(),
  worst_month: Type.Integer(),
});

const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LABEL = 220;
const CELL = 44;
const ROW = 26;

const escape = (text) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

/** From blue, early, over white to red, `most` minutes late. */
function colour(minutes, most) {
  const share = Math.min(1, Math.abs(minutes) / most);
  const faded = Math.round(255 * (1 - share));
  return minutes < 0 ? `rgb(${faded},${faded},255)` : `rgb(255,${faded},${faded})`;
}

function cell(minutes, month, y, most) {
  if (minutes === null) return "";
  const x = LABEL + month * CELL;
  return `<rect x="${x}" y="${y}" width="${CELL - 2}" height="${ROW - 2}" fill="${colour(minutes, most)}"/>`
    + `<text x="${x + CELL / 2 - 1}" y="${y + 17}" text-anchor="middle">${minutes.toFixed(0)}</text>`;
}

function row({ airline, months }, number, most) {
  const y = (number + 1) * ROW;
  const cells = months.map((minutes, month) => cell(minutes, month, y, most));
  return `<g><text x="${LABEL - 8}" y="${y + 17}" text-anchor="end">${escape(airline)}</text>${cells.join("")}</g>`;
}

export const heat = op({
  doc: "A table of colours: a row per airline, a column per month, minutes of mean arrival delay.",
  inputs: { seasons: Type.Array(Season) },
  output: bytes("image/svg+xml"),
  pure: true,
}, ({ seasons }) => {
  const most = Math.max(1, ...seasons.flatMap(({ months }) => months.map((minutes) => Math.abs(minutes ?? 0))));
  const head = NAMES.map((name, month) => `<text x="${LABEL + month * CELL + CELL / 2 - 1}" y="17" text-anchor="middle">${name}</text>`);
  const rows = seasons.map((season, number) => row(season, number, most));
  return new TextEncoder().encode(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LABEL + 12 * CELL} ${(seasons.length + 1) * ROW}" font-family="sans-serif" font-size="12">
${head.join("")}
${rows.join("\n")}
</svg>
`);
});

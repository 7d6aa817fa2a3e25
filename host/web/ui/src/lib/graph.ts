// What a graph shows: its steps, or, where they are too many, the groups that their keys name.
import type { Graph, GraphStep, RunStep, StepStatus } from "../api/types";
import { foldStatus, hasEnded } from "./gantt";

/** More boxes than these are folded by the group before the first dot, those with the most steps first. */
export const NODES_MAX = 300;

export type Box = { id: string; label: string; sub: string; kind: "step" | "group"; step: GraphStep | null; steps: string[] };
export type Line = { from: string; to: string; labels: string[] };
export type Overlay = { status: StepStatus; done: number; total: number; seconds: number | null };

export function boxes(graph: Graph, open: ReadonlySet<string>): { boxes: Box[]; lines: Line[] } {
  const groupOf = foldedGroups(graph, open);
  const out = new Map<string, Box>();
  for (const step of graph.steps) {
    const group = groupOf(step.key);
    if (group === null) {
      out.set(step.key, { id: step.key, label: step.key, sub: step.library ? `${step.library}.${step.op}` : step.op, kind: "step", step, steps: [step.key] });
      continue;
    }
    const box = out.get(`${group}.`) ?? { id: `${group}.`, label: group, sub: "", kind: "group" as const, step: null, steps: [] };
    box.steps.push(step.key);
    out.set(box.id, box);
  }
  const boxOf = new Map([...out.values()].flatMap((box) => box.steps.map((key) => [key, box.id] as const)));
  const lines = new Map<string, Line>();
  for (const edge of graph.edges) {
    const [from, to] = [boxOf.get(edge.from), boxOf.get(edge.to)];
    if (!from || !to || from === to) continue;
    const line = lines.get(`${from} ${to}`) ?? { from, to, labels: [] };
    if (edge.output && edge.input) line.labels.push(`${edge.output} → ${edge.input}`);
    lines.set(`${from} ${to}`, line);
  }
  return { boxes: [...out.values()], lines: [...lines.values()] };
}

function foldedGroups(graph: Graph, open: ReadonlySet<string>): (key: string) => string | null {
  const groups = new Map<string, number>();
  for (const { key } of graph.steps) if (key.includes(".")) groups.set(group(key), (groups.get(group(key)) ?? 0) + 1);
  const folded = new Set<string>();
  let shown = graph.steps.length;
  for (const [name, count] of [...groups].sort((a, b) => b[1] - a[1])) {
    if (shown <= NODES_MAX) break;
    if (open.has(`${name}.`)) continue;
    folded.add(name);
    shown -= count - 1;
  }
  return (key) => (key.includes(".") && folded.has(group(key)) ? group(key) : null);
}

const group = (key: string) => key.slice(0, key.indexOf("."));

/** How the steps of a box stand in a run; null before anything is known of them. */
export function overlay(box: Box, byTemplate: ReadonlyMap<string, RunStep[]>): Overlay | null {
  const steps = box.steps.flatMap((key) => byTemplate.get(key) ?? []);
  if (steps.length === 0) return null;
  const spans = steps.flatMap((step) => step.attempts);
  const ended = steps.every((step) => hasEnded(step.status)) && spans.length > 0;
  const seconds = ended ? Math.max(...spans.map((a) => a.endedAt ?? a.dispatchedAt)) - Math.min(...spans.map((a) => a.dispatchedAt)) : null;
  return { status: foldStatus(steps), done: steps.filter((step) => hasEnded(step.status)).length, total: steps.length, seconds };
}

// Which log lines are shown, and how they are kept: in the order of time, whatever order they came in.
import type { LogLevel, LogLine } from "../api/types";

export const LEVELS: LogLevel[] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/** `steps` holds step keys or templates; empty means all. `text` is words that must all be there, in whatever case. */
export type LogFilter = { steps: string[]; level: LogLevel; text: string };

export function logMatcher(filter: LogFilter): (line: Pick<LogLine, "stepKey" | "level" | "message">) => boolean {
  const least = LEVELS.indexOf(filter.level);
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const steps = new Set(filter.steps);
  return (line) => {
    if (LEVELS.indexOf(line.level) < least) return false;
    if (steps.size > 0 && !steps.has(line.stepKey) && !steps.has(template(line.stepKey))) return false;
    if (words.length === 0) return true;
    const text = `${line.stepKey} ${line.message}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** `work` of `work[a]`. */
export const template = (stepKey: string) => stepKey.replace(/\[.*\]$/, "");

/** Puts `more` into `lines`, both in the order of time. The usual case, all later than what is there, copies nothing twice. */
export function mergeLines(lines: LogLine[], more: LogLine[]): LogLine[] {
  if (more.length === 0) return lines;
  const all = [...lines, ...more];
  const last = lines.at(-1);
  const inOrder = more.every((line, i) => line.timestamp >= (more[i - 1] ?? last ?? line).timestamp);
  return inOrder ? all : all.sort((a, b) => a.timestamp - b.timestamp);
}

/** A small number for a step, always the same: which of the colours of names it has. */
export function stepColour(stepKey: string, colours: number): number {
  let hash = 0;
  for (const char of template(stepKey)) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  return hash % colours;
}

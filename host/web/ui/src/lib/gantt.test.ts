import { expect, test } from "vitest";
import type { Attempt, RunStep, StepStatus, Usage } from "../api/types";
import { attemptBars, extent, foldStatus, laneRows, stepRows } from "./gantt";

const NO_USE: Usage = {
  queue: 0, slot: 0, fetch: 0, compile: 0, load: 0, wall: 0, store: 0, cpu: 0, memoryPeakBytes: 0, inputBytes: 0, outputBytes: 0, fuel: null, logLinesDropped: 0,
};
const attempt = (from: number, to: number | null, more: Partial<Attempt> = {}): Attempt => ({
  number: 1, worker: "1", dispatchedAt: from, startedAt: from, endedAt: to, failure: null, usage: null, ...more,
});
const step = (key: string, status: StepStatus, ...attempts: Attempt[]): RunStep => ({
  key, template: key.replace(/\[.*/, ""), status, becauseOf: null, attempts, outputs: [], metadata: [],
});

test("an attempt that has ended is cut into its parts, one after another", () => {
  const usage = { ...NO_USE, queue: 1, slot: 1, fetch: 2, compile: 3, load: 1, wall: 4 };
  const bars = attemptBars(step("a", "SUCCEEDED"), attempt(10, 22, { usage }), 100);
  expect(bars.map(({ part, from, to }) => [part, from, to])).toEqual([["queue", 9, 11], ["fetch", 11, 13], ["compile", 13, 17], ["run", 17, 22]]);
});

test("parts never reach past the end of the attempt", () => {
  const usage = { ...NO_USE, fetch: 50, compile: 50 };
  const bars = attemptBars(step("a", "FAILED"), attempt(10, 12, { usage }), 100);
  expect(Math.max(...bars.map((bar) => bar.to))).toBe(12);
});

test("an attempt that runs reaches until now", () => {
  const [queue, run] = attemptBars(step("a", "RUNNING"), attempt(10, null, { startedAt: 11 }), 15);
  expect([queue!.part, queue!.to, run!.part, run!.to, run!.status]).toEqual(["queue", 11, "run", 15, "RUNNING"]);
});

test("an attempt that has not begun is only queued", () => {
  expect(attemptBars(step("a", "RUNNING"), attempt(10, null, { startedAt: null }), 15).map((bar) => bar.part)).toEqual(["queue"]);
});

test("copies are one row that counts, until it is opened", () => {
  const steps = [step("w[1]", "SUCCEEDED", attempt(1, 2)), step("w[2]", "RUNNING", attempt(2, null)), step("a", "SUCCEEDED", attempt(0, 1))];
  const folded = stepRows(steps, ["a", "w"], new Set(), 5);
  expect(folded.map((row) => row.id)).toEqual(["a", "w"]);
  expect(folded[1]!.fold).toMatchObject({ done: 1, total: 2, open: false, p50: 1, max: 1 });
  expect(stepRows(steps, ["a", "w"], new Set(["w"]), 5).map((row) => [row.id, row.depth])).toEqual([["a", 0], ["w", 0], ["w[1]", 1], ["w[2]", 1]]);
});

test("spans of copies that touch are drawn as one, and a failure is not hidden", () => {
  const steps = [step("w[1]", "SUCCEEDED", attempt(0, 2)), step("w[2]", "FAILED", attempt(1, 3, { failure: { kind: "op", message: "", causes: [], backtrace: [], metadata: [] } })), step("w[3]", "SUCCEEDED", attempt(9, 10))];
  const [row] = stepRows(steps, ["w"], new Set(), 20);
  expect(row!.bars.map(({ from, to, status }) => [from, to, status])).toEqual([[0, 3, "FAILED"], [9, 10, "SUCCEEDED"]]);
});

test("a worker has as many lanes as it had steps at once", () => {
  const steps = [step("a", "SUCCEEDED", attempt(0, 2)), step("b", "SUCCEEDED", attempt(1, 3)), step("c", "SUCCEEDED", attempt(2, 4)), step("d", "SUCCEEDED", attempt(0, 1, { worker: "2" }))];
  expect(laneRows(steps, 9).map((row) => [row.label, row.bars.map((bar) => bar.step)])).toEqual([["1 · 1", ["a", "c"]], ["1 · 2", ["b"]], ["2", ["d"]]]);
});

test("what needs eyes most is what a fold shows", () => {
  expect(foldStatus([step("w[1]", "SUCCEEDED"), step("w[2]", "FAILED"), step("w[3]", "RUNNING")])).toBe("FAILED");
  expect(foldStatus([step("w[1]", "SUCCEEDED"), step("w[2]", "WAITING")])).toBe("WAITING");
});

test("an axis has a length even if nothing has run", () => {
  expect(extent([], 7)).toEqual([7, 7.1]);
});

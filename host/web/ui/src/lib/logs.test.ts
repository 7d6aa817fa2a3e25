import { expect, test } from "vitest";
import type { LogLine } from "../api/types";
import { logMatcher, mergeLines, stepColour } from "./logs";

const line = (number: number, timestamp: number, more: Partial<LogLine> = {}): LogLine => ({
  number, timestamp, stepKey: "clean[m01]", attempt: 1, level: "INFO", source: "op", message: "read 17 rows", fields: null, ...more,
});
const ALL = { steps: [], level: "TRACE" as const, text: "" };

test("a level lets through what is as bad or worse", () => {
  const matches = logMatcher({ ...ALL, level: "WARN" });
  expect((["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] as const).map((level) => matches(line(1, 1, { level })))).toEqual([false, false, false, true, true]);
});

test("a step is named by its key or by what it is a copy of", () => {
  expect(logMatcher({ ...ALL, steps: ["clean"] })(line(1, 1))).toBe(true);
  expect(logMatcher({ ...ALL, steps: ["clean[m01]"] })(line(1, 1))).toBe(true);
  expect(logMatcher({ ...ALL, steps: ["clean[m02]"] })(line(1, 1))).toBe(false);
});

test("all words must be there, in whatever case and order", () => {
  expect(logMatcher({ ...ALL, text: "ROWS read" })(line(1, 1))).toBe(true);
  expect(logMatcher({ ...ALL, text: "rows wrote" })(line(1, 1))).toBe(false);
  expect(logMatcher({ ...ALL, text: "m01 17" })(line(1, 1))).toBe(true);
});

test("lines that come late go where their time is", () => {
  expect(mergeLines([line(1, 1), line(2, 5)], [line(3, 3)]).map((l) => l.number)).toEqual([1, 3, 2]);
  expect(mergeLines([line(1, 1)], [line(2, 2), line(3, 3)]).map((l) => l.number)).toEqual([1, 2, 3]);
  const lines = [line(1, 1)];
  expect(mergeLines(lines, [])).toBe(lines);
});

test("copies of a step have the colour of the step", () => {
  expect(stepColour("clean[m01]", 6)).toBe(stepColour("clean[m02]", 6));
});

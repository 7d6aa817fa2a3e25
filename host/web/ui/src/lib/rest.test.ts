import { expect, test } from "vitest";
import type { Graph, RunStep, RunSummary } from "../api/types";
import { zoomed, within } from "../parts/zoom";
import { quote } from "./cli";
import { boxes, NODES_MAX } from "./graph";
import { parseTags, patchRuns, serverFilter } from "./runs";
import { bytes } from "./size";
import { mergeSteps, shownSteps } from "./steps";
import { absolute, ago, duration, ticks } from "./time";

const run = (runId: string, creationTime: number, more: Partial<RunSummary> = {}) => ({ runId, creationTime, status: "SUCCESS", ...more }) as RunSummary;
const step = (key: string, status: RunStep["status"], more: Partial<RunStep> = {}): RunStep => ({ key, template: key.replace(/\[.*/, ""), status, becauseOf: null, attempts: [], outputs: [], metadata: [], ...more });
const attempt = { number: 1, worker: "1", dispatchedAt: 1, startedAt: 1, endedAt: null, failure: null, usage: null };

test("durations are as long as they help", () => {
  expect([0, 0.0004, 0.0123, 0.9999, 2.14, 42.4, 65, 7380, 90_000].map(duration)).toEqual(["0 ms", "0.4 ms", "12 ms", "1.0 s", "2.1 s", "42 s", "1 m 05 s", "2 h 03 m", "1 d 01 h"]);
});

test("times say their zone, and how long ago they are", () => {
  expect(absolute(1_795_377_600, "utc")).toBe("2026-11-22 20:00:00 UTC");
  expect([0, 12, 180, 7200, 400_000].map((s) => ago(1_000_000 - s, 1_000_000))).toEqual(["just now", "12 s ago", "3 m ago", "2 h ago", "4 d ago"]);
});

test("ticks are round and not too many", () => {
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(3, 3.4, 4)).toHaveLength(5);
});

test("sizes have three digits at most", () => {
  expect([0, 1023, 1536, 20 * 1024 ** 2].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "20 MiB"]);
});

test("a shell gets words as they are meant", () => {
  expect(["abc", "clean[m01]", "it's"].map(quote)).toEqual(["abc", "'clean[m01]'", `'it'\\''s'`]);
});

test("the filter of an address is what the server is asked", () => {
  expect(serverFilter({ status: "FAILURE,nonsense", job: "a", tag: "k=v=w, x=y" })).toEqual({ statuses: ["FAILURE"], pipelineName: "a", tags: [{ key: "k", value: "v=w" }, { key: "x", value: "y" }] });
  expect(serverFilter({})).toEqual({});
  expect(parseTags("a=1\nb").wrong).toEqual(["b"]);
});

const page = (cursor: string | null, ...results: RunSummary[]) => ({ cursor, results });
const idsOf = (pages: { results: RunSummary[] }[]) => pages.map(({ results }) => results.map((r) => r.runId).join(""));

test("runs that changed are moved in, taken over and taken out", () => {
  const pages = [page("b", run("c", 3), run("b", 2)), page(null, run("a", 1))];
  const patched = patchRuns(pages, ["d", "b", "a"], [run("d", 4), run("a", 1, { status: "FAILURE" })]);
  expect(patched.map(({ results }) => results.map((r) => `${r.runId} ${r.status}`))).toEqual([["d SUCCESS", "c SUCCESS"], ["a FAILURE"]]);
});

test("a run that is older than what is loaded waits for its page, if there is another", () => {
  expect(idsOf(patchRuns([page("c", run("c", 3))], ["a"], [run("a", 1)]))).toEqual(["c"]);
  expect(idsOf(patchRuns([page(null, run("c", 3))], ["a"], [run("a", 1)]))).toEqual(["ca"]);
  expect(idsOf(patchRuns([page(null)], ["c", "b"], [run("c", 3), run("b", 2)]))).toEqual(["cb"]);
});

test("a run that is heard of after a newer one stands below it", () => {
  const first = patchRuns([page("a", run("a", 1)), page(null)], ["c"], [run("c", 3)]);
  expect(idsOf(patchRuns(first, ["b"], [run("b", 2)]))).toEqual(["cba", ""]);
});

test("a step never goes back, whichever report comes first", () => {
  const done = step("a", "SUCCEEDED");
  const running = step("a", "RUNNING", { attempts: [attempt] });
  const again = step("a", "RUNNING", { attempts: [{ ...attempt, endedAt: 2 }, { ...attempt, number: 2 }] });
  expect(mergeSteps(new Map([["a", done]]), [running]).get("a")!.status).toBe("SUCCEEDED");
  expect(mergeSteps(new Map([["a", again]]), [running]).get("a")!.attempts).toHaveLength(2);
  expect(mergeSteps(new Map([["a", running]]), [done]).get("a")!.status).toBe("SUCCEEDED");
});

test("copies stand in place of what they are copies of, and planned steps wait", () => {
  const plan = { steps: ["w", "z"].map((key) => ({ key })), edges: [] } as unknown as Graph;
  const known = new Map([step("w", "WAITING"), step("w[10]", "READY"), step("w[9]", "READY")].map((s) => [s.key, s]));
  expect(shownSteps(known, plan).map((s) => `${s.key} ${s.status}`)).toEqual(["w[9] READY", "w[10] READY", "z WAITING"]);
});

test("a graph that is too large is folded by its largest groups, and opened again", () => {
  const keys = [...Array.from({ length: NODES_MAX }, (_, i) => `big.s${i}`), "small.a", "small.b", "end"];
  const graph = { steps: keys.map((key) => ({ key, library: "l", op: "o" })), edges: [{ from: "big.s1", output: "x", to: "end", input: "y" }, { from: "big.s2", output: "x", to: "big.s3", input: "y" }] } as unknown as Graph;
  const folded = boxes(graph, new Set());
  expect(folded.boxes.map((box) => box.id)).toEqual(["big.", "small.a", "small.b", "end"]);
  expect(folded.lines).toEqual([{ from: "big.", to: "end", labels: ["x → y"] }]);
  expect(boxes(graph, new Set(["big."])).boxes).toHaveLength(NODES_MAX + 2);
});

test("a zoom keeps what is under the pointer and stays where there is something", () => {
  expect(zoomed([0, 10], 0.5, 2)).toEqual([1, 6]);
  expect(within([-2, 3], [0, 10])).toEqual([0, 5]);
  expect(within([0, 20], [0, 10])).toBeNull();
});

import { expect, test } from "vitest";
import type { Listed, Tick, TickStatus, TickSummary } from "../api/automation/types";
import { ended, folded, matching, soonest } from "./automation";
import { span, until } from "./time";

const tick = (tickId: string, status: TickStatus, words: string | null = null): TickSummary => ({
  tickId, timestamp: Number(tickId), status, skipReason: status === "SKIPPED" ? words : null, error: status === "FAILURE" ? { message: words ?? "" } : null,
});
const folds = (...ticks: TickSummary[]) => folded(ticks).map((alike) => alike.map(({ tickId }) => tickId).join());

test("ticks in a row that say the same stand together", () => {
  expect(folds(tick("5", "FAILURE", "no weather"), tick("4", "FAILURE", "no weather"), tick("3", "SKIPPED", "sun"), tick("2", "SKIPPED", "sun"), tick("1", "SKIPPED", "rain"))).toEqual(["5,4", "3,2", "1"]);
});

test("what is between keeps equal ticks apart, and ticks that asked for runs never stand together", () => {
  expect(folds(tick("5", "FAILURE", "x"), tick("4", "SUCCESS"), tick("3", "SUCCESS"), tick("2", "FAILURE", "x"), tick("1", "SKIPPED", "x"))).toEqual(["5", "4", "3", "2", "1"]);
  expect(folds()).toEqual([]);
});

test("the newest tick stands apart while it goes on", () => {
  const [on, done] = [tick("2", "STARTED"), tick("1", "SUCCESS")];
  expect(ended([on, done])).toEqual({ now: on, ended: [done] });
  expect(ended([done])).toEqual({ now: null, ended: [done] });
  expect(ended<Tick>([])).toEqual({ now: null, ended: [] });
});

const state = (status: string, nextTick: number | null, ticks: TickSummary[] = []) => ({ status, nextTick, ticks, last: [], canReset: false });
const nightly = { __typename: "Schedule", name: "nightly", location: "flights", description: "Greets", cronSchedule: ["30 2 * * *"], executionTimezone: "Europe/Berlin", pipelineName: "hello", assetSelection: null, state: state("STOPPED", null) } as unknown as Listed;
const files = { __typename: "Sensor", name: "files", location: "flights", description: "", op: "text.files", targets: ["hello", "wide"], state: state("RUNNING", 20, [tick("2", "STARTED"), tick("1", "FAILURE", "No weather today")]) } as unknown as Listed;
const names = (search: Parameters<typeof matching>[1], all = [nightly, files]) => matching(all, search).map(({ name }) => name);

test("the list is filtered by kind, by switch, and by words about it and its last tick", () => {
  expect(names({})).toEqual(["nightly", "files"]);
  expect(names({ kind: "sensor" })).toEqual(["files"]);
  expect(names({ state: "STOPPED" })).toEqual(["nightly"]);
  expect(names({ q: "hello" })).toEqual(["nightly", "files"]);
  expect(names({ q: "berlin greets" })).toEqual(["nightly"]);
  expect(names({ q: "weather wide" })).toEqual(["files"]);
  expect(names({ q: "hello", kind: "schedule", state: "RUNNING" })).toEqual([]);
});

test("a location is a word about it where there is more than one", () => {
  expect(names({ q: "flights" })).toEqual([]);
  expect(names({ q: "flights" }, [nightly, { ...files, location: "reports" }])).toEqual(["nightly"]);
});

test("what ticks next comes first, and what does not tick is left out", () => {
  const at = (name: string, nextTick: number | null) => ({ name, state: { nextTick } });
  expect(soonest([at("b", 9), at("off", null), at("c", 3), at("a", 9)], 2).map(({ name, at }) => `${name} ${at}`)).toEqual(["c 3", "a 9"]);
});

test("what is still to come is said in the largest unit, what is due is now", () => {
  expect([-5, 0, 0.2, 12, 150, 7200, 300_000].map((s) => until(1000 + s, 1000))).toEqual(["now", "now", "in 1 s", "in 12 s", "in 2 m", "in 2 h", "in 3 d"]);
  expect([1, 30, 60, 90, 3600, 5400].map(span)).toEqual(["1 s", "30 s", "1 m", "1 m 30 s", "1 h", "1 h 30 m"]);
});

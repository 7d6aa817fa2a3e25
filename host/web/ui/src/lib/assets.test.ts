import { expect, test } from "vitest";
import type { Asset } from "../api/assets/types";
import { around, expressionOf, keyOf, lineage, matching, notFresh } from "./assets";

const asset = (key: string, more: Partial<Asset> = {}): Asset => ({
  assetKey: { path: key.split("/") }, location: "here", description: "", groupName: "default", owners: [], kinds: [], tags: [], isPartitioned: false, staleStatus: "FRESH", staleCauses: [],
  partitionStats: { numPartitions: 1, numFresh: 1, numStale: 0, numMissing: 0 }, codeVersion: null, dependencyKeys: [], dependedByKeys: [], latestMaterialization: null, ...more,
});
const keys = (assets: Asset[]) => assets.map((one) => keyOf(one.assetKey));
const ALL = [
  asset("raw/base", { groupName: "raw", dependedByKeys: [{ path: ["made", "twice"] }] }),
  asset("made/twice", { staleStatus: "STALE", owners: ["team:data"], dependencyKeys: [{ path: ["raw", "base"] }] }),
  asset("daily", { staleStatus: "MISSING", isPartitioned: true }),
  asset("theirs", { staleStatus: "EXTERNAL" }),
];

test("assets are found by their words and their state", () => {
  expect(keys(matching(ALL, { q: "RAW base" }))).toEqual(["raw/base"]);
  expect(keys(matching(ALL, { q: "team:data" }))).toEqual(["made/twice"]);
  expect(keys(matching(ALL, { state: "MISSING" }))).toEqual(["daily"]);
});

test("what is to be made in one run has no partitions to choose", () => {
  expect(keys(notFresh(ALL))).toEqual(["made/twice"]);
});

test("a lineage has the edges between what it shows", () => {
  const graph = lineage(ALL, (status) => status.toLowerCase());
  expect(graph.edges).toEqual([{ from: "raw/base", output: null, to: "made/twice", input: null }]);
  expect(graph.steps.map((step) => `${step.key} ${step.op}`)).toContain("made/twice stale");
  expect(lineage([ALL[1]!], () => "").edges).toEqual([]);
  expect(keys(around(ALL, ALL[0]!))).toEqual(["raw/base", "made/twice"]);
});

test("an expression means exactly one asset", () => {
  expect(expressionOf("a/b")).toBe('key:"a/b"');
  expect(expressionOf('odd"\\')).toBe('key:"odd\\"\\\\"');
});

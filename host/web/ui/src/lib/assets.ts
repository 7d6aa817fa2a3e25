// Assets as lists and graphs show them, and what is asked for to make them.
import type { Asset, AssetKey, StaleStatus } from "../api/assets/types";
import type { Graph, GraphStep } from "../api/types";

export type AssetsSearch = { q?: string; state?: string; view?: string; pick?: string };

export const keyOf = ({ path }: AssetKey) => path.join("/");

/** The expression that selects exactly this one, as commands take it too. */
export const expressionOf = (key: string) => `key:"${key.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

export function matching(all: Asset[], { q, state }: AssetsSearch): Asset[] {
  const words = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((asset) => {
    const text = [keyOf(asset.assetKey), asset.groupName, asset.description, ...asset.kinds, ...asset.owners, ...asset.tags.map((tag) => `${tag.key}=${tag.value}`)].join(" ").toLowerCase();
    return (!state || asset.staleStatus === state) && words.every((word) => text.includes(word));
  });
}

/** What one run can make of them: what somebody else makes is left out. */
export const makeable = (assets: Asset[]) => assets.filter((asset) => asset.staleStatus !== "EXTERNAL");

/** Those of a code location that are to be made, which one run makes together. */
export const notFresh = (assets: Asset[]) => assets.filter((asset) => (asset.staleStatus === "STALE" || asset.staleStatus === "MISSING") && !asset.isPartitioned);

/** The lineage of these, with the neighbours that are no part of them left out. */
export function lineage(assets: Asset[], word: (status: StaleStatus) => string): Graph {
  const known = new Set(assets.map((asset) => keyOf(asset.assetKey)));
  const step = (asset: Asset): GraphStep => ({
    key: keyOf(asset.assetKey), library: "", op: word(asset.staleStatus), description: asset.description, role: "", inputs: [], outputs: [],
    mapped: false, resources: [], retries: 0, pool: null,
  });
  const edges = assets.flatMap((asset) => asset.dependencyKeys.map(keyOf).filter((from) => known.has(from)).map((from) => ({ from, output: null, to: keyOf(asset.assetKey), input: null })));
  return { steps: assets.map(step), edges };
}

/** An asset with those that it is made from and those that are made from it. */
export function around(all: Asset[], asset: Asset): Asset[] {
  const near = new Set([asset.assetKey, ...asset.dependencyKeys, ...asset.dependedByKeys].map(keyOf));
  return all.filter((other) => other.location === asset.location && near.has(keyOf(other.assetKey)));
}

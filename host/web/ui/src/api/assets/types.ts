// Assets, as the server tells them.
import type { MetadataEntry, Tag } from "../types";

export type StaleStatus = "FRESH" | "STALE" | "MISSING" | "EXTERNAL";
export type Category = "CODE" | "DATA" | "DEPENDENCIES";
export type AssetKey = { path: string[] };
export type StaleCause = { category: Category; reason: string };

export type Made = {
  runId: string; stepKey: string; timestamp: number; partition: string | null; codeVersion: string; dataVersion: string;
  metadataEntries: MetadataEntry[]; cursor: string;
};
export type Checked = { checkName: string; runId: string; timestamp: number; partition: string | null; success: boolean; severity: "WARN" | "ERROR"; metadataEntries: MetadataEntry[] };

export type Asset = {
  assetKey: AssetKey; location: string; description: string; groupName: string; owners: string[]; kinds: string[]; tags: Tag[];
  isPartitioned: boolean; staleStatus: StaleStatus; staleCauses: StaleCause[];
  partitionStats: { numPartitions: number; numFresh: number; numStale: number; numMissing: number };
  codeVersion: string | null; dependencyKeys: AssetKey[]; dependedByKeys: AssetKey[]; latestMaterialization: Made | null;
};
export type AssetHistory = { assetMaterializations: Made[]; assetCheckEvaluations: Checked[] };
export type AssetPartition = {
  partition: string | null; staleStatus: StaleStatus; staleCauses: StaleCause[];
  staleRoots: { assetKey: AssetKey; partition: string | null; category: Category }[];
};

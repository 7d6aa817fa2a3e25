// What the pages of assets read. What is made is announced to nobody: they ask again while they are seen.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { expect, post } from "../client";
import type { Union } from "../queries";
import * as doc from "./documents";
import type { Asset, AssetHistory, AssetPartition } from "./types";

/** Whether something is stale is found by planning, so it is asked less often than what only has to be looked up. */
const ASK_MS = 4_000;

export const useAssets = () =>
  useQuery({
    queryKey: ["assets"], refetchInterval: ASK_MS,
    queryFn: async ({ signal }) => expect<{ nodes: Asset[] }>((await post<{ answer: Union }>(doc.ASSETS, {}, signal)).answer, "AssetNodes").nodes,
  });

/** What was made of one of them: the newest, or what came before one of these. */
export const useAssetHistory = (path: string[], location: string, limit: number, before: string | undefined) =>
  useQuery({
    queryKey: ["assets", "history", location, path, limit, before], refetchInterval: ASK_MS, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) =>
      expect<AssetHistory>((await post<{ answer: Union }>(doc.ASSET_HISTORY, { key: path, location, limit, before }, signal)).answer, "AssetNode"),
  });

export const useAssetPartitions = (path: string[], location: string) =>
  useQuery({
    queryKey: ["assets", "partitions", location, path], refetchInterval: ASK_MS,
    queryFn: async ({ signal }) =>
      expect<{ results: AssetPartition[] }>((await post<{ answer: Union }>(doc.ASSET_PARTITIONS, { key: path, location }, signal)).answer, "AssetPartitions").results,
  });

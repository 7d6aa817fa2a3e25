// What pages read, through the query cache: one hook per thing, and how the cache follows what the server says has changed.
import { keepPreviousData, type InfiniteData, QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { patchRuns } from "../lib/runs";
import { readAgain } from "./again";
import type { Ticking } from "./automation/types";
import { ApiError, expect, onRecovered, post, subscribe } from "./client";
import * as doc from "./documents";
import type {
  ConfigValidation, Diagnostic, Instance, Job, Json, LaunchRequest, LaunchResult, Library, LocationEntry, Queue, Run, RunsFilter,
  RunSummary, Scaffold, ScaffoldHow, ValuePreview, WhyWaiting, Worker,
} from "./types";

export type Union = { __typename: string; message?: string };
export type RunsPage = { cursor: string | null; results: RunSummary[] };

export const RUNS_PAGE = 200;
/** More changed runs than these are not patched one by one: the list is asked for again. */
const PATCH_MAX = 100;
/** What nothing announces, such as workers that come and go, is asked for this often. */
export const POLL_MS = 2_000;

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: (n, error) => !(error instanceof ApiError && error.typename !== "UnexpectedError") && n < 2, staleTime: 5_000 } },
});

export const useInstance = () =>
  useQuery({ queryKey: ["instance"], queryFn: ({ signal }) => post<{ instance: Instance }>(doc.INSTANCE, {}, signal), staleTime: 60_000 });

export const useWorkspace = () =>
  useQuery({
    queryKey: ["workspace"],
    queryFn: async ({ signal }) => {
      const { workspaceOrError } = await post<{ workspaceOrError: Union }>(doc.WORKSPACE, {}, signal);
      return expect<{ locationEntries: LocationEntry[] }>(workspaceOrError, "Workspace").locationEntries;
    },
  });

export const useLibraries = () =>
  useQuery({
    queryKey: ["workspace", "libraries"],
    queryFn: async ({ signal }) => {
      const { workspaceOrError } = await post<{ workspaceOrError: Union }>(doc.LIBRARIES, {}, signal);
      return expect<{ locationEntries: { name: string; libraries: Library[] }[] }>(workspaceOrError, "Workspace").locationEntries;
    },
  });

export const useJobsRuns = () =>
  useQuery({
    queryKey: ["runs", "by job"],
    queryFn: async ({ signal }) => {
      const { workspaceOrError } = await post<{ workspaceOrError: Union }>(doc.JOBS_RUNS, {}, signal);
      const { locationEntries } = expect<{ locationEntries: { name: string; jobs: { name: string; runs: RunSummary[] }[] }[] }>(workspaceOrError, "Workspace");
      return new Map(locationEntries.flatMap((entry) => entry.jobs.map((job) => [`${entry.name}/${job.name}`, job.runs])));
    },
  });

export const useJob = (name: string, location?: string) =>
  useQuery({
    queryKey: ["runs", "job", name, location],
    queryFn: async ({ signal }) => expect<Job>((await post<{ jobOrError: Union }>(doc.JOB, { name, location }, signal)).jobOrError, "Job"),
  });

export const useRuns = (filter: RunsFilter) =>
  useInfiniteQuery({
    queryKey: ["run list", filter],
    queryFn: ({ pageParam, signal }) => runsPage(filter, pageParam, RUNS_PAGE, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    placeholderData: keepPreviousData,
  });

export const useSomeRuns = (filter: RunsFilter, limit: number) =>
  useQuery({ queryKey: ["runs", "some", filter, limit], queryFn: ({ signal }) => runsPage(filter, null, limit, signal), placeholderData: keepPreviousData });

async function runsPage(filter: RunsFilter, cursor: string | null, limit: number, signal?: AbortSignal): Promise<RunsPage> {
  const { runsOrError } = await post<{ runsOrError: Union }>(doc.RUNS, { filter, cursor, limit }, signal);
  return expect<RunsPage>(runsOrError, "Runs");
}

export const useRun = (runId: string) =>
  useQuery({
    queryKey: ["run", runId], enabled: runId !== "",
    queryFn: async ({ signal }) => expect<Run>((await post<{ runOrError: Union }>(doc.RUN, { runId }, signal)).runOrError, "Run"),
  });

export const useCluster = () =>
  useQuery({ queryKey: ["cluster"], queryFn: ({ signal }) => post<{ workers: Worker[]; queue: Queue }>(doc.WORKERS, {}, signal), refetchInterval: POLL_MS });

export const useNext = () =>
  useQuery({
    queryKey: ["automation", "next"], refetchInterval: POLL_MS,
    queryFn: async ({ signal }) => {
      const { schedulesOrError, sensorsOrError } = await post<{ schedulesOrError: Union; sensorsOrError: Union }>(doc.NEXT, {}, signal);
      return [...expect<{ results: Ticking[] }>(schedulesOrError, "Schedules").results, ...expect<{ results: Ticking[] }>(sensorsOrError, "Sensors").results];
    },
  });

export const useWhy = (runId: string, stepKey: string, wanted: boolean) =>
  useQuery({
    queryKey: ["why", runId, stepKey], enabled: wanted, refetchInterval: POLL_MS,
    queryFn: async ({ signal }) => (await post<{ whyWaiting: WhyWaiting[] }>(doc.WHY, { runId, stepKey }, signal)).whyWaiting,
  });

export const usePreview = (runId: string, stepKey: string, output: string, mappingKey: string | null, wanted: boolean) =>
  useQuery({
    queryKey: ["preview", runId, stepKey, output, mappingKey], enabled: wanted, staleTime: Infinity,
    queryFn: async ({ signal }) => (await post<{ valuePreview: ValuePreview | null }>(doc.PREVIEW, { runId, stepKey, output, mappingKey }, signal)).valuePreview,
  });

export const useValidation = (request: LaunchRequest) =>
  useQuery({
    queryKey: ["validation", request], placeholderData: keepPreviousData, staleTime: 0,
    queryFn: async ({ signal }) => (await post<{ isPipelineConfigValid: ConfigValidation }>(doc.VALIDATE, { request }, signal)).isPipelineConfigValid,
  });

export const useConfigSchema = (job: string, location: string | undefined, environment: string | undefined) =>
  useQuery({
    queryKey: ["schema", job, location, environment],
    queryFn: async ({ signal }) => {
      const { runConfigSchemaOrError } = await post<{ runConfigSchemaOrError: Union }>(doc.CONFIG_SCHEMA, { job, location, environment }, signal);
      return expect<{ schema: Json }>(runConfigSchemaOrError, "RunConfigSchema").schema;
    },
  });

export const scaffold = async (request: LaunchRequest, how: ScaffoldHow) =>
  (await post<{ scaffoldRunConfig: Scaffold }>(doc.SCAFFOLD, { request, how })).scaffoldRunConfig;

// What is done.

/** The run config was refused; the places are in `diagnostics`. */
export class ConfigInvalid extends ApiError {
  constructor(message: string, readonly diagnostics: Diagnostic[]) {
    super(message, "RunConfigValidationInvalid");
  }
}

function launched(answer: Union & { diagnostics?: Diagnostic[] }): LaunchResult {
  if (answer.__typename === "RunConfigValidationInvalid") throw new ConfigInvalid(answer.message ?? "", answer.diagnostics ?? []);
  return expect<LaunchResult>(answer, "LaunchRunSuccess");
}

export const useLaunch = () =>
  useMutation({ mutationFn: async (request: LaunchRequest) => launched((await post<{ launchRun: Union }>(doc.LAUNCH, { request })).launchRun) });

export type Rerun = { parentRunId: string; strategy: "ALL_STEPS" | "FROM_FAILURE" | "SELECTION"; stepSelection?: string[] };
export const useRerun = () =>
  useMutation({ mutationFn: async (rerun: Rerun) => launched((await post<{ launchRunReexecution: Union }>(doc.RERUN, rerun)).launchRunReexecution) });

/** Asks for the end of the runs; fails with the first that was refused. */
export const useTerminate = () =>
  useMutation({
    mutationFn: async (runIds: string[]) => {
      const { terminateRuns } = await post<{ terminateRuns: Union[] }>(doc.TERMINATE, { runIds });
      terminateRuns.forEach((answer) => expect(answer, "TerminateRunSuccess"));
    },
  });

export type Review = { runId: string; stepKey: string; approved: boolean; note?: string };
/** Lets a step run that waits to be approved, or fails it. What comes of it is told by the live run. */
export const useReview = () =>
  useMutation({ mutationFn: async (review: Review) => expect((await post<{ reviewStep: Union }>(doc.REVIEW, review)).reviewStep, "ReviewStepSuccess") });

export function useDrain() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (worker: string) => expect((await post<{ drainWorker: Union }>(doc.DRAIN, { worker })).drainWorker, "DrainWorkerSuccess"),
    onSettled: () => cache.invalidateQueries({ queryKey: ["cluster"] }),
  });
}

export function useReload() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async () => expect((await post<{ reloadWorkspace: Union }>(doc.RELOAD)).reloadWorkspace, "Workspace"),
    onSettled: () => cache.invalidateQueries({ queryKey: ["workspace"] }),
  });
}

/** Keeps the cache in step with the server. The frame calls it once, and so the socket is always there. */
export function useFollowing() {
  const cache = useQueryClient();
  useEffect(() => {
    let version: number | null = null;
    let moving = Promise.resolve();
    const again = (...keys: string[]) => keys.forEach((key) => readAgain(cache, [key]));
    const stops = [
      subscribe<{ runsChanged: { runIds: string[] } }>({ query: doc.RUNS_CHANGED, next: ({ runsChanged }) => void (moving = moving.then(() => runsMoved(cache, runsChanged.runIds))) }),
      subscribe<{ locationStateChangeEvents: { version: number } }>({
        query: doc.LOCATIONS_CHANGED,
        next: ({ locationStateChangeEvents: now }) => {
          // The first message says how it is. What moved between the first reading of a list and now was announced to nobody.
          if (version === null) again("runs", "run list");
          else if (version !== now.version) again("workspace", "assets", "runs", "schema", "validation");
          version = now.version;
        },
      }),
      onRecovered(() => void cache.invalidateQueries()),
    ];
    return () => stops.forEach((stop) => stop());
  }, [cache]);
}

/** A list that is being read now may have been read before the change: it is read again instead of patched. */
async function runsMoved(cache: QueryClient, runIds: string[]) {
  readAgain(cache, ["runs"]);
  for (const query of cache.getQueryCache().findAll({ queryKey: ["run list"] })) {
    const patchable = () => runIds.length > 0 && runIds.length <= PATCH_MAX && query.isActive() && query.state.fetchStatus === "idle";
    const filter = query.queryKey[1] as RunsFilter;
    const found = patchable() ? await runsPage({ ...filter, runIds }, null, PATCH_MAX).catch(() => null) : null;
    if (found && patchable()) cache.setQueryData<InfiniteData<RunsPage>>(query.queryKey, (old) => old && { ...old, pages: patchRuns(old.pages, runIds, found.results) });
    else readAgain(cache, query.queryKey);
  }
}

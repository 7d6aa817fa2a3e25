// The shapes of what /graphql answers, by hand from schema.graphql. A test checks every document of documents.ts against that
// file; these types say what the documents ask for.

import type { Visitor } from "../lib/roles";

export type RunStatus = "QUEUED" | "STARTED" | "CANCELING" | "SUCCESS" | "FAILURE" | "CANCELED";
export type StepStatus =
  | "WAITING" | "READY" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "SKIPPED" | "ABANDONED" | "CANCELLED";
export type LogLevel = "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR";
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Tag = { key: string; value: string };
export type MetadataEntry = { name: string; kind: string; text: string };

export type Diagnostic = {
  severity: "ERROR" | "WARNING";
  code: string;
  message: string;
  file: string | null;
  line: number | null;
  column: number | null;
  endLine: number | null;
  endColumn: number | null;
  label: string | null;
  hint: string | null;
};

export type Instance = { name: string; version: string; stateDir: string; startedAt: number; visitor: Visitor | null };

export type Port = {
  name: string; description: string; mediaType: string; schema: Json; required: boolean; many: boolean; dynamic: boolean;
};
export type Op = { name: string; description: string; inputs: Port[]; outputs: Port[]; configSchema: Json; pure: boolean };
export type Library = {
  name: string; language: string | null; source: string; digest: string; version: string | null; sizeBytes: number | null; ops: Op[];
};

export type JobSummary = { name: string; location: string; description: string; tags: Tag[]; isAssetJob: boolean };
export type LocationEntry = {
  name: string; folder: string; loadedAt: number; loadStatus: "LOADING" | "LOADED" | "FAILED";
  diagnostics: Diagnostic[]; jobs: JobSummary[]; environments: string[];
};

export type GraphStep = {
  key: string; op: string; library: string; description: string; role: string; inputs: Port[]; outputs: Port[];
  mapped: boolean; resources: string[]; retries: number; pool: string | null;
};
export type GraphEdge = { from: string; output: string | null; to: string; input: string | null };
export type Graph = { steps: GraphStep[]; edges: GraphEdge[] };
export type JobGraph = { graph: Graph | null; error: string | null; diagnostics: Diagnostic[] };
export type Job = JobSummary & { graph: JobGraph; partitions: string | null; runs: RunSummary[] };

export type StepCounts = {
  succeeded: number; failed: number; skipped: number; abandoned: number; cancelled: number; retries: number; lost: number;
};
export type RunSummary = {
  runId: string; jobName: string; status: RunStatus; creationTime: number; startTime: number | null; endTime: number | null;
  tags: Tag[]; firstError: string | null; stepCounts: StepCounts; nSteps: number; canTerminate: boolean;
};

export type Usage = {
  queue: number; slot: number; fetch: number; compile: number; load: number; wall: number; store: number; cpu: number; memoryPeakBytes: number;
  inputBytes: number; outputBytes: number; fuel: number | null; logLinesDropped: number;
};
export type Failure = { kind: string; message: string; causes: string[]; backtrace: string[]; metadata: MetadataEntry[] };
export type Attempt = {
  number: number; worker: string; dispatchedAt: number; startedAt: number | null; endedAt: number | null;
  failure: Failure | null; usage: Usage | null;
};
export type StepOutput = {
  name: string; mappingKey: string | null; mediaType: string; sizeBytes: number; digest: string;
  metadata: MetadataEntry[];
};
/** A step had all that it read, and waited as its definition says. Times in seconds. */
export type StepWait = {
  approval: boolean; since: number; until: number | null; end: "ELAPSED" | "APPROVED" | "REJECTED" | "TIMED_OUT" | null; endedAt: number | null;
  by: string | null; note: string | null;
};
export type RunStep = {
  key: string; template: string; status: StepStatus; becauseOf: string | null; wait: StepWait | null; attempts: Attempt[]; outputs: StepOutput[];
  metadata: MetadataEntry[];
};
export type StepFailure = { stepKey: string; attempts: number; failure: Failure };
export type Run = RunSummary & {
  parentRunId: string | null; rootRunId: string | null; runConfigYaml: string; plan: Graph; steps: RunStep[];
  failure: StepFailure | null; libraries: Tag[]; childRunIds: string[];
};

export type RunEvent = {
  seq: number; timestamp: number; eventType: string; stepKey: string | null; attempt: number | null; about: string | null;
  message: string; level: LogLevel;
};
export type LogLine = {
  number: number; timestamp: number; stepKey: string; attempt: number; level: LogLevel; source: string; message: string; fields: Json;
};

export type LaunchRequest = {
  jobName: string; assetSelection?: string[]; location?: string; runConfigYaml?: string; stepSelection?: string[]; partition?: string; environment?: string;
  tags?: Tag[];
};
export type PlannedStep = { key: string; op: string };
export type ConfigValidation = {
  isValid: boolean; diagnostics: Diagnostic[]; error: string | null; unservable: string | null; steps: PlannedStep[];
};
export type Scaffold = { yaml: string | null; removed: string[]; diagnostics: Diagnostic[]; error: string | null };
export type ScaffoldHow = "SCAFFOLD" | "DEFAULTS" | "REMOVE_EXTRA";

export type RunningStep = { runId: string; stepKey: string; since: number };
export type Worker = {
  id: string; slots: number; resources: Tag[]; labels: Tag[]; leaving: boolean;
  running: RunningStep[];
};
export type Count = { name: string; count: number };
export type QueuedRun = { runId: string; jobName: string; priority: number; text: string };
/** Of steps of all runs at most `limit` at once; without it, as many as there are. The first holders are named. */
export type Pool = { name: string; limit: number | null; taken: number; waiting: number; holders: { runId: string; stepKey: string }[] };
export type Queue = {
  runs: Count[]; waiting: Count[]; running: number; slots: number;
  /** In the order in which they begin; of `moreQueued` more nothing is told. */
  queued: QueuedRun[]; moreQueued: number; pools: Pool[];
};
export type WhyWaiting = { stepKey: string; reason: string; text: string };

export type ValuePreview = {
  kind: string; mediaType: string; sizeBytes: number; url: string; text: string | null; json: Json; error: string | null;
};

export type RunsFilter = { runIds?: string[]; pipelineName?: string; statuses?: RunStatus[]; tags?: Tag[]; createdAfter?: number };
export type LaunchResult = { run: { runId: string } };

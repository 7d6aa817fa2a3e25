// Every GraphQL document that the pages use. `name` is the field of the answer; unions are told apart by `__typename`.

const ERROR = `... on Error { message }`;
const DIAGNOSTIC = `severity code message file line column endLine endColumn label hint`;
const TAG = `key value`;
const SUMMARY = `
  runId jobName status creationTime startTime endTime tags { ${TAG} } firstError canTerminate nSteps
  stepCounts { succeeded failed skipped abandoned cancelled retries lost }`;
const PORT = `name description mediaType schema required many dynamic`;
const GRAPH = `
  steps { key op library description role mapped resources retries pool inputs { ${PORT} } outputs { ${PORT} } }
  edges { from output to input }`;
const METADATA = `metadata { name kind text }`;
const FAILURE = `kind message causes backtrace ${METADATA}`;
const STEP = `
  key template status becauseOf wait { approval since until end endedAt by note } ${METADATA}
  attempts {
    number worker dispatchedAt startedAt endedAt failure { ${FAILURE} }
    usage { queue slot fetch compile load wall store cpu memoryPeakBytes inputBytes outputBytes fuel logLinesDropped }
  }
  outputs { name mappingKey mediaType sizeBytes digest ${METADATA} }`;
const EVENT = `seq timestamp eventType stepKey attempt about message level`;
const LINE = `number timestamp stepKey attempt level source message fields`;
const STEP_FAILURE = `failure { stepKey attempts failure { ${FAILURE} } }`;

export const INSTANCE = `query Instance { instance { name version stateDir startedAt visitor { name role } } }`;

export const WORKSPACE = `query Workspace { workspaceOrError { __typename ${ERROR} ... on Workspace { locationEntries {
  name folder loadedAt loadStatus environments diagnostics { ${DIAGNOSTIC} }
  jobs { name location description isAssetJob tags { ${TAG} } }
} } } }`;

export const LIBRARIES = `query Libraries { workspaceOrError { __typename ${ERROR} ... on Workspace { locationEntries { name libraries {
  name language source digest version sizeBytes
  ops { name description configSchema pure inputs { ${PORT} } outputs { ${PORT} } }
} } } } }`;

export const JOBS_RUNS = `query JobsRuns { workspaceOrError { __typename ${ERROR} ... on Workspace { locationEntries {
  name jobs { name runs(limit: 10) { ${SUMMARY} } }
} } } }`;

export const JOB = `query Job($name: String!, $location: String) { jobOrError(name: $name, location: $location) { __typename ${ERROR}
  ... on Job { name location description isAssetJob partitions tags { ${TAG} } graph { error diagnostics { ${DIAGNOSTIC} } graph { ${GRAPH} } } runs(limit: 20) { ${SUMMARY} } }
} }`;

export const RUNS = `query Runs($filter: RunsFilter!, $cursor: String, $limit: Int) {
  runsOrError(filter: $filter, cursor: $cursor, limit: $limit) { __typename ${ERROR} ... on Runs { cursor results { ${SUMMARY} } } }
}`;

export const RUN = `query Run($runId: ID!) { runOrError(runId: $runId) { __typename ${ERROR} ... on Run { ${SUMMARY}
  parentRunId rootRunId runConfigYaml childRunIds libraries { ${TAG} } plan { ${GRAPH} } steps { ${STEP} } ${STEP_FAILURE}
} } }`;

export const WORKERS = `query Workers {
  workers { id slots leaving resources { ${TAG} } labels { ${TAG} } running { runId stepKey since } }
  queue {
    runs { name count } waiting { name count } running slots moreQueued
    queued { runId jobName priority text } pools { name limit taken waiting holders { runId stepKey } }
  }
}`;

export const NEXT = `query Next {
  schedulesOrError { __typename ${ERROR} ... on Schedules { results { __typename name location pipelineName assetSelection state: scheduleState { nextTick } } } }
  sensorsOrError { __typename ${ERROR} ... on Sensors { results { __typename name location targets state: sensorState { nextTick } } } }
}`;

export const WHY = `query Why($runId: ID!, $stepKey: String) { whyWaiting(runId: $runId, stepKey: $stepKey) { stepKey reason text } }`;

export const PREVIEW = `query Preview($runId: ID!, $stepKey: String!, $output: String!, $mappingKey: String) {
  valuePreview(runId: $runId, stepKey: $stepKey, output: $output, mappingKey: $mappingKey) {
    kind mediaType sizeBytes url text json error
  }
}`;

export const VALIDATE = `query Validate($request: LaunchRequest!) { isPipelineConfigValid(request: $request) {
  isValid error unservable diagnostics { ${DIAGNOSTIC} } steps { key op }
} }`;

export const CONFIG_SCHEMA = `query ConfigSchema($job: String!, $location: String, $environment: String) {
  runConfigSchemaOrError(job: $job, location: $location, environment: $environment) { __typename ${ERROR} ... on RunConfigSchema { schema } }
}`;

export const SCAFFOLD = `query Scaffold($request: LaunchRequest!, $how: ScaffoldHow!) { scaffoldRunConfig(request: $request, how: $how) {
  yaml removed error diagnostics { ${DIAGNOSTIC} }
} }`;

const LAUNCHED = `__typename ${ERROR} ... on RunConfigValidationInvalid { diagnostics { ${DIAGNOSTIC} } }
  ... on LaunchRunSuccess { run { runId } }`;

export const LAUNCH = `mutation Launch($request: LaunchRequest!) { launchRun(request: $request) { ${LAUNCHED} } }`;

export const RERUN = `mutation Rerun($parentRunId: ID!, $strategy: ReexecutionStrategy!, $stepSelection: [String!]! = []) {
  launchRunReexecution(parentRunId: $parentRunId, strategy: $strategy, stepSelection: $stepSelection) { ${LAUNCHED} }
}`;

export const TERMINATE = `mutation Terminate($runIds: [ID!]!) { terminateRuns(runIds: $runIds) {
  __typename ${ERROR} ... on TerminateRunSuccess { run { ${SUMMARY} } }
} }`;

export const REVIEW = `mutation Review($runId: ID!, $stepKey: String!, $approved: Boolean!, $note: String) {
  reviewStep(runId: $runId, stepKey: $stepKey, approved: $approved, note: $note) { __typename ${ERROR} ... on ReviewStepSuccess { run { runId } } }
}`;

export const DRAIN = `mutation Drain($worker: ID!) { drainWorker(worker: $worker) { __typename ${ERROR} ... on DrainWorkerSuccess { worker } } }`;

export const RELOAD = `mutation Reload { reloadWorkspace { __typename ${ERROR} } }`;

export const RUN_EVENTS = `subscription RunEvents($runId: ID!, $cursor: String) { pipelineRunLogs(runId: $runId, cursor: $cursor) {
  cursor hasMorePastEvents events { ${EVENT} } steps { ${STEP} } run { ${SUMMARY} ${STEP_FAILURE} }
} }`;

export const RUN_LINES = `subscription RunLines($runId: ID!, $cursor: String) { capturedLogs(runId: $runId, cursor: $cursor) {
  cursor hasMore lines { ${LINE} }
} }`;

export const RUNS_CHANGED = `subscription RunsChanged { runsChanged { runIds } }`;

export const LOCATIONS_CHANGED = `subscription LocationsChanged { locationStateChangeEvents { version } }`;

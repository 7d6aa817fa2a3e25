// The GraphQL of the pages of automation, which are loaded when they are opened.

const ERROR = `... on Error { message }`;
const TAGS = `tags { key value }`;
const SCHEDULE = `__typename name location description cronSchedule executionTimezone pipelineName assetSelection`;
const SENSOR = `__typename name location description op targets minIntervalSeconds`;
const STATE = `status canReset nextTick`;
const RUNS = `runs { runId runKey partition refused run { jobName status } }`;
const LISTED = `${STATE} ticks(limit: 25) { tickId timestamp status skipReason error { message } } last: ticks(limit: 2) { tickId ${RUNS} }`;
const SHOWN = `${STATE} cursor lastRunKey ticks(limit: $limit, cursor: $before) {
  tickId timestamp startTimestamp endTimestamp status skipReason failures error { message causes } ${RUNS}
}`;
const DRY_RUN = `__typename ${ERROR} ... on DryRunInstigationTick {
  timestamp skipReason error { message causes } cursor logs runRequests { jobName runKey skipped partition runConfigYaml ${TAGS} }
}`;

export const AUTOMATION = `query Automation {
  schedulesOrError { __typename ${ERROR} ... on Schedules { results { ${SCHEDULE} state: scheduleState { ${LISTED} } } } }
  sensorsOrError { __typename ${ERROR} ... on Sensors { results { ${SENSOR} state: sensorState { ${LISTED} } } } }
}`;

/** Of a tick and those before it. */
export const TICK_LOGS = `query TickLogs($name: String!, $location: String, $before: ID) { answer: sensorOrError(name: $name, location: $location) { __typename ${ERROR}
  ... on Sensor { state: sensorState { ticks(limit: 5, cursor: $before) { tickId logs } } }
} }`;

export const SCHEDULE_PAGE = `query Schedule($name: String!, $location: String, $limit: Int!, $before: ID) { answer: scheduleOrError(name: $name, location: $location) { __typename ${ERROR}
  ... on Schedule { ${SCHEDULE} catchUp maxTickRetries ${TAGS} defaultStatus futureTicks(limit: 5) state: scheduleState { ${SHOWN} } }
} }`;

export const SENSOR_PAGE = `query Sensor($name: String!, $location: String, $limit: Int!, $before: ID) { answer: sensorOrError(name: $name, location: $location) { __typename ${ERROR}
  ... on Sensor { ${SENSOR} timeoutSeconds ${TAGS} defaultStatus state: sensorState { ${SHOWN} } }
} }`;

const turn = (name: string, field: string) => `mutation ${name}($name: String!, $location: String) { answer: ${field}(name: $name, location: $location) { __typename ${ERROR} } }`;
export const START_SCHEDULE = turn("StartSchedule", "startSchedule");
export const STOP_SCHEDULE = turn("StopSchedule", "stopRunningSchedule");
export const RESET_SCHEDULE = turn("ResetSchedule", "resetSchedule");
export const START_SENSOR = turn("StartSensor", "startSensor");
export const STOP_SENSOR = turn("StopSensor", "stopSensor");
export const RESET_SENSOR = turn("ResetSensor", "resetSensor");

export const SET_CURSOR = `mutation SetCursor($name: String!, $location: String, $cursor: String) { setSensorCursor(name: $name, location: $location, cursor: $cursor) { __typename ${ERROR} } }`;

export const TRY_SCHEDULE = `mutation TrySchedule($name: String!, $location: String) { answer: scheduleDryRun(name: $name, location: $location) { ${DRY_RUN} } }`;
export const TRY_SENSOR = `mutation TrySensor($name: String!, $location: String) { answer: sensorDryRun(name: $name, location: $location) { ${DRY_RUN} } }`;

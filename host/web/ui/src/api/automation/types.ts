// The shapes of what the pages of automation ask for.
import type { RunStatus, Tag } from "../types";

export type Kind = "schedule" | "sensor";
export type InstigationStatus = "RUNNING" | "STOPPED";
export type TickStatus = "STARTED" | "SUCCESS" | "SKIPPED" | "FAILURE";

/** How a tick ended and why: what lists know of it. */
export type TickSummary = { tickId: string; timestamp: number; status: TickStatus; skipReason: string | null; error: { message: string } | null };
export type TickRun = { runId: string; runKey: string | null; partition: string | null; refused: string | null; run: { jobName: string; status: RunStatus } | null };
export type Tick = TickSummary & {
  startTimestamp: number; endTimestamp: number | null; error: { message: string; causes: string[] } | null; failures: number; runs: TickRun[];
};

export type State = { status: InstigationStatus; canReset: boolean; nextTick: number | null };
type Turned<S> = { name: string; location: string; description: string; state: S };
export type Schedule<S> = Turned<S> & {
  __typename: "Schedule"; cronSchedule: string[]; executionTimezone: string; pipelineName: string | null; assetSelection: string | null;
};
export type Sensor<S> = Turned<S> & { __typename: "Sensor"; op: string; targets: string[]; minIntervalSeconds: number };
/** A schedule or a sensor. */
export type Instigator<S = State> = Schedule<S> | Sensor<S>;

/** As the list has it: the newest ticks without their runs, and the runs of the last one and, while that goes on, of the one before. */
export type Listed = Instigator<State & { ticks: TickSummary[]; last: { tickId: string; runs: TickRun[] }[] }>;

/** What is known of it where only its next tick matters. */
export type Ticking = { __typename: "Schedule" | "Sensor"; name: string; location: string; pipelineName?: string | null; assetSelection?: string | null; targets?: string[]; state: { nextTick: number | null } };

type Page = { tags: Tag[]; defaultStatus: InstigationStatus };
export type PageState = State & { cursor: string | null; lastRunKey: string | null; ticks: Tick[] };
export type SchedulePage = Schedule<PageState> & Page & { catchUp: string; maxTickRetries: number; futureTicks: number[] };
export type SensorPage = Sensor<PageState> & Page & { timeoutSeconds: number };
/** Which one is meant. */
export type Which = Pick<Instigator, "__typename" | "name" | "location">;

/** As its own page has it. */
export type Shown = SchedulePage | SensorPage;

export type RunRequest = { jobName: string | null; runKey: string | null; skipped: string | null; partition: string | null; runConfigYaml: string; tags: Tag[] };
export type DryRun = {
  timestamp: number; runRequests: RunRequest[]; skipReason: string | null; error: { message: string; causes: string[] } | null; cursor: string | null; logs: string[];
};

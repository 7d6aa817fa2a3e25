// What streams into the page of one run: its events with the states of steps, and its log lines. Messages are gathered for a
// frame, so that a burst of them costs one render.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { mergeLines } from "../lib/logs";
import { mergeSteps, shownSteps } from "../lib/steps";
import { ApiError, subscribe } from "./client";
import { RUN_EVENTS, RUN_LINES } from "./documents";
import type { LogLine, Run, RunEvent, RunStep, RunSummary, StepFailure } from "./types";

type Moved = Pick<Run, "failure"> & RunSummary;
type EventsMessage = { pipelineRunLogs: { cursor: string; hasMorePastEvents: boolean; events: RunEvent[]; steps: RunStep[]; run: Moved } };
type LinesMessage = { capturedLogs: { cursor: string; lines: LogLine[] } };
type Stream<S> = { state: S; complete: boolean; error: ApiError | null };

export type LiveRun = { run: Run; steps: RunStep[]; events: RunEvent[]; failure: StepFailure | null; complete: boolean; error: ApiError | null };

/** The run as it was read, moved on by what has streamed in since. */
export function useLiveRun(read: Run): LiveRun {
  const { state, complete, error } = useStream<EventsMessage, EventsState>({
    runId: read.runId, query: RUN_EVENTS, start: NO_EVENTS, cursor: (m) => m.pipelineRunLogs.cursor, fold: foldEvents,
  });
  const steps = useMemo(
    () => shownSteps(mergeSteps(new Map(state.steps), read.steps), read.plan),
    [state.steps, read],
  );
  useUnheardOf(read, state.steps);
  const run = state.run ? { ...read, ...state.run } : read;
  return { run, steps, events: state.events, failure: run.failure, complete, error };
}

export function useRunLines(runId: string): { lines: LogLine[]; complete: boolean; error: ApiError | null } {
  const { state, ...rest } = useStream<LinesMessage, LogLine[]>({
    runId, query: RUN_LINES, start: NO_LINES, cursor: (m) => m.capturedLogs.cursor,
    fold: (lines, messages) => mergeLines(lines, messages.flatMap((m) => m.capturedLogs.lines)),
  });
  return { lines: state, ...rest };
}

/** How long copies that were not heard of yet may gather before the run is read again. */
const GATHER_MS = 300;

/** A step that the run did not have when it was read is a copy of a mapped one: its siblings, which wait, are read too. */
function useUnheardOf(read: Run, streamed: ReadonlyMap<string, RunStep>) {
  const cache = useQueryClient();
  const askedFor = useRef(0);
  const unheardOf = useMemo(() => {
    const known = new Set(read.steps.map((step) => step.key));
    return [...streamed.keys()].filter((key) => !known.has(key)).length;
  }, [read, streamed]);
  useEffect(() => {
    if (unheardOf === 0 || unheardOf === askedFor.current) return;
    const timer = setTimeout(() => {
      askedFor.current = unheardOf;
      void cache.invalidateQueries({ queryKey: ["run", read.runId] });
    }, GATHER_MS);
    return () => clearTimeout(timer);
  }, [cache, read.runId, unheardOf]);
}

type EventsState = { events: RunEvent[]; steps: ReadonlyMap<string, RunStep>; run: Moved | null };
const NO_EVENTS: EventsState = { events: [], steps: new Map(), run: null };
const NO_LINES: LogLine[] = [];

function foldEvents(state: EventsState, messages: EventsMessage[]): EventsState {
  const logs = messages.map((m) => m.pipelineRunLogs);
  return {
    events: [...state.events, ...logs.flatMap((m) => m.events)],
    steps: logs.reduce((steps, m) => mergeSteps(steps, m.steps), state.steps),
    run: logs.at(-1)?.run ?? state.run,
  };
}

type Source<M, S> = { runId: string; query: string; start: S; cursor: (message: M) => string; fold: (state: S, messages: M[]) => S };

function useStream<M extends object, S>(source: Source<M, S>): Stream<S> {
  const { runId, query, start } = source;
  const latest = useRef(source);
  latest.current = source;
  const [stream, setStream] = useState<Stream<S>>({ state: start, complete: false, error: null });
  useEffect(() => {
    let waiting: M[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      timer = undefined;
      const messages = waiting;
      waiting = [];
      setStream((old) => ({ ...old, state: latest.current.fold(old.state, messages) }));
    };
    setStream({ state: start, complete: false, error: null });
    const stop = subscribe<M>({
      query, variables: { runId }, cursor: (message) => latest.current.cursor(message),
      next: (message) => {
        waiting.push(message);
        timer ??= setTimeout(flush, 16);
      },
      end: () => {
        clearTimeout(timer);
        flush();
        setStream((old) => ({ ...old, complete: true }));
      },
      error: (error) => setStream((old) => ({ ...old, error })),
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [runId, query, start]);
  return stream;
}

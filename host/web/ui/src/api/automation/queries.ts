// What the pages of automation read and do. Nothing announces a tick: they ask again while they are seen.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { kindOf } from "../../lib/automation";
import { expect, post } from "../client";
import { POLL_MS, type Union } from "../queries";
import * as doc from "./documents";
import type { DryRun, Kind, Listed, Shown, Which } from "./types";

const TYPE = { schedule: "Schedule", sensor: "Sensor" } as const;

export const useAutomation = () =>
  useQuery({
    queryKey: ["automation", "all"], refetchInterval: POLL_MS,
    queryFn: async ({ signal }) => {
      const { schedulesOrError, sensorsOrError } = await post<{ schedulesOrError: Union; sensorsOrError: Union }>(doc.AUTOMATION, {}, signal);
      const schedules = expect<{ results: Listed[] }>(schedulesOrError, "Schedules").results;
      const sensors = expect<{ results: Listed[] }>(sensorsOrError, "Sensors").results;
      return [...schedules, ...sensors].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.__typename.localeCompare(b.__typename) || a.location.localeCompare(b.location));
    },
  });

/** One of them with a page of its ticks: the newest, or those before a tick. What is shown stays until another page has come. */
export const useInstigator = (kind: Kind, name: string, location: string | undefined, limit: number, before: string | undefined) =>
  useQuery({
    queryKey: ["automation", kind, name, location, limit, before], refetchInterval: POLL_MS, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const document = kind === "schedule" ? doc.SCHEDULE_PAGE : doc.SENSOR_PAGE;
      return expect<Shown>((await post<{ answer: Union }>(document, { name, location, limit, before }, signal)).answer, TYPE[kind]);
    },
  });

/** What the op of a sensor logged in a tick that has ended; `newer` is the tick after it, if there is one. */
export const useTickLogs = ({ name, location }: Which, tickId: string, newer: string | undefined) =>
  useQuery({
    queryKey: ["tick logs", location, name, tickId], staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const { answer } = await post<{ answer: Union }>(doc.TICK_LOGS, { name, location, before: newer }, signal);
      return expect<{ state: { ticks: { tickId: string; logs: string[] }[] } }>(answer, "Sensor").state.ticks.find((tick) => tick.tickId === tickId)?.logs ?? [];
    },
  });

/** Asks for all of automation again; done when what is shown is what is. */
function useAgain() {
  const cache = useQueryClient();
  return () => cache.invalidateQueries({ queryKey: ["automation"] });
}

export type Turn = "start" | "stop" | "reset";
const TURNS = {
  schedule: { start: doc.START_SCHEDULE, stop: doc.STOP_SCHEDULE, reset: doc.RESET_SCHEDULE },
  sensor: { start: doc.START_SENSOR, stop: doc.STOP_SENSOR, reset: doc.RESET_SENSOR },
};

export function useTurn() {
  const again = useAgain();
  return useMutation({
    mutationFn: async ({ it, to }: { it: Which; to: Turn }) =>
      expect((await post<{ answer: Union }>(TURNS[kindOf(it)][to], { name: it.name, location: it.location })).answer, it.__typename),
    onSettled: again,
  });
}

export function useSetCursor() {
  const again = useAgain();
  return useMutation({
    mutationFn: async ({ it: { name, location }, cursor }: { it: Which; cursor: string | null }) =>
      expect((await post<{ setSensorCursor: Union }>(doc.SET_CURSOR, { name, location, cursor })).setSensorCursor, "Sensor"),
    onSettled: again,
  });
}

/** What a tick would do now. Launches nothing and moves nothing. */
export const useTry = () =>
  useMutation({
    mutationFn: async ({ __typename, name, location }: Which) =>
      expect<DryRun>((await post<{ answer: Union }>(__typename === "Schedule" ? doc.TRY_SCHEDULE : doc.TRY_SENSOR, { name, location })).answer, "DryRunInstigationTick"),
  });

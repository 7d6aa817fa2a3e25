// Talks to /graphql: one function that posts, one that subscribes. A subscription survives the loss of its socket: it is asked
// for again with the last cursor, so that nothing is lost or doubled. The state of the socket is what the live mark shows.
import { createClient } from "graphql-ws";
import { ApiError, ask, whyNot } from "./http";
import { currentVisit, letIn, sessionState, turnAway, UNAUTHORIZED, watchSession } from "./session";

export { ApiError } from "./http";

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5_000;
/** A socket on which a ping is not answered within this time is lost. */
const PONG_MS = 5_000;
const PING_EVERY_MS = 10_000;
/** With it the server closes the socket of who is not let in any more. */
const CLOSED_UNAUTHORIZED = 4401;

export async function post<T extends object>(query: string, variables: object = {}, signal?: AbortSignal): Promise<T> {
  const visit = currentVisit();
  const answer = await ask<{ data?: T }>("/graphql", { method: "POST", body: JSON.stringify({ query, variables }), signal });
  if (answer.status === UNAUTHORIZED) {
    turnAway(visit);
    throw whyNot(answer, "Unauthorized");
  }
  if (answer.said?.errors?.length || !answer.ok || !answer.said?.data) throw whyNot(answer);
  letIn(visit);
  return answer.said.data;
}

/** The member of a union that was hoped for, or its error thrown. */
export function expect<T extends object>(value: { __typename: string; message?: string }, typename: string): T {
  if (value.__typename !== typename) throw new ApiError(value.message ?? value.__typename, value.__typename);
  return value as unknown as T;
}

// The socket.

export type Live = { state: "connecting" } | { state: "live" } | { state: "lost"; since: number };
let live: Live = { state: "connecting" };
const watchers = new Set<() => void>();
const recovered = new Set<() => void>();

export const liveState = () => live;
export function watchLive(watcher: () => void) {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}
/** Calls back each time that the socket is there again after it was lost: what was read meanwhile may be stale. */
export function onRecovered(callback: () => void) {
  recovered.add(callback);
  return () => void recovered.delete(callback);
}

function setLive(next: Live) {
  const wasLost = live.state === "lost";
  live = next;
  watchers.forEach((watcher) => watcher());
  if (wasLost && next.state === "live") recovered.forEach((callback) => callback());
}

let socket: WebSocket | undefined;
let pongTimer: ReturnType<typeof setTimeout> | undefined;

const ws = createClient({
  url: () => `${location.protocol.replace("http", "ws")}//${location.host}/graphql/ws`,
  lazyCloseTimeout: 1_000,
  retryAttempts: 0,
  keepAlive: PING_EVERY_MS,
  on: {
    opened: (opened) => (socket = opened as WebSocket),
    connected: () => setLive({ state: "live" }),
    ping: (received) => {
      if (received) return;
      pongTimer = setTimeout(() => socket?.close(4408, "no answer to a ping"), PONG_MS);
    },
    pong: (received) => void (received && clearTimeout(pongTimer)),
    closed: (event) => {
      clearTimeout(pongTimer);
      if ((event as CloseEvent).code === CLOSED_UNAUTHORIZED) turnAway(currentVisit());
      if (sessionState() !== "in") return setLive({ state: "connecting" });
      if (live.state !== "lost") setLive({ state: "lost", since: Date.now() / 1000 });
      // A socket that is refused does not say why. A question does: with status 401 nothing is tried again.
      post("{ __typename }").catch(() => {});
    },
  },
});
watchSession(() => sessionState() === "in" || ws.terminate());

export type Subscription<T> = {
  query: string;
  variables?: object;
  /** Of a message: where to go on after the socket was lost. */
  cursor?: (message: T) => string;
  next: (message: T) => void;
  /** The server has said all there is. */
  end?: () => void;
  error?: (error: ApiError) => void;
};

/** Subscribes until the returned function is called or the server ends it. */
export function subscribe<T extends object>(it: Subscription<T>): () => void {
  let stopped = false;
  let wait = RETRY_FIRST_MS;
  let cursor: string | undefined;
  let release = () => {};

  const start = () => {
    if (stopped) return;
    release = ws.subscribe<T>(
      { query: it.query, variables: { ...it.variables, ...(cursor === undefined ? {} : { cursor }) } },
      {
        next: ({ data, errors }) => {
          wait = RETRY_FIRST_MS;
          if (errors?.length) return it.error?.(new ApiError(errors.map((e) => e.message).join("\n")));
          if (!data || stopped) return;
          cursor = it.cursor?.(data) ?? cursor;
          it.next(data);
        },
        error: (reason) => {
          if (stopped || sessionState() !== "in") return;
          if (Array.isArray(reason)) return it.error?.(new ApiError(reason.map((e: { message: string }) => e.message).join("\n")));
          const again = setTimeout(start, wait);
          release = () => clearTimeout(again);
          wait = Math.min(wait * 2, RETRY_MAX_MS);
        },
        complete: () => !stopped && it.end?.(),
      },
    );
  };
  start();
  return () => {
    stopped = true;
    release();
  };
}

// Whether the server lets the pages in. Where they take a token, what comes without a valid one is answered with status 401; then
// the page for signing in stands in the place of every other, and nothing more is asked, until somebody has signed in.
import { ask, whyNot } from "./http";

export const UNAUTHORIZED = 401;

/** `out`: nobody is signed in. `lost`: somebody was, with a token that does not hold any more. */
export type Session = "in" | "out" | "lost";

let session: Session = "in";
/** Counts up with each sign-in: an answer to what was asked before says nothing of who is here now. */
let visit = 0;
let wasAnswered = false;
const watchers = new Set<() => void>();

export const sessionState = () => session;
export const currentVisit = () => visit;
export function watchSession(watcher: () => void) {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

function setSession(next: Session) {
  session = next;
  wasAnswered = false;
  watchers.forEach((watcher) => watcher());
}

/** Of a question that was asked during a visit: it was answered. */
export function letIn(during: number) {
  if (during === visit && session === "in") wasAnswered = true;
}

/** Of a question that was asked during a visit: it takes a token that holds. */
export function turnAway(during: number) {
  if (during === visit && session === "in") setSession(wasAnswered ? "lost" : "out");
}

export async function signIn(token: string) {
  const answer = await ask("/session", { method: "POST", body: JSON.stringify({ token }) });
  if (!answer.ok) throw whyNot(answer);
  visit += 1;
  setSession("in");
}

export async function signOut() {
  const answer = await ask("/session", { method: "DELETE" });
  if (!answer.ok && answer.status !== UNAUTHORIZED) throw whyNot(answer);
  setSession("out");
}

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { t } from "../strings";

type Session = typeof import("./session");
let session: Session;
const answers = (status: number, body?: object) => vi.stubGlobal("fetch", vi.fn(async () => new Response(body && JSON.stringify(body), { status })));

beforeEach(async () => {
  vi.resetModules();
  session = await import("./session");
});
afterEach(() => vi.unstubAllGlobals());

test("who was never let in is asked to sign in, who was let in is told that the token does not hold any more", async () => {
  session.turnAway(session.currentVisit());
  expect(session.sessionState()).toBe("out");
  answers(204);
  await session.signIn("cofferdam_x");
  expect(session.sessionState()).toBe("in");
  session.letIn(session.currentVisit());
  session.turnAway(session.currentVisit());
  expect(session.sessionState()).toBe("lost");
});

test("an answer to what was asked before a sign-in says nothing of the visit after it", async () => {
  const before = session.currentVisit();
  session.turnAway(before);
  answers(204);
  await session.signIn("cofferdam_x");
  session.turnAway(before);
  expect(session.sessionState()).toBe("in");
  session.letIn(before);
  session.turnAway(session.currentVisit());
  expect(session.sessionState()).toBe("out");
});

test("a token that is refused is refused in the server's words, and who signs in is still out", async () => {
  session.turnAway(session.currentVisit());
  answers(401, { errors: [{ message: "there is no such token" }] });
  await expect(session.signIn("cofferdam_x")).rejects.toThrow("there is no such token");
  answers(500);
  await expect(session.signIn("cofferdam_x")).rejects.toThrow(t.error.status(500));
  vi.stubGlobal("fetch", vi.fn(async () => { throw new TypeError("no route"); }));
  await expect(session.signIn("cofferdam_x")).rejects.toThrow(t.error.unreachable);
  expect(session.sessionState()).toBe("out");
});

test("who signs out is out, also with a token that has just ended, and not while the server does not answer", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => { throw new TypeError("no route"); }));
  await expect(session.signOut()).rejects.toThrow(t.error.unreachable);
  expect(session.sessionState()).toBe("in");
  answers(401, { errors: [{ message: "sign in first" }] });
  session.letIn(session.currentVisit());
  await session.signOut();
  expect(session.sessionState()).toBe("out");
});

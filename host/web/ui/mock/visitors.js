// People with tokens, for `--token`: `cofferdam_viewer`, `cofferdam_launcher`, `cofferdam_operator` and `cofferdam_admin` give the
// roles of their names. `POST /revoke/TOKEN` ends one for good, which the real program does by a command.

const ROLES = ["VIEWER", "LAUNCHER", "OPERATOR", "ADMIN"];
const NEEDED = {
  LAUNCHER: ["launchRun", "launchRunReexecution", "terminateRun", "terminateRuns", "scheduleDryRun", "sensorDryRun"],
  OPERATOR: ["drainWorker", "reloadWorkspace", "startSchedule", "stopRunningSchedule", "resetSchedule", "startSensor", "stopSensor", "resetSensor", "setSensorCursor"],
};
const COOKIE = "cofferdam_session";
const CLOSED_UNAUTHORIZED = 4401;

export const takesTokens = process.argv.includes("--token");
const tokens = new Map(ROLES.map((role) => [`cofferdam_${role.toLowerCase()}`, { name: { VIEWER: "Vera", LAUNCHER: "Lars", OPERATOR: "Olga", ADMIN: "Ada" }[role], role }]));
const sockets = new Set();

const tokenOf = ({ headers }) => headers.cookie?.split("; ").find((one) => one.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
/** Null where nobody is let in; without `--token` everybody is, as nobody in particular. */
export const visitorOf = (request) => (takesTokens ? (tokens.get(tokenOf(request)) ?? null) : {});

export const refusal = (message) => JSON.stringify({ errors: [{ message }] });

/** `POST /session` with a token in `body`, and `DELETE /session`. */
export function answerSession({ method }, body, response) {
  const cookie = (value, more = "") => ({ "set-cookie": `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict${more}` });
  if (method === "DELETE") return response.writeHead(204, cookie("", "; Max-Age=0")).end();
  const { token } = JSON.parse(body || "{}");
  if (typeof token !== "string") return response.writeHead(400, { "content-type": "application/json" }).end(refusal("a `token` is expected"));
  if (!tokens.has(token)) return response.writeHead(401, { "content-type": "application/json" }).end(refusal("this token is not known, was revoked, or its time is over"));
  response.writeHead(204, cookie(token)).end();
}

export function noteSocket(socket, request) {
  const entry = { socket, token: tokenOf(request) };
  sockets.add(entry);
  socket.once("close", () => sockets.delete(entry));
}

export function revoke(token) {
  tokens.delete(token);
  for (const { socket, token: of } of sockets) if (of === token) socket.close(CLOSED_UNAUTHORIZED, "Unauthorized");
}

/** The same fields, refused in words to whom they do not belong. */
export function guarded(root) {
  const guards = Object.entries(NEEDED).flatMap(([role, names]) => names.map((name) => [name, (args, context) => {
    const { visitor } = context;
    if (!visitor?.role || ROLES.indexOf(visitor.role) >= ROLES.indexOf(role)) return root[name](args, context);
    const refused = { __typename: "UnauthorizedError", message: `this takes the role ${role.toLowerCase()}, and ${visitor.name} has the role ${visitor.role.toLowerCase()}` };
    return name === "terminateRuns" ? args.runIds.map(() => refused) : refused;
  }]));
  return { ...root, ...Object.fromEntries(guards), instance: (_, { visitor }) => ({ ...root.instance, visitor: visitor?.role ? visitor : null }) };
}

// A stand-in for the server: the schema of ../../schema.graphql over made-up runs, and the built UI under the CSP of the real one.
// For development and browser tests only: `node mock/server.js [PORT] [--empty] [--project FOLDER] [--workspace] [--token]`. The
// definitions are wrong while the folder's cofferdam.toml holds `stpes`, if a folder is given.
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSchema, graphql } from "graphql";
import { makeServer, CloseCode } from "graphql-ws";
import { WebSocketServer } from "ws";
import { root as open, subscriptions } from "./resolvers.js";
import { answerSession, guarded, noteSocket, refusal, revoke, visitorOf } from "./visitors.js";

const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const schema = buildSchema(readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8"));
const root = guarded(open);
const port = Number(process.argv[2] ?? 4141);
const typeOf = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const server = createServer(async (request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  const visitor = visitorOf(request);
  if (path === "/session") return answerSession(request, await bodyOf(request), response);
  if (path.startsWith("/revoke/") && request.method === "POST") return response.writeHead(204).end(revoke(path.split("/").at(-1)));
  if (!visitor && /^\/(graphql$|values\/)/.test(path)) return response.writeHead(401, { "content-type": "application/json" }).end(refusal("this takes a token"));
  if (path === "/graphql") return answer(request, response, visitor);
  if (path.startsWith("/values/")) return response.writeHead(200, { "content-type": "application/octet-stream", "content-disposition": "attachment" }).end("a value");
  let file = join(dist, normalize(path));
  if (!existsSync(file) || !statSync(file).isFile()) file = join(dist, "index.html");
  response.writeHead(200, { "content-type": typeOf[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP });
  createReadStream(file).pipe(response);
});

async function bodyOf(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

async function answer(request, response, visitor) {
  const { query, variables } = JSON.parse(await bodyOf(request));
  const result = await graphql({ schema, source: query, variableValues: variables, rootValue: root, contextValue: { visitor } });
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
}

const live = makeServer({ schema, roots: { query: root, subscription: subscriptions } });
const sockets = new WebSocketServer({ server, path: "/graphql/ws", handleProtocols: () => "graphql-transport-ws", verifyClient: ({ req }, verdict) => verdict(!!visitorOf(req), 401) });
sockets.on("connection", (socket, request) => {
  noteSocket(socket, request);
  const closed = live.opened({
    protocol: socket.protocol,
    send: (text) => new Promise((resolve, reject) => socket.send(text, (error) => (error ? reject(error) : resolve()))),
    close: (code, reason) => socket.close(code, reason),
    onMessage: (handle) => socket.on("message", (text) => handle(String(text)).catch((error) => socket.close(CloseCode.InternalServerError, String(error).slice(0, 100)))),
  }, {});
  socket.once("close", (code, reason) => closed(code, String(reason)));
});

server.listen(port, "127.0.0.1", () => console.error(`mock server: http://127.0.0.1:${port}`));

// How the UI is built: hashed names under built/, no source maps, and nothing inlined that a strict Content-Security-Policy
// would refuse.
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const SERVER = process.env.COFFERDAM_WEB ?? "http://127.0.0.1:4141";

/** As the server has it. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Smaller files are not worth it. */
const GZIP_FROM_BYTES = 1024;

/** Writes FILE.gz in the place of what is built, for the server to hand out as it is: the program carries each file once. */
function gzipped(): Plugin {
  let dist = "dist";
  return {
    name: "gzipped",
    apply: "build",
    configResolved: ({ build }) => void (dist = build.outDir),
    closeBundle() {
      for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const file = join(entry.parentPath, entry.name);
        const bytes = readFileSync(file);
        if (bytes.length <= GZIP_FROM_BYTES) continue;
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
        rmSync(file);
      }
    },
  };
}

/** The server answers only to its own origin. */
const proxy = { target: SERVER, changeOrigin: true, headers: { origin: SERVER } };
const proxied = { "/graphql/ws": { ...proxy, ws: true, rewriteWsOrigin: true }, "/graphql": proxy, "/values": proxy, "/session": proxy };

export default defineConfig({
  plugins: [react(), tailwindcss(), gzipped()],
  build: {
    assetsDir: "built", sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 700,
    // What every page needs comes in one piece, however many lazy pages share parts of it.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "first", tags: ["$initial"] }] } } },
  },
  worker: { format: "es" },
  server: { proxy: proxied },
  preview: { proxy: proxied, headers: { "content-security-policy": CSP } },
});

// The component's side: Cofferdam's interfaces as the host of a library, and what JavaScript finds in the sandbox.
// Only a component can load this module.

import * as blob from "cofferdam:op/blob@0.1.0";
import * as command from "cofferdam:op/command@0.1.0";
import * as context from "cofferdam:op/context@0.1.0";
import * as http from "cofferdam:op/http@0.1.0";
import * as keyvalue from "cofferdam:op/keyvalue@0.1.0";
import * as settings from "cofferdam:op/settings@0.1.0";
import * as sql from "cofferdam:op/sql@0.1.0";
import { create, open } from "cofferdam:op/values@0.1.0";

import { begin, sandbox, settled } from "./globals.js";
import { libraryOf, opsOf } from "./library.js";

/** What the component exports: the library's ops. `lines` leads from places in the bundle to the author's files. */
export function library(name, version, module, lines) {
  const host = { ...context, open, create, resources: { blob, command, http, keyvalue, config: settings, sql }, stackOf: stackBy(lines), settled };
  sandbox(context.log);
  const { describe, run } = libraryOf(name, version, opsOf(module, `the library \`${name}\``), host);
  return { describe, run: (op, invocation) => (begin(), run(op, invocation)) };
}

/** Frames of an error in the author's own files; those of the engine and of this package say nothing to the author. */
function stackBy(lines) {
  return (error) => {
    const frames = [];
    for (const [, name, line] of String(error.stack).matchAll(/^(.*)@.*?:(\d+):\d+$/gm)) {
      const place = lines()[line];
      // The engine marks functions without a name of their own: `greet<`.
      const own = name.replace(/[</]+$/, "");
      if (place) frames.push(`  at ${own === "" ? place : `${own} (${place})`}`);
    }
    return frames.join("\n");
  };
}

// The list of runs as its address says it, and how it follows what changes.
import type { RunsFilter, RunStatus, RunSummary, Tag } from "../api/types";

export const RUN_STATUSES: RunStatus[] = ["QUEUED", "STARTED", "CANCELING", "SUCCESS", "FAILURE", "CANCELED"];
export const isOver = (status: RunStatus) => status === "SUCCESS" || status === "FAILURE" || status === "CANCELED";

/** What stands in the address: `status=FAILURE,CANCELED&job=delays&tag=team=me&q=words`. */
export type RunsSearch = { status?: string; job?: string; tag?: string; q?: string };

export function serverFilter(search: RunsSearch): RunsFilter {
  const statuses = (search.status ?? "").split(",").filter((s): s is RunStatus => RUN_STATUSES.includes(s as RunStatus));
  const tags = parseTags(search.tag ?? "").tags;
  return {
    ...(statuses.length > 0 ? { statuses } : {}),
    ...(search.job ? { pipelineName: search.job } : {}),
    ...(tags.length > 0 ? { tags } : {}),
  };
}

/** `key=value`, with commas or newlines between them. */
export function parseTags(text: string): { tags: Tag[]; wrong: string[] } {
  const tags: Tag[] = [];
  const wrong: string[] = [];
  for (const part of text.split(/[,\n]/).map((p) => p.trim()).filter(Boolean)) {
    const at = part.indexOf("=");
    if (at > 0) tags.push({ key: part.slice(0, at).trim(), value: part.slice(at + 1).trim() });
    else wrong.push(part);
  }
  return { tags, wrong };
}

/** Words that must all be found in what the list shows of a run. */
export function runMatcher(text: string): (run: RunSummary) => boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (run) => {
    const all = [run.jobName, run.runId, run.firstError ?? "", ...run.tags.map((t) => `${t.key}=${t.value}`)].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
}

/** The loaded pages after some runs changed: `found` are those of the changed that the filter still lets through. */
export function patchRuns<P extends { cursor: string | null; results: RunSummary[] }>(pages: P[], changed: string[], found: RunSummary[]): P[] {
  const now = new Map(found.map((run) => [run.runId, run]));
  const gone = new Set(changed.filter((id) => !now.has(id)));
  const patched = pages.map((page) => ({
    ...page,
    results: page.results.filter((run) => !gone.has(run.runId)).map((run) => {
      const newer = now.get(run.runId) ?? run;
      now.delete(run.runId);
      return newer;
    }),
  }));
  // A run that was not heard of stands where it belongs by its age, whatever was heard of before it; one that is older than
  // all that is loaded comes with its page.
  const last = patched.length - 1;
  for (const run of now.values()) {
    const at = patched.findIndex(({ cursor, results }, i) => (i === last && cursor === null) || (results.at(-1)?.creationTime ?? Infinity) <= run.creationTime);
    const page = patched[at];
    if (page) patched[at] = { ...page, results: [...page.results, run].sort((a, b) => b.creationTime - a.creationTime) };
  }
  return patched;
}

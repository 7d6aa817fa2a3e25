// What several code locations make of names, and which of them are wrong. `location` is given where there is more than one.
import type { LocationEntry } from "../api/types";

/** What stands in the address of the page of libraries. */
export const libraryId = (library: string, location?: string) => (location === undefined ? library : `${location}/${library}`);

/** What the launchpad of a job keeps in this browser under: each of the people who share it has their own. */
export const shelfOf = (job: string, location?: string, visitor?: string) => [visitor, location, job].filter((part) => part !== undefined).join("/");

/** The locations whose definitions cannot be used as they are, with how many errors they have and the first of them. */
export function wrongOnes(entries: LocationEntry[]) {
  const wrong = entries
    .map((entry) => ({ entry, errors: entry.diagnostics.filter((d) => d.severity === "ERROR") }))
    .filter(({ entry, errors }) => errors.length > 0 || entry.loadStatus === "FAILED");
  const errors = wrong.flatMap((one) => one.errors);
  return { names: wrong.map(({ entry }) => entry.name), nErrors: errors.length, first: errors[0] ?? null };
}

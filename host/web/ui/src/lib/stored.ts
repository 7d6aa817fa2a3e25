// What this browser keeps between visits: theme, zone, presets and history of the launchpad.
import { useSyncExternalStore } from "react";
import type { Zone } from "./time";

const PREFIX = "cofferdam.";
const watchers = new Set<() => void>();
const parsed = new Map<string, { raw: string | null; value: unknown }>();

/** What was stored under the name, or `fallback`. The same value until it is stored anew. */
export function read<T>(name: string, fallback: T): T {
  const raw = localStorage.getItem(PREFIX + name);
  const known = parsed.get(name);
  if (known && known.raw === raw) return known.value as T;
  let value: unknown = fallback;
  try {
    if (raw !== null) value = JSON.parse(raw);
  } catch {
    // What cannot be read is as if it were not there.
  }
  parsed.set(name, { raw, value });
  return value as T;
}

export function store(name: string, value: unknown) {
  localStorage.setItem(PREFIX + name, JSON.stringify(value));
  watchers.forEach((watcher) => watcher());
}

function watch(watcher: () => void) {
  watchers.add(watcher);
  addEventListener("storage", watcher);
  return () => {
    watchers.delete(watcher);
    removeEventListener("storage", watcher);
  };
}

export const useStored = <T>(name: string, fallback: T) => useSyncExternalStore(watch, () => read(name, fallback));

export type Theme = "system" | "light" | "dark";
export const useZone = () => useStored<Zone>("zone", "local");
export const useTheme = () => useStored<Theme>("theme", "system");

export function showTheme() {
  const theme = read<Theme>("theme", "system");
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
watchers.add(showTheme);

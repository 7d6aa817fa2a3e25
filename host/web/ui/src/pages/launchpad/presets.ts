// What the launchpad keeps in this browser: a draft for each job, named presets, and what was launched last. `shelf` says whose.
import { read, store, useStored } from "../../lib/stored";

export type Setup = { text: string; select?: string; tags?: string; env?: string; partition?: string };
export type Preset = Setup & { name: string };
export type Launched = Setup & { runId: string; at: number };

const HISTORY_MAX = 20;
const NO_PRESETS: Preset[] = [];
const NO_HISTORY: Launched[] = [];

export const usePresets = (shelf: string) => useStored(`presets.${shelf}`, NO_PRESETS);
export const useHistory = (shelf: string) => useStored(`history.${shelf}`, NO_HISTORY);

export const draft = (shelf: string) => read<string | null>(`draft.${shelf}`, null);
export const keepDraft = (shelf: string, text: string) => store(`draft.${shelf}`, text);

/** Under the name, in place of what had it before. */
export function keepPreset(shelf: string, preset: Preset) {
  const others = read(`presets.${shelf}`, NO_PRESETS).filter((other) => other.name !== preset.name);
  store(`presets.${shelf}`, [...others, preset].sort((a, b) => a.name.localeCompare(b.name)));
}

export function dropPreset(shelf: string, name: string) {
  store(`presets.${shelf}`, read(`presets.${shelf}`, NO_PRESETS).filter((preset) => preset.name !== name));
}

export function noteLaunch(shelf: string, launched: Launched) {
  store(`history.${shelf}`, [launched, ...read(`history.${shelf}`, NO_HISTORY)].slice(0, HISTORY_MAX));
}

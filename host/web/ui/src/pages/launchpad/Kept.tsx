// Presets by name and what was launched last; both only in this browser.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { shortRun } from "../../lib/size";
import { Time, useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { t } from "../../strings";
import { dropPreset, keepPreset, type Setup, useHistory, usePresets } from "./presets";

export function Kept({ shelf, setup, load }: { shelf: string; setup: Setup; load: (setup: Setup) => void }) {
  const presets = usePresets(shelf);
  const history = useHistory(shelf);
  const [name, setName] = useState("");
  const now = useNow(true, 30_000);
  return (
    <section className="panel flex flex-col gap-2 p-3" aria-label={t.launchpad.presets}>
      <h2>{t.launchpad.presets}</h2>
      <form className="flex gap-2" onSubmit={(e) => { e.preventDefault(); keepPreset(shelf, { ...setup, name: name.trim() }); setName(""); }}>
        <input className="field flex-1" aria-label={t.launchpad.presetName} placeholder={t.launchpad.presetName} value={name} onChange={(e) => setName(e.target.value)} />
        <button type="submit" className="btn" disabled={name.trim() === ""}>{t.launchpad.keep}</button>
      </form>
      <ul>{presets.map((preset) => (
        <li key={preset.name} className="flex items-center gap-2" data-preset={preset.name}>
          <button type="button" className="truncate text-accent underline" onClick={() => load(preset)}>{preset.name}</button>
          <button type="button" className="btn btn-quiet ml-auto px-1.5" aria-label={t.launchpad.dropPreset(preset.name)} onClick={() => dropPreset(shelf, preset.name)}><Icon name="cross" size={14} /></button>
        </li>
      ))}</ul>
      <h3>{t.launchpad.history}</h3>
      {history.length === 0 ? <p className="text-muted">{t.launchpad.noHistory}</p> : (
        <ul className="max-h-40 overflow-auto" tabIndex={0} aria-label={t.launchpad.history}>{history.map((launched) => (
          <li key={launched.runId} className="flex items-center gap-2 py-0.5">
            <Link to="/runs/$runId" params={{ runId: launched.runId }} className="mono">{shortRun(launched.runId)}</Link>
            <span className="text-muted"><Time at={launched.at} now={now} /></span>
            <button type="button" className="ml-auto text-accent underline" aria-label={t.launchpad.loadOf(shortRun(launched.runId))} onClick={() => load(launched)}>{t.launchpad.load}</button>
          </li>
        ))}</ul>
      )}
    </section>
  );
}

// What a run is given beside its config: which steps, tags, partition, environment. All of it stands in the address.
import { useEffect, useId, useState } from "react";
import { t } from "../../strings";

export type Search = { location?: string; env?: string; partition?: string; select?: string; tags?: string; from?: string };

type Props = { search: Search; set: (next: Search) => void; environments: string[]; tagsWrong: string[] };

export function Options({ search, set, environments, tagsWrong }: Props) {
  return (
    <section className="panel flex flex-col gap-2 p-3" aria-label={t.launchpad.options}>
      <h2>{t.launchpad.options}</h2>
      <Field label={t.launchpad.steps} help={t.launchpad.stepsHelp} placeholder="clean+ report" value={search.select} set={(select) => set({ select })} />
      <Field label={t.launchpad.tags} help={tagsWrong.length > 0 ? t.launchpad.tagsWrong(tagsWrong.join(", ")) : ""} wrong={tagsWrong.length > 0} placeholder="team=air, purpose=test" value={search.tags} set={(tags) => set({ tags })} />
      <Field label={t.launchpad.partition} placeholder="2026-11-22" value={search.partition} set={(partition) => set({ partition })} />
      {environments.length > 0 && (
        <label className="flex flex-col gap-0.5"><span className="text-xs text-muted">{t.launchpad.environment}</span>
          <select className="field" value={search.env ?? ""} onChange={(e) => set({ env: e.target.value || undefined })}><option value="">{t.launchpad.noEnvironment}</option>{environments.map((name) => <option key={name}>{name}</option>)}</select>
        </label>
      )}
    </section>
  );
}

type FieldProps = { label: string; help?: string; wrong?: boolean; placeholder: string; value: string | undefined; set: (value: string | undefined) => void };

function Field({ label, help, wrong, placeholder, value, set }: FieldProps) {
  const id = useId();
  const [text, setText] = useState(value ?? "");
  useEffect(() => setText(value ?? ""), [value]);
  return (
    <label className="flex flex-col gap-0.5">
      <span className="text-xs text-muted">{label}</span>
      <input className="field mono" value={text} placeholder={placeholder} aria-invalid={wrong || undefined} aria-describedby={help ? id : undefined} onChange={(e) => { setText(e.target.value); set(e.target.value || undefined); }} />
      {help && <span id={id} className={`text-xs ${wrong ? "text-failed" : "text-muted"}`}>{help}</span>}
    </label>
  );
}

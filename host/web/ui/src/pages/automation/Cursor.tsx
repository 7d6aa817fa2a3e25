// How far a sensor has come, in words of its own; to be set back or forth by hand.
import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useSetCursor } from "../../api/automation/queries";
import type { SensorPage } from "../../api/automation/types";
import { cli } from "../../lib/cli";
import { Cli, Problem } from "../../parts/basics";
import { useMay } from "../../parts/may";
import { t } from "../../strings";

export function Cursor({ it }: { it: SensorPage }) {
  const { name, state: { cursor } } = it;
  const [editing, setEditing] = useState(false);
  const [said, setSaid] = useState("");
  const edit = useRef<HTMLButtonElement>(null);
  const save = useSetCursor();
  const barred = useMay("OPERATOR");
  const close = () => {
    flushSync(() => setEditing(false));
    edit.current?.focus();
  };
  const set = (next: string | null) =>
    save.mutate({ it, cursor: next }, {
      onSuccess: () => {
        close();
        setSaid(next === null ? t.automation.cursorCleared : t.automation.cursorSet);
      },
    });
  return (
    <section className="panel" aria-label={t.automation.cursor}>
      <div className="flex items-center gap-2 border-b border-line px-3 py-1.5">
        <h2>{t.automation.cursor}</h2>
        {!editing && (
          <span className="ml-auto flex gap-1">
            <button ref={edit} type="button" className="btn btn-quiet" onClick={() => setEditing(true)} {...barred}>{t.automation.edit}</button>
            <button type="button" className="btn btn-quiet" disabled={cursor === null || save.isPending} onClick={() => set(null)} {...barred}>{t.automation.clear}</button>
          </span>
        )}
      </div>
      <div className="flex flex-col items-start gap-2 px-3 py-2">
        {editing ? <Form name={name} cursor={cursor ?? ""} busy={save.isPending} save={set} cancel={close} />
          : cursor === null ? <p className="text-muted">{t.automation.noCursor}</p>
          : <pre className="mono max-h-40 w-full overflow-auto break-all whitespace-pre-wrap" tabIndex={0} aria-label={t.automation.cursorNow} data-cursor>{cursor}</pre>}
        {save.error && <Problem error={save.error} />}
        <span role="status" className="sr-only">{said}</span>
      </div>
    </section>
  );
}

/** A draft of its own: the cursor may move while somebody types. */
function Form({ name, cursor, busy, save, cancel }: { name: string; cursor: string; busy: boolean; save: (cursor: string | null) => void; cancel: () => void }) {
  const [draft, setDraft] = useState(cursor);
  const next = draft === "" ? null : draft;
  const submit = () => busy || save(next);
  return (
    <form className="flex w-full flex-col gap-2" onSubmit={(e) => { e.preventDefault(); submit(); }}>
      <textarea autoFocus className="field mono w-full" rows={Math.min(8, draft.split("\n").length + 1)} aria-label={t.automation.newCursor} value={draft} onChange={(e) => setDraft(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === "Escape") cancel();
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) submit();
        }} />
      <span className="flex gap-2">
        <button type="submit" className="btn btn-primary" disabled={busy}>{t.automation.save}</button>
        <button type="button" className="btn" onClick={cancel}>{t.automation.leave}</button>
      </span>
      <Cli command={cli.cursor(name, next)} />
    </form>
  );
}

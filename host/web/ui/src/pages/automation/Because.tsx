// What a tick leaves behind: why it failed, with what lies behind that, and what was logged.
import { t } from "../../strings";

export function Because({ error: { message, causes } }: { error: { message: string; causes: string[] } }) {
  return (
    <div className="rounded-md bg-failed-bg p-3" data-error>
      <pre className="mono break-words whitespace-pre-wrap">{message}</pre>
      {causes.map((cause, i) => <p key={i} className="mono break-words whitespace-pre-wrap text-muted">{t.failure.because} {cause}</p>)}
    </div>
  );
}

export function Logged({ lines }: { lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <div data-logged>
      <h3>{t.run.logs}</h3>
      <pre className="mono max-h-60 overflow-auto rounded-md bg-raised p-3 break-all whitespace-pre-wrap" tabIndex={0} aria-label={t.run.logs}>{lines.join("\n")}</pre>
    </div>
  );
}

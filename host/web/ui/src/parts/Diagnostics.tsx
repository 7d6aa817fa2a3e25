// What is wrong, with places: the one list for the launchpad, failed launches and broken definitions.
import type { Diagnostic } from "../api/types";
import { t } from "../strings";
import { Ticked } from "./basics";
import { Icon } from "./Icon";

/** What the server calls the text of the launchpad. */
export const RUN_CONFIG = "run config";

type Props = {
  diagnostics: Diagnostic[];
  onPlace?: (diagnostic: Diagnostic) => void;
  /** The word that would mend it, and what puts it there. */
  fix?: (diagnostic: Diagnostic) => string | null;
  onFix?: (diagnostic: Diagnostic) => void;
};

export function Diagnostics({ diagnostics, onPlace, fix, onFix }: Props) {
  return (
    <ol className="flex flex-col">
      {sorted(diagnostics).map((d, i) => (
        <li key={i} className="flex gap-2 border-b border-line px-3 py-2 last:border-0">
          <span className={d.severity === "ERROR" ? "mt-0.5 text-failed" : "mt-0.5 text-retrying"}>
            <Icon name={d.severity === "ERROR" ? "cross" : "warning"} size={15} />
          </span>
          <div className="min-w-0">
            <p className="break-words"><span className="sr-only">{t.severity[d.severity]}: </span><Ticked text={d.message} /></p>
            {d.hint && <p className="break-words text-muted">{t.hint}: <Ticked text={d.hint} /></p>}
            <p className="mono text-muted">
              {d.line !== null && d.file === RUN_CONFIG && onPlace
                ? <button type="button" className="text-accent underline" onClick={() => onPlace(d)}>{placeText(d)}</button>
                : placeText(d)}
              {" "}{d.code}
              {onFix && fix?.(d) && <button type="button" className="btn ml-2 min-h-0 py-0" onClick={() => onFix(d)}>{t.launchpad.use(fix(d)!)}</button>}
            </p>
          </div>
        </li>
      ))}
    </ol>
  );
}

export const placeText = (d: Diagnostic) => [d.file === RUN_CONFIG ? null : d.file, d.line, d.column].filter((part) => part !== null).join(":");

const sorted = (diagnostics: Diagnostic[]) =>
  [...diagnostics].sort((a, b) => (a.file ?? "").localeCompare(b.file ?? "") || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));

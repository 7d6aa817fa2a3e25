// What a step made: the values with their sizes, and a look into each.
import { useState } from "react";
import { usePreview } from "../../api/queries";
import type { RunStep, StepOutput, ValuePreview } from "../../api/types";
import { cli } from "../../lib/cli";
import { bytes } from "../../lib/size";
import { Cli, Loading, Problem } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { t } from "../../strings";

export function Outputs({ runId, step }: { runId: string; step: RunStep }) {
  if (step.outputs.length === 0) return null;
  return (
    <div>
      <h3>{t.step.outputs}</h3>
      <ul>{step.outputs.map((output) => <Output key={`${output.name} ${output.mappingKey}`} runId={runId} stepKey={step.key} output={output} />)}</ul>
    </div>
  );
}

function Output({ runId, stepKey, output }: { runId: string; stepKey: string; output: StepOutput }) {
  const [open, setOpen] = useState(false);
  const preview = usePreview(runId, stepKey, output.name, output.mappingKey, open);
  const name = output.mappingKey === null ? output.name : `${output.name}[${output.mappingKey}]`;
  return (
    <li className="py-0.5" data-output={name}>
      <button type="button" className="flex w-full items-center gap-2 text-left" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? "down" : "right"} size={14} /><span className="mono truncate font-semibold">{name}</span>
        <span className="ml-auto shrink-0 text-muted">{output.mediaType.replace("application/", "")}, {bytes(output.sizeBytes)}</span>
      </button>
      {open && (
        <div className="mt-1 flex flex-col gap-1 pl-5">
          {preview.isPending && <Loading what={name} />}
          {preview.error && <Problem error={preview.error} />}
          {preview.data === null && <p className="text-muted">{t.step.noValue}</p>}
          {preview.data && <Preview value={preview.data} name={name} />}
          <Cli command={cli.value(runId, stepKey, output.name, output.mappingKey)} />
        </div>
      )}
    </li>
  );
}

function Preview({ value, name }: { value: ValuePreview; name: string }) {
  return (
    <>
      {value.kind === "image" && <img src={value.url} alt={name} className="max-h-80 max-w-full self-start rounded-md bg-white" />}
      {(value.kind === "text" || value.kind === "json") && !value.error && (
        <pre className="mono max-h-72 overflow-auto rounded-md bg-raised p-2 break-words whitespace-pre-wrap" tabIndex={0} aria-label={name}>{value.kind === "json" ? JSON.stringify(value.json, null, 2) : value.text}</pre>
      )}
      <p className="text-muted">{value.error ? `${value.error} ` : ""}<a href={value.url} download>{t.step.download(bytes(value.sizeBytes))}</a></p>
    </>
  );
}

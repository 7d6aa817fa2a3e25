// The switch that turns a schedule or a sensor on and off, and says that it did.
import { useTurn } from "../../api/automation/queries";
import type { Instigator } from "../../api/automation/types";
import { Problem } from "../../parts/basics";
import { useFullName } from "../../parts/location";
import { useMay } from "../../parts/may";
import { t } from "../../strings";

export function Toggle({ it }: { it: Instigator }) {
  const turn = useTurn();
  const name = useFullName()(it);
  const barred = useMay("OPERATOR");
  const isOn = it.state.status === "RUNNING";
  const on = turn.isPending ? turn.variables.to === "start" : isOn;
  const flip = () => turn.isPending || turn.mutate({ it, to: on ? "stop" : "start" });
  return (
    <>
      <label className={`inline-flex items-center gap-2 ${barred.disabled ? "cursor-not-allowed" : "cursor-pointer"}`} title={barred.title}>
        <button type="button" role="switch" aria-checked={on} aria-busy={turn.isPending} aria-label={name} onClick={flip} {...barred}
          className={`flex h-5 w-9 shrink-0 items-center rounded-full border px-0.5 disabled:cursor-not-allowed disabled:opacity-55 ${on ? "justify-end border-accent bg-accent" : "border-muted bg-panel"}`}>
          <span className={`size-3.5 rounded-full ${on ? "bg-on-accent" : "bg-muted"}`} />
        </button>
        <span aria-hidden="true" className={`w-6 ${on ? "font-medium" : "text-muted"}`}>{on ? t.automation.on : t.automation.off}</span>
      </label>
      <span role="status" className="sr-only">{turn.isSuccess ? t.automation.turned(name, isOn) : ""}</span>
      {turn.error && <Problem error={turn.error} />}
    </>
  );
}

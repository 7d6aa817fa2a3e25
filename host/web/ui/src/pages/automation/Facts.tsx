// What a definition says of a schedule or a sensor, and when it ticks next.
import { Link } from "@tanstack/react-router";
import type { Shown } from "../../api/automation/types";
import { libraryId } from "../../lib/locations";
import { span } from "../../lib/time";
import { When } from "../../parts/automation";
import { Fact, Tags } from "../../parts/basics";
import { useTold } from "../../parts/location";
import { t } from "../../strings";
import { Jobs } from "./Automation";

export function Facts({ it }: { it: Shown }) {
  return (
    <section className="panel" aria-label={t.automation.definition}>
      <h2 className="border-b border-line px-3 py-2">{t.automation.definition}</h2>
      <dl className="px-3 py-2">
        <Fact name={it.__typename === "Schedule" ? t.automation.what : t.automation.mayAsk}><p><Jobs it={it} /></p></Fact>
        {it.__typename === "Schedule" ? (
          <>
            <Fact name={t.automation.cron}>{it.cronSchedule.map((cron) => <code key={cron} className="mono block">{cron}</code>)}</Fact>
            <Fact name={t.automation.zone}>{it.executionTimezone}</Fact>
            <Fact name={t.automation.missed}>{it.catchUp}</Fact>
            <Fact name={t.automation.retries}>{it.maxTickRetries || t.automation.noRetries}</Fact>
          </>
        ) : (
          <>
            <Fact name={t.automation.op}><Op name={it.op} location={it.location} /></Fact>
            <Fact name={t.automation.interval}>{span(it.minIntervalSeconds)}</Fact>
            <Fact name={t.automation.timeout}>{span(it.timeoutSeconds)}</Fact>
            <Fact name={t.automation.lastRunKey}>{it.state.lastRunKey === null ? <span className="text-muted">{t.automation.noKey}</span> : <code className="mono break-all">{it.state.lastRunKey}</code>}</Fact>
          </>
        )}
        {it.tags.length > 0 && <Fact name={t.runs.tags}><span className="flex flex-wrap gap-1"><Tags tags={it.tags} /></span></Fact>}
        <Fact name={t.automation.byDefinition}>{it.defaultStatus === "RUNNING" ? t.automation.on : t.automation.off}</Fact>
      </dl>
    </section>
  );
}

function Op({ name, location }: { name: string; location: string }) {
  const told = useTold();
  const [library = name, ...op] = name.split(".");
  return <span className="mono"><Link to="/libraries" search={{ library: libraryId(library, told(location)) }}>{library}</Link>.{op.join(".")}</span>;
}

/** A schedule's are known ahead, whether it is on or not; of a sensor only the next one, while it is on. */
export function NextTicks({ it, now }: { it: Shown; now: number }) {
  const isOn = it.state.status === "RUNNING";
  const times = it.__typename === "Schedule" ? it.futureTicks : it.state.nextTick === null ? [] : [it.state.nextTick];
  return (
    <section className="panel" aria-label={t.automation.nextTicks}>
      <h2 className="border-b border-line px-3 py-2">{t.automation.nextTicks}</h2>
      <div className="px-3 py-2">
        {!isOn && <p className="text-muted">{times.length > 0 ? t.automation.offWould : t.automation.offNone}</p>}
        {times.length > 0 && <ol className={isOn ? "" : "mt-1"}>{times.map((at) => <li key={at} className="py-0.5"><When at={at} now={now} due /></li>)}</ol>}
      </div>
    </section>
  );
}

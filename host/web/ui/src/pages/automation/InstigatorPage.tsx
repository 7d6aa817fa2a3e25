// `/automation/schedules/:name` and `/automation/sensors/:name`: what it is, when it ticks, what came of its ticks, what one would do now.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useAutomation, useInstigator, useTry, useTurn } from "../../api/automation/queries";
import type { Shown, Which } from "../../api/automation/types";
import { ApiError } from "../../api/client";
import { kindOf } from "../../lib/automation";
import { cli } from "../../lib/cli";
import { KindMark } from "../../parts/automation";
import { Cli, LoadingPage, PageHead, Problem, useNow } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { LocationMark, useSeveral, WhichLocation } from "../../parts/location";
import { useMay } from "../../parts/may";
import { t } from "../../strings";
import { Cursor } from "./Cursor";
import { Facts, NextTicks } from "./Facts";
import { Ticks, type TicksSearch } from "./Ticks";
import { Toggle } from "./Toggle";
import { TryNow } from "./TryNow";

const TICKS_PAGE = 50;
/** The server knows no filter: with one, as many are asked for as it gives, less the one that tells of more. */
const TICKS_FILTERED = 199;

export function SchedulePage() {
  const { name } = useParams({ from: "/automation/schedules/$name" });
  return <ThisOne __typename="Schedule" name={name} />;
}

export function SensorPage() {
  const { name } = useParams({ from: "/automation/sensors/$name" });
  return <ThisOne __typename="Sensor" name={name} />;
}

type One = Pick<Which, "__typename" | "name">;

function ThisOne(one: One) {
  const { location }: { location?: string } = useSearch({ strict: false });
  const several = useSeveral();
  if (several && location === undefined) return <OfSeveral key={one.name} {...one} />;
  return <InstigatorPage key={`${location}/${one.name}`} one={one} location={location} />;
}

/** Its address says no location: that of the only one is meant, or one is to be chosen. */
function OfSeveral(one: One) {
  const { data, isPending } = useAutomation();
  if (isPending) return <LoadingPage title={one.name} />;
  const having = (data ?? []).filter((it) => it.__typename === one.__typename && it.name === one.name).map((it) => it.location);
  return having.length > 1 ? <WhichLocation name={one.name} locations={having} /> : <InstigatorPage one={one} location={having[0]} />;
}

function InstigatorPage({ one, location }: { one: One; location: string | undefined }) {
  const search: TicksSearch = useSearch({ strict: false });
  const { name } = one;
  const kind = kindOf(one);
  const page = search.status ? TICKS_FILTERED : TICKS_PAGE;
  const { data: it, error, isPending, refetch } = useInstigator(kind, name, location, page + 1, search.before);
  if (isPending) return <LoadingPage title={name} />;
  if (error instanceof ApiError && error.typename.endsWith("NotFoundError"))
    return <><PageHead title={t.automation.missing[kind]} /><p className="mono mb-3 break-all">{name}</p><Link to="/automation" className="btn no-underline">{t.automation.toAll}</Link></>;
  if (!it) return <><PageHead title={name} /><Problem error={error} retry={() => void refetch()} /></>;
  return (
    <>
      {error && <Problem error={error} retry={() => void refetch()} />}
      <Body it={it} search={search} page={page} />
    </>
  );
}

function Body({ it, search, page }: { it: Shown; search: TicksSearch; page: number }) {
  const navigate = useNavigate();
  const set = (next: TicksSearch) => void navigate({ to: ".", search: (old: object) => ({ ...old, ...next }), replace: true });
  const now = useNow();
  const trial = useTry();
  const barred = useMay("LAUNCHER");
  const kind = kindOf(it);
  return (
    <div className="flex flex-col gap-4">
      <PageHead
        title={<>{it.name} <span className="ml-1 inline-flex items-center gap-2 align-middle text-sm font-normal"><KindMark kind={kind} /> <LocationMark location={it.location} /></span></>}
        below={<>{it.description && <p>{it.description}</p>}<Twins it={it} /></>}>
        <Toggle it={it} />
        {it.state.canReset && <Reset it={it} />}
        <button type="button" className="btn btn-primary" disabled={trial.isPending} onClick={() => trial.mutate(it)} {...barred}><Icon name={trial.isPending ? "half" : "play"} spin={trial.isPending} /> {t.automation.tryNow}</button>
      </PageHead>
      <TryNow trial={trial} it={it} close={trial.reset} />
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1fr)_360px] xl:grid-rows-[auto_1fr]">
        <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:col-start-2 md:max-xl:grid-cols-2">
          <NextTicks it={it} now={now} />
          {it.__typename === "Sensor" && <Cursor it={it} />}
        </div>
        <div className="min-w-0 xl:col-start-1 xl:row-span-2 xl:row-start-1"><Ticks it={it} search={search} set={set} page={page} now={now} /></div>
        <div className="xl:col-start-2"><Facts it={it} /></div>
      </div>
    </div>
  );
}

function Twins({ it }: { it: Shown }) {
  const kind = kindOf(it);
  const turn = it.state.status === "RUNNING" ? "stop" : "start";
  const reset = it.state.canReset ? (["reset"] as const) : [];
  return <div className="flex flex-wrap gap-2">{(["show", turn, ...reset, "try"] as const).map((what) => <Cli key={what} command={cli.automation(kind, what, it.name)} />)}</div>;
}

/** Back to what the definition says; somebody has turned it on or off. */
function Reset({ it }: { it: Shown }) {
  const turn = useTurn();
  const barred = useMay("OPERATOR");
  return (
    <>
      <button type="button" className="btn" disabled={turn.isPending} title={t.automation.resetWhat} onClick={() => turn.mutate({ it, to: "reset" })} {...barred}>
        <Icon name="retry" /> {t.automation.reset(it.defaultStatus === "RUNNING" ? t.automation.on : t.automation.off)}
      </button>
      {turn.error && <Problem error={turn.error} />}
    </>
  );
}

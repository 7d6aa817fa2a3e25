// A schedule or a sensor as other pages mention it, and when something is due.
import { Link } from "@tanstack/react-router";
import type { Kind, Which } from "../api/automation/types";
import { kindOf, PAGE_OF } from "../lib/automation";
import { useZone } from "../lib/stored";
import { absolute, ago, until } from "../lib/time";
import { t } from "../strings";
import { Icon } from "./Icon";
import { useTold } from "./location";

/** Where its location is not known, its page asks for it if there is need. */
type LinkProps = { it: Pick<Which, "__typename" | "name"> & { location?: string }; className?: string };

export function InstigatorLink({ it, className = "font-medium" }: LinkProps) {
  const location = useTold()(it.location);
  return <Link to={PAGE_OF[kindOf(it)]} params={{ name: it.name }} search={{ location }} className={className}>{it.name}</Link>;
}

export const KindMark = ({ kind }: { kind: Kind }) => (
  <span className="inline-flex items-center gap-1 text-muted"><Icon name={kind === "schedule" ? "clock" : "eye"} size={14} /> {t.automation.kinds[kind]}</span>
);

/** How far off and when, both to be read. What is `due` is still to come, even if it is late. */
export function When({ at, now, due = false }: { at: number; now: number; due?: boolean }) {
  const zone = useZone();
  return (
    <time dateTime={new Date(at * 1000).toISOString()}>
      <span className="mr-1 whitespace-nowrap">{due ? until(at, now) : ago(at, now)}</span> <span className="whitespace-nowrap text-muted">{absolute(at, zone)}</span>
    </time>
  );
}

// Which code location something is of. With only one of them nothing says so, neither pages nor addresses of schedules and sensors.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useWorkspace } from "../api/queries";
import { t } from "../strings";
import { LoadingPage, PageHead } from "./basics";

export const useSeveral = () => (useWorkspace().data?.length ?? 0) > 1;

/** The location, if there is more than one: what stands in addresses and beside names. */
export function useTold(): (location: string | undefined) => string | undefined {
  const several = useSeveral();
  return (location) => (several ? location : undefined);
}

/** `NAME of LOCATION`, where a name alone may be that of two things. */
export function useFullName(): (of: { name: string; location: string }) => string {
  const told = useTold();
  return ({ name, location }) => (told(location) ? t.locations.of(name, location) : name);
}

/** Beside a name. */
export function LocationMark({ location }: { location: string }) {
  const told = useTold();
  return told(location) && <span className="chip align-middle font-normal" title={t.locations.what}>{location}</span>;
}

/** In the place of a page whose address says a name that several locations have. */
export function WhichLocation({ name, locations }: { name: string; locations: string[] }) {
  return (
    <>
      <PageHead title={name} below={<p>{t.locations.which(name)}</p>} />
      <ul className="flex flex-wrap gap-2">
        {locations.map((location) => <li key={location}><Link to="." search={(old: object) => ({ ...old, location })} replace className="btn no-underline">{location}</Link></li>)}
      </ul>
    </>
  );
}

/** The page of a job once it is known whose it is: that of the location in the address, or of the only one that has it. */
export function OneJob({ job, location, children }: { job: string; location: string | undefined; children: (location: string | undefined) => ReactNode }) {
  const { data, isPending } = useWorkspace();
  if (location !== undefined) return children(location);
  if (isPending) return <LoadingPage title={job} />;
  const having = (data ?? []).filter((entry) => entry.jobs.some(({ name }) => name === job)).map((entry) => entry.name);
  return having.length > 1 ? <WhichLocation name={job} locations={having} /> : children(having[0]);
}

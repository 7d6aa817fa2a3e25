// What the visitor's role keeps from being done: it stays in its place, and says which role it takes.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useInstance } from "../api/queries";
import { may, type Role } from "../lib/roles";
import { t } from "../strings";

export type Barred = { disabled?: true; title?: string; "aria-description"?: string };

export const useVisitor = () => useInstance().data?.instance.visitor ?? null;

/** Attributes for what takes a role: none for who has it. They come last, over those of the thing itself. */
export function useMay(role: Role): Barred {
  const visitor = useVisitor();
  if (may(visitor, role)) return {};
  const why = t.roles.takes(t.roles.names[role]);
  return { disabled: true, title: why, "aria-description": why };
}

type LaunchLinkProps = { job: string; search: { location?: string; select?: string }; className?: string; label?: string; children: ReactNode };

/** The way to where a job is launched, for who may launch. */
export function LaunchLink({ job, search, className = "", label, children }: LaunchLinkProps) {
  const barred = useMay("LAUNCHER");
  const look = `btn no-underline ${className}`;
  if (barred.disabled) return <button type="button" className={look} aria-label={label} {...barred}>{children}</button>;
  return <Link to="/jobs/$job/run" params={{ job }} search={search} className={look} aria-label={label}>{children}</Link>;
}

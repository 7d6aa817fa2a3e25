// What stands where there is nothing: the address that was asked for, and ways on.
import { Link, useRouterState } from "@tanstack/react-router";
import { t } from "../strings";

export function NotFound() {
  const path = useRouterState({ select: (s) => s.location.pathname });
  return (
    <div className="mx-auto flex max-w-xl flex-col gap-3 py-12">
      <h1>{t.notFound.title}</h1>
      <p className="text-muted">{t.notFound.what} <code className="mono break-all">{path}</code></p>
      <p>{t.notFound.ways}</p>
      <ul className="list-disc pl-5">
        <li><Link to="/">{t.nav.home}</Link></li>
        <li><Link to="/runs">{t.nav.runs}</Link></li>
        <li><Link to="/jobs">{t.nav.jobs}</Link></li>
      </ul>
    </div>
  );
}

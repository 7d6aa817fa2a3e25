// `/libraries`: what code there is, by digest, with its ops.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useLibraries } from "../api/queries";
import type { Library, Op } from "../api/types";
import { cli } from "../lib/cli";
import { libraryId } from "../lib/locations";
import { bytes, plural } from "../lib/size";
import { Cli, Copy, Empty, LoadingPage, PageHead, Problem } from "../parts/basics";
import { Icon } from "../parts/Icon";
import { LocationMark } from "../parts/location";
import { ConfigKeys, Ports } from "../parts/Ports";
import { t } from "../strings";

export function Libraries() {
  const { data, isPending, error, refetch } = useLibraries();
  const { library: opened } = useSearch({ from: "/libraries" });
  const navigate = useNavigate({ from: "/libraries" });
  if (isPending) return <LoadingPage title={t.nav.libraries} />;
  if (!data) return <><PageHead title={t.nav.libraries} /><Problem error={error} retry={() => void refetch()} /></>;
  const all = data.flatMap(({ name, libraries }) => libraries.map((library) => ({ library, location: name, id: libraryId(library.name, data.length > 1 ? name : undefined) })));
  // The address of a run's library says no location: each of that name is meant.
  const isOpen = (id: string, { name }: Library) => opened === id || opened === name;
  return (
    <>
      <PageHead title={t.nav.libraries} command={opened ? cli.inspect(opened.split("/").at(-1)!) : cli.check()} />
      {all.length === 0 ? <Empty title={t.libraries.none}><Cli command="cofferdam new weather" /></Empty> : (
        <ul className="flex flex-col gap-3">{all.map(({ library, location, id }) => (
          <LibraryCard key={id} id={id} location={location} library={library} open={isOpen(id, library)} toggle={() => void navigate({ search: { library: isOpen(id, library) ? undefined : id }, replace: true })} />
        ))}</ul>
      )}
    </>
  );
}

function LibraryCard({ id, location, library, open, toggle }: { id: string; location: string; library: Library; open: boolean; toggle: () => void }) {
  return (
    <li className="panel" data-library={id}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-3 py-2">
        <h2>
          <button type="button" className="flex items-center gap-2" aria-expanded={open} onClick={toggle}><Icon name={open ? "down" : "right"} /> {library.name}</button>
        </h2>
        <LocationMark location={location} />
        {library.language && <span className="chip">{library.language}</span>}
        {library.version && <span className="text-muted">{library.version}</span>}
        <span className="text-muted">{plural(library.ops.length, "op")}</span>
        {library.sizeBytes !== null && <span className="text-muted">{bytes(library.sizeBytes)}</span>}
        <span className="mono min-w-0 truncate text-muted">{library.source}</span>
        <span className="ml-auto flex max-w-full min-w-0 items-center"><code className="mono truncate text-muted" title={library.digest}>{library.digest}</code><Copy text={library.digest} label={t.libraries.copyDigest} /></span>
      </div>
      {open && <ul className="divide-y divide-line border-t border-line">{library.ops.map((op) => <OpDocs key={op.name} op={op} />)}</ul>}
    </li>
  );
}

function OpDocs({ op }: { op: Op }) {
  return (
    <li className="px-4 py-3">
      <p className="flex items-center gap-2"><code className="mono text-sm font-semibold">{op.name}</code>{op.pure && <span className="chip" title={t.libraries.pureWhat}>{t.libraries.pure}</span>}</p>
      {op.description && <p className="mb-2">{op.description}</p>}
      <div className="grid gap-4 sm:grid-cols-3"><Ports title={t.types.inputs} ports={op.inputs} /><Ports title={t.types.outputs} ports={op.outputs} /><ConfigKeys schema={op.configSchema} /></div>
    </li>
  );
}

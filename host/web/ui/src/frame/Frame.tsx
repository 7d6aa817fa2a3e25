// What stands round every page: the rail, the live mark, switches, the palette, and the banner while definitions are wrong. While
// nobody is signed in, the page for that stands in the place of it all.
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { liveState, watchLive } from "../api/client";
import { useFollowing, useInstance, useWorkspace } from "../api/queries";
import { sessionState, watchSession } from "../api/session";
import { wrongOnes } from "../lib/locations";
import { store, type Theme, useTheme, useZone } from "../lib/stored";
import { duration, zoneName } from "../lib/time";
import { Loading, useNow } from "../parts/basics";
import { placeText } from "../parts/Diagnostics";
import { Icon, type IconName } from "../parts/Icon";
import { t } from "../strings";
import { Logo } from "./Logo";
import { Visitor } from "./Visitor";

const Palette = lazy(() => import("./Palette"));
const SignIn = lazy(() => import("./SignIn"));

const PAGES: { to: string; label: string; icon: IconName }[] = [
  { to: "/", label: t.nav.home, icon: "home" },
  { to: "/runs", label: t.nav.runs, icon: "runs" },
  { to: "/jobs", label: t.nav.jobs, icon: "jobs" },
  { to: "/assets", label: t.nav.assets, icon: "assets" },
  { to: "/automation", label: t.nav.automation, icon: "automation" },
  { to: "/cluster", label: t.nav.cluster, icon: "cluster" },
  { to: "/libraries", label: t.nav.libraries, icon: "libraries" },
  { to: "/settings", label: t.nav.settings, icon: "settings" },
];

export function Frame() {
  const session = useSyncExternalStore(watchSession, sessionState);
  const cache = useQueryClient();
  useEffect(() => {
    // Nothing stays of who was here before.
    if (session !== "in") cache.clear();
  }, [session, cache]);
  return session === "in" ? <Within /> : <Suspense><SignIn lost={session === "lost"} /></Suspense>;
}

/** One question goes before all others: whether pages are let in shows by its answer, and as whom. */
function Within() {
  const { isPending, failureCount } = useInstance();
  return isPending && failureCount === 0 ? <Loading what={t.settings.instance} /> : <Pages />;
}

function Pages() {
  useFollowing();
  const [palette, setPalette] = useState(false);
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key.toLowerCase() === "k" && (e.ctrlKey || e.metaKey)) {
        e.preventDefault();
        setPalette((open) => !open);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className="flex h-full flex-col md:flex-row">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-2">{t.skip}</a>
      <Rail openPalette={() => setPalette(true)} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <WrongDefinitions />
        <Main />
      </div>
      {palette && <Suspense><Palette onOpenChange={setPalette} /></Suspense>}
    </div>
  );
}

function Main() {
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (s) => s.location.pathname });
  useEffect(() => {
    main.current?.scrollTo(0, 0);
    const heading = main.current?.querySelector("h1")?.textContent;
    document.title = heading ? `${heading} · Cofferdam` : "Cofferdam";
  }, [path]);
  return <main id="main" ref={main} tabIndex={-1} className="min-h-0 flex-1 overflow-auto p-3 outline-none md:p-5"><Outlet /></main>;
}

function Rail({ openPalette }: { openPalette: () => void }) {
  return (
    <header className="flex shrink-0 border-line bg-panel max-md:flex-wrap max-md:items-center max-md:border-b md:w-44 md:flex-col md:border-r">
      <Link to="/" className="flex items-center gap-2 px-4 py-3 text-base font-semibold text-text no-underline max-md:px-3 max-md:py-2" aria-label="Cofferdam">
        <Logo /> <span className="max-sm:sr-only">Cofferdam</span>
      </Link>
      <nav aria-label={t.nav.label} className="max-md:order-last max-md:w-full max-md:overflow-x-auto">
        <ul className="flex gap-0.5 px-2 pb-1 md:flex-col">
          {PAGES.map(({ to, label, icon }) => (
            <li key={to}>
              <Link to={to} activeOptions={{ exact: to === "/", includeSearch: false }}
                className="flex items-center gap-2.5 rounded-md px-2 py-1.5 md:px-2.5 text-muted no-underline hover:bg-raised hover:no-underline"
                activeProps={{ className: "bg-raised font-semibold !text-text", "aria-current": "page" }}>
                <span className="max-md:hidden"><Icon name={icon} /></span> <span>{label}</span>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className="flex min-w-0 items-center gap-1 p-2 max-md:flex-1 max-md:justify-end md:mt-auto md:flex-col md:items-stretch">
        <LiveMark />
        <button type="button" className="btn btn-quiet justify-start px-2" onClick={openPalette} aria-keyshortcuts="Control+K">
          <Icon name="search" /> <span className="max-md:sr-only">{t.palette.open}</span> <kbd className="chip ml-auto max-md:hidden">Ctrl K</kbd>
        </button>
        <Switches />
        <Visitor />
      </div>
    </header>
  );
}

export function LiveMark() {
  const live = useSyncExternalStore(watchLive, liveState);
  const now = useNow(live.state === "lost");
  const look = { connecting: "tone-queued", live: "tone-succeeded", lost: "tone-failed" }[live.state];
  const text = live.state === "lost" ? t.live.lost(duration(Math.max(0, Math.floor(now - live.since)))) : t.live[live.state];
  return (
    <p role="status" className={`status min-w-0 px-2 text-xs ${look}`} data-live={live.state}>
      <span aria-hidden="true" className={`size-2 shrink-0 rounded-full bg-current ${live.state === "live" ? "" : "pulse"}`} />
      <span className="truncate md:whitespace-normal" title={text}>{text}</span>
    </p>
  );
}

function Switches() {
  const theme = useTheme();
  const zone = useZone();
  const next: Theme = theme === "system" ? "light" : theme === "light" ? "dark" : "system";
  return (
    <>
      <button type="button" className="btn btn-quiet justify-start px-2" onClick={() => store("theme", next)}>
        <Icon name={theme === "dark" ? "moon" : theme === "light" ? "sun" : "auto"} /> <span className="sr-only">{t.theme.label} </span><span className="max-md:sr-only">{t.theme[theme]}</span>
      </button>
      <button type="button" className="btn btn-quiet justify-start px-2" onClick={() => store("zone", zone === "utc" ? "local" : "utc")}>
        <Icon name="clock" /> <span className="sr-only">{t.zone.label} </span><span className="max-sm:sr-only">{zone === "utc" ? "UTC" : t.zone.local(zoneName("local"))}</span>
      </button>
    </>
  );
}

function WrongDefinitions() {
  const { data = [] } = useWorkspace();
  const { names, nErrors, first } = wrongOnes(data);
  if (names.length === 0) return null;
  return (
    <div role="alert" className="flex flex-wrap items-center gap-x-3 border-b border-failed bg-failed-bg px-4 py-2">
      <span className="status tone-failed min-w-0 !whitespace-normal"><Icon name="warning" /> {t.definitions.wrong(data.length > 1 ? names : [], nErrors)}</span>
      {first && <span className="mono min-w-0 truncate">{placeText(first)} {first.message}</span>}
      <Link to="/settings" hash="definitions" className="ml-auto">{t.definitions.look}</Link>
    </div>
  );
}

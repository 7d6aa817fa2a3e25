// Which address shows which page. The search part of an address is the view: plain text parameters, nothing encoded twice.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Frame } from "./frame/Frame";
import { NotFound } from "./frame/NotFound";
import type { AssetsSearch } from "./lib/assets";
import type { AutomationSearch } from "./lib/automation";
import type { RunsSearch } from "./lib/runs";
import { Cluster } from "./pages/Cluster";
import { Home } from "./pages/Home";
import { Jobs } from "./pages/Jobs";
import { Libraries } from "./pages/Libraries";
import { Runs } from "./pages/Runs";
import { Settings } from "./pages/Settings";

/** Keeps the named parameters that are there and hold text; the rest of an address is dropped. */
const only = <K extends string>(...names: K[]) => (search: Record<string, unknown>): { [name in K]?: string } =>
  Object.fromEntries(names.filter((name) => typeof search[name] === "string" && search[name] !== "").map((name) => [name, search[name]])) as { [name in K]?: string };

const root = createRootRoute({ component: Frame, notFoundComponent: NotFound });
const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: Home, validateSearch: only("hours") }),
  createRoute({ getParentRoute: () => root, path: "/runs", component: Runs, validateSearch: (s): RunsSearch => only("status", "job", "tag", "q")(s) }),
  createRoute({
    getParentRoute: () => root, path: "/runs/$runId", validateSearch: only("view", "tab", "step", "level", "q", "open", "line"),
    component: lazyRouteComponent(() => import("./pages/run/RunPage"), "RunPage"),
  }),
  createRoute({ getParentRoute: () => root, path: "/jobs", component: Jobs, validateSearch: only("q") }),
  createRoute({
    getParentRoute: () => root, path: "/jobs/$job", validateSearch: only("location", "run", "step", "select"),
    component: lazyRouteComponent(() => import("./pages/JobPage"), "JobPage"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/jobs/$job/run", validateSearch: only("location", "env", "partition", "select", "tags", "from"),
    component: lazyRouteComponent(() => import("./pages/launchpad/Launchpad"), "Launchpad"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/assets", validateSearch: (s): AssetsSearch => only("q", "state", "view", "pick")(s),
    component: lazyRouteComponent(() => import("./pages/assets/Assets"), "Assets"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/assets/key/$", validateSearch: only("location", "before"),
    component: lazyRouteComponent(() => import("./pages/assets/AssetPage"), "AssetPage"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/automation", validateSearch: (s): AutomationSearch => only("q", "kind", "state")(s),
    component: lazyRouteComponent(() => import("./pages/automation/Automation"), "Automation"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/automation/schedules/$name", validateSearch: only("location", "status", "before", "tick"),
    component: lazyRouteComponent(() => import("./pages/automation/InstigatorPage"), "SchedulePage"),
  }),
  createRoute({
    getParentRoute: () => root, path: "/automation/sensors/$name", validateSearch: only("location", "status", "before", "tick"),
    component: lazyRouteComponent(() => import("./pages/automation/InstigatorPage"), "SensorPage"),
  }),
  createRoute({ getParentRoute: () => root, path: "/cluster", component: Cluster }),
  createRoute({ getParentRoute: () => root, path: "/libraries", component: Libraries, validateSearch: only("library") }),
  createRoute({ getParentRoute: () => root, path: "/settings", component: Settings }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: "intent",
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const params = new URLSearchParams(Object.entries(search).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
    return params.size > 0 ? `?${params}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

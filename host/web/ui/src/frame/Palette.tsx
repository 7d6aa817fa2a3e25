// Ctrl+K: go to a page, run a job, open a job or a run, all by typing.
import { Dialog } from "@base-ui/react/dialog";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useAutomation, useTurn } from "../api/automation/queries";
import { useSomeRuns, useWorkspace } from "../api/queries";
import { kindOf, PAGE_OF } from "../lib/automation";
import { shortRun } from "../lib/size";
import { Icon, type IconName } from "../parts/Icon";
import { useSeveral } from "../parts/location";
import { useMay } from "../parts/may";
import { wordOf } from "../parts/Status";
import { t } from "../strings";

type Action = { id: string; icon: IconName; label: string; detail: string; go: () => void };
const SHOWN_MAX = 12;
const RUNS_KNOWN = 100;

export default function Palette({ onOpenChange }: { onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog.Root open onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Popup className="panel fixed top-[12vh] left-1/2 z-50 w-[min(620px,94vw)] -translate-x-1/2 overflow-hidden shadow-2xl outline-none">
          <Dialog.Title className="sr-only">{t.palette.title}</Dialog.Title>
          <Search close={() => onOpenChange(false)} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Search({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const mayLaunch = !useMay("LAUNCHER").disabled;
  const found = matching(useActions(), text);
  const chosen = Math.min(at, Math.max(0, found.length - 1));
  const act = (action: Action | undefined) => {
    if (!action) return;
    close();
    action.go();
  };
  const onKey = (e: React.KeyboardEvent) => {
    const by = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
    if (by !== 0 && found.length > 0) {
      e.preventDefault();
      setAt((chosen + by + found.length) % found.length);
    }
    if (e.key === "Enter") act(found[chosen]);
  };
  return (
    <>
      <div className="flex items-center gap-2 border-b border-line px-3 text-muted">
        <Icon name="search" />
        <input autoFocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={found[chosen] ? `palette-${chosen}` : undefined}
          aria-label={t.palette.title} placeholder={mayLaunch ? t.palette.placeholder : t.palette.look} className="w-full bg-transparent py-3 text-text outline-none placeholder:text-muted"
          value={text} onKeyDown={onKey} onChange={(e) => { setText(e.target.value); setAt(0); }} />
      </div>
      <ul id="palette-list" role="listbox" aria-label={t.palette.title} className="max-h-[50vh] overflow-auto p-1">
        {found.map((action, i) => (
          <li key={action.id} id={`palette-${i}`} role="option" aria-selected={i === chosen} onClick={() => act(action)} onMouseMove={() => setAt(i)}
            className={`flex cursor-pointer items-center gap-3 rounded-md px-3 py-2 ${i === chosen ? "bg-raised" : ""}`}>
            <Icon name={action.icon} /> <span className="truncate">{action.label}</span> <span className="mono ml-auto shrink-0 text-muted">{action.detail}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p role="status" className="p-4 text-muted">{t.palette.nothing}</p>}
    </>
  );
}

function useActions(): Action[] {
  const navigate = useNavigate();
  const { data: locations } = useWorkspace();
  const { data: automation } = useAutomation();
  const { mutate: turn } = useTurn();
  const { data: runs } = useSomeRuns({}, RUNS_KNOWN);
  const [mayLaunch, mayTurn] = [!useMay("LAUNCHER").disabled, !useMay("OPERATOR").disabled];
  const several = useSeveral();
  return useMemo(() => {
    const pages = (["home", "runs", "jobs", "automation", "cluster", "libraries", "settings"] as const).map((page): Action => ({
      id: page, icon: page, label: t.palette.goTo(t.nav[page]), detail: "", go: () => void navigate({ to: page === "home" ? "/" : `/${page}` }),
    }));
    const jobs = (locations ?? []).flatMap((entry) => entry.jobs).flatMap((job): Action[] => [
      ...(mayLaunch ? [{ id: `run ${job.location}/${job.name}`, icon: "play" as const, label: t.palette.run(job.name), detail: job.location, go: () => void navigate({ to: "/jobs/$job/run", params: { job: job.name }, search: { location: job.location } }) }] : []),
      { id: `job ${job.location}/${job.name}`, icon: "jobs", label: t.palette.openJob(job.name), detail: job.location, go: () => void navigate({ to: "/jobs/$job", params: { job: job.name }, search: { location: job.location } }) },
    ]);
    const automated = (automation ?? []).flatMap((it): Action[] => {
      const [kind, isOn, location] = [kindOf(it), it.state.status === "RUNNING", several ? it.location : undefined];
      const detail = (text: string) => (location === undefined ? text : `${text}, ${location}`);
      const open = () => void navigate({ to: PAGE_OF[kind], params: { name: it.name }, search: { location } });
      const flip = () => {
        turn({ it, to: isOn ? "stop" : "start" });
        open();
      };
      return [
        ...(mayTurn ? [{ id: `turn ${kind} ${it.location}/${it.name}`, icon: "automation" as const, label: (isOn ? t.palette.turnOff : t.palette.turnOn)(it.name), detail: detail(t.automation.kinds[kind]), go: flip }] : []),
        { id: `${kind} ${it.location}/${it.name}`, icon: kind === "schedule" ? "clock" : "eye", label: t.palette.openIt(kind, it.name), detail: detail(isOn ? t.automation.on : t.automation.off), go: open },
      ];
    });
    const opened = (runs?.results ?? []).map((run): Action => ({
      id: run.runId, icon: "runs", label: t.palette.openRun(run.jobName, shortRun(run.runId)), detail: wordOf(run.status), go: () => void navigate({ to: "/runs/$runId", params: { runId: run.runId } }),
    }));
    return [...pages, ...jobs, ...automated, ...opened];
  }, [locations, automation, runs, navigate, turn, mayLaunch, mayTurn, several]);
}

function matching(actions: Action[], text: string): Action[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return actions.filter((a) => words.every((w) => `${a.label} ${a.detail} ${a.id}`.toLowerCase().includes(w))).slice(0, SHOWN_MAX);
}

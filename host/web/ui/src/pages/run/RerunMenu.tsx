// The ways to run a run again. Loaded after the page: the menu weighs more than the rest of it.
import { Menu } from "@base-ui/react/menu";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Run } from "../../api/types";
import { cli } from "../../lib/cli";
import { isOver } from "../../lib/runs";
import { Cli, Problem } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useMay } from "../../parts/may";
import { t } from "../../strings";
import { useGoRerun } from "./rerun";

/** All, from the failure, or some steps, chosen in the words of the selection language. */
export default function RerunMenu({ run, selected }: { run: Run; selected: string | undefined }) {
  const { go, error, isPending } = useGoRerun(run);
  const over = isOver(run.status);
  const barred = useMay("LAUNCHER");
  const [choosing, setChoosing] = useState(false);
  const item = "flex cursor-pointer items-center gap-2 rounded-md px-3 py-1.5 outline-none data-[highlighted]:bg-raised data-[disabled]:opacity-50";
  return (
    <>
      <Menu.Root>
        <Menu.Trigger className="btn" disabled={!over || isPending} {...barred}><Icon name="retry" /> {t.run.rerun} <Icon name="down" size={14} /></Menu.Trigger>
        <Menu.Portal>
          <Menu.Positioner sideOffset={4} align="end" className="z-30">
            <Menu.Popup className="panel min-w-52 p-1 shadow-xl outline-none">
              <Menu.Item className={item} onClick={() => go({ strategy: "ALL_STEPS" })}>{t.run.rerunAll}</Menu.Item>
              <Menu.Item className={item} disabled={run.status === "SUCCESS"} onClick={() => go({ strategy: "FROM_FAILURE" })}>{t.run.rerunFromFailure}</Menu.Item>
              <Menu.Item className={item} onClick={() => setChoosing(true)}>{t.run.rerunSome}</Menu.Item>
              <Menu.Item className={item} render={<Link to="/jobs/$job/run" params={{ job: run.jobName }} search={{ from: run.runId }} className="text-text no-underline" />}>{t.run.openInLaunchpad}</Menu.Item>
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      {choosing && <SelectionForm run={run} initial={selected ?? ""} go={(stepSelection) => go({ strategy: "SELECTION", stepSelection })} close={() => setChoosing(false)} />}
      {error && <Problem error={error} />}
    </>
  );
}

type SelectionProps = { run: Run; initial: string; go: (selection: string[]) => void; close: () => void };

function SelectionForm({ run, initial, go, close }: SelectionProps) {
  const [text, setText] = useState(initial ? `${initial}+` : "");
  const selection = text.split(/[\s,]+/).filter(Boolean);
  return (
    <form className="panel flex w-full flex-col gap-2 p-3 md:w-[460px]" aria-label={t.run.rerunSome} onSubmit={(e) => { e.preventDefault(); go(selection); close(); }} onKeyDown={(e) => e.key === "Escape" && close()}>
      <input autoFocus className="field mono" aria-label={t.run.selection} placeholder="clean[jan]+ report" value={text} onChange={(e) => setText(e.target.value)} />
      <p className="text-xs text-muted">{t.run.selectionHelp}</p>
      <div className="flex flex-wrap items-center gap-2">
        <button type="submit" className="btn btn-primary" disabled={selection.length === 0}>{t.run.rerun}</button>
        <button type="button" className="btn" onClick={close}>{t.close}</button>
        <Cli command={cli.rerun(run.runId, ...selection.flatMap((s) => ["--select", s]))} />
      </div>
    </form>
  );
}

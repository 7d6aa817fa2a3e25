// Makes assets: one run of a code location, for one partition or a range of them where they have some.
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Asset } from "../../api/assets/types";
import { ConfigInvalid, useLaunch } from "../../api/queries";
import { expressionOf, keyOf } from "../../lib/assets";
import { Problem } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { useMay } from "../../parts/may";
import { t } from "../../strings";

/** Of one code location. `known` are partitions to choose from, the newest last. */
export function Materialize({ assets, label, known, primary = false }: { assets: Asset[]; label: string; known?: string[]; primary?: boolean }) {
  const navigate = useNavigate();
  const launch = useLaunch();
  const barred = useMay("LAUNCHER");
  const partitioned = assets.some((asset) => asset.isPartitioned);
  const newest = known?.at(-1) ?? "";
  const [typed, setTyped] = useState<string | null>(null);
  const partition = typed ?? newest;
  const make = () =>
    launch.mutate(
      { jobName: "", location: assets[0]!.location, assetSelection: assets.map((asset) => expressionOf(keyOf(asset.assetKey))), partition: partitioned ? partition : undefined },
      { onSuccess: ({ run }) => void navigate({ to: "/runs/$runId", params: { runId: run.runId } }) },
    );
  return (
    <form className="flex flex-wrap items-center gap-2" onSubmit={(e) => { e.preventDefault(); make(); }}>
      {partitioned && (
        <input className="field w-44" aria-label={t.assets.partition} placeholder={t.assets.partition} value={partition} list={known && "known-partitions"} required
          onChange={(e) => setTyped(e.target.value)} />
      )}
      {partitioned && known && <datalist id="known-partitions">{known.map((key) => <option key={key} value={key} />)}</datalist>}
      <button type="submit" className={primary ? "btn btn-primary" : "btn"} disabled={launch.isPending || assets.length === 0} {...barred}><Icon name="play" /> {label}</button>
      {launch.error && <div className="w-full"><Problem error={whole(launch.error)} /></div>}
    </form>
  );
}

/** With what lies behind it. */
const whole = (error: Error) => (error instanceof ConfigInvalid ? [error.message, ...error.diagnostics.map((found) => found.message)].join("\n") : error);

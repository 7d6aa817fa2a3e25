// How the state of an asset looks, everywhere the same.
import { Link } from "@tanstack/react-router";
import type { Asset, AssetKey, StaleStatus } from "../../api/assets/types";
import { keyOf } from "../../lib/assets";
import { Icon, type IconName } from "../../parts/Icon";
import { useTold } from "../../parts/location";
import type { Tone } from "../../parts/Status";
import { t } from "../../strings";

const LOOKS: Record<StaleStatus, { tone: Tone; icon: IconName }> = {
  FRESH: { tone: "succeeded", icon: "check" },
  STALE: { tone: "retrying", icon: "warning" },
  MISSING: { tone: "queued", icon: "circle" },
  EXTERNAL: { tone: "skipped", icon: "out" },
};

export const toneOf = (status: StaleStatus) => LOOKS[status].tone;

export function AssetStatus({ status }: { status: StaleStatus }) {
  const { tone, icon } = LOOKS[status];
  return <span className={`status tone-${tone}`} data-stale={status}><Icon name={icon} size={15} /> {t.assets.status[status]}</span>;
}

/** The worst word, and of partitions how many are how. */
export function AssetState({ asset }: { asset: Asset }) {
  const { numPartitions, numStale, numMissing } = asset.partitionStats;
  return (
    <>
      <AssetStatus status={asset.staleStatus} />
      {asset.isPartitioned && <span className="text-muted tabular-nums">{t.assets.ofPartitions(numStale, numMissing, numPartitions)}</span>}
    </>
  );
}

export function AssetLink({ of, location, className }: { of: AssetKey; location: string; className?: string }) {
  const told = useTold()(location);
  return <Link to="/assets/key/$" params={{ _splat: keyOf(of) }} search={{ location: told }} className={className}>{keyOf(of)}</Link>;
}

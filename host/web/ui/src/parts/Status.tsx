// One palette for the states of runs and steps: colour, icon and word, everywhere the same.
import type { RunStatus, StepStatus } from "../api/types";
import { t } from "../strings";
import { Icon, type IconName } from "./Icon";

export type Tone = "queued" | "running" | "succeeded" | "failed" | "retrying" | "skipped" | "cancelled";
type Look = { tone: Tone; icon: IconName; spin?: boolean };

const LOOKS: Record<RunStatus | StepStatus, Look> = {
  QUEUED: { tone: "queued", icon: "clock" },
  STARTED: { tone: "running", icon: "half", spin: true },
  CANCELING: { tone: "cancelled", icon: "half", spin: true },
  SUCCESS: { tone: "succeeded", icon: "check" },
  FAILURE: { tone: "failed", icon: "cross" },
  CANCELED: { tone: "cancelled", icon: "stop" },
  WAITING: { tone: "queued", icon: "circle" },
  READY: { tone: "queued", icon: "clock" },
  RUNNING: { tone: "running", icon: "half", spin: true },
  RETRYING: { tone: "retrying", icon: "retry" },
  SUCCEEDED: { tone: "succeeded", icon: "check" },
  FAILED: { tone: "failed", icon: "cross" },
  SKIPPED: { tone: "skipped", icon: "skip" },
  ABANDONED: { tone: "cancelled", icon: "barred" },
  CANCELLED: { tone: "cancelled", icon: "stop" },
};

export const lookOf = (status: RunStatus | StepStatus) => LOOKS[status];
export const wordOf = (status: RunStatus | StepStatus) => t.status[status];

export function Status({ status, iconOnly = false }: { status: RunStatus | StepStatus; iconOnly?: boolean }) {
  const { tone, icon, spin } = LOOKS[status];
  return (
    <span className={`status tone-${tone}`} data-status={status} title={iconOnly ? wordOf(status) : undefined}>
      <Icon name={icon} size={15} spin={spin} />
      <span className={iconOnly ? "sr-only" : ""}>{wordOf(status)}</span>
    </span>
  );
}

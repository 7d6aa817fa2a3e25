// Runs a run again and goes to the new one.
import { useNavigate } from "@tanstack/react-router";
import { type Rerun, useRerun } from "../../api/queries";
import type { Run } from "../../api/types";

export function useGoRerun(run: Run) {
  const navigate = useNavigate();
  const rerun = useRerun();
  const go = (how: Omit<Rerun, "parentRunId">) =>
    rerun.mutate({ parentRunId: run.runId, ...how }, { onSuccess: ({ run: next }) => void navigate({ to: "/runs/$runId", params: { runId: next.runId }, search: {} }) });
  return { go, error: rerun.error, isPending: rerun.isPending };
}

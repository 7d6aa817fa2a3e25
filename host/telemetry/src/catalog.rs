//! All metrics by name: what their numbers mean. The table in the documentation is made of it.

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    Scheduler,
    Worker,
}

pub(crate) struct Metric {
    /// As it is registered: counters are exposed with `_total` behind it.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) side: Side,
    /// Its label and the values that this can have.
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) help: &'static str,
}

const fn metric(
    side: Side,
    kind: Kind,
    name: &'static str,
    label: Option<(&'static str, &'static str)>,
    help: &'static str,
) -> Metric {
    Metric { name, kind, side, label, help }
}

use Kind::{Counter, Gauge, Histogram};
use Side::{Both, Scheduler, Worker};

const OUTCOMES: &str = "succeeded, failed, skipped, abandoned, cancelled, reused, cached";
const KINDS: &str = "the kinds of failures: op-failed, trap, timeout, fuel, memory, …";
const REASONS: &str = "dependency, wait, retry, recall, holder, run_queue, max_concurrent, tag_limit, pool, namespace, quota, no_worker, no_worker_fits, draining, no_time_left, busy, cancelling";

/// In the order of the documentation.
pub(crate) const CATALOG: &[Metric] = &[
    metric(
        Both,
        Gauge,
        "cofferdam_build",
        Some(("version", "of the program")),
        "Always 1; its label says which version runs",
    ),
    metric(Scheduler, Counter, "cofferdam_runs_accepted", None, "Runs that were accepted"),
    metric(
        Scheduler,
        Counter,
        "cofferdam_runs_finished",
        Some(("status", "succeeded, failed, cancelled")),
        "Runs that ended",
    ),
    metric(
        Scheduler,
        Gauge,
        "cofferdam_runs",
        Some(("status", "queued, running, cancelling")),
        "Runs that are driven now",
    ),
    metric(
        Scheduler,
        Gauge,
        "cofferdam_steps_waiting",
        Some(("reason", REASONS)),
        "Steps that do not run now and have not ended, by why",
    ),
    metric(Scheduler, Gauge, "cofferdam_steps_running", None, "Steps that are dispatched and have not ended"),
    metric(
        Scheduler,
        Counter,
        "cofferdam_steps_ended",
        Some(("outcome", OUTCOMES)),
        "Steps by how they ended",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_dispatched",
        None,
        "Attempts that were claimed for a worker",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_failed",
        Some(("kind", KINDS)),
        "Attempts that failed, those included that were tried again",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_retried",
        None,
        "Attempts that failed and were followed by a wait for the next one",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_lost",
        None,
        "Attempts whose worker was lost, and their lease with it",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_hedged",
        None,
        "Attempts that were made beside one that took much longer than its like",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_returned",
        None,
        "Attempts that a worker gave back before they began, so that another one takes them",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_attempts_lacking",
        None,
        "Attempts that could not read what workers were to keep, because none had it any more",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_steps_anew",
        None,
        "Steps that had ended and were opened again, because what they had left with workers was lost and is read",
    ),
    metric(
        Scheduler,
        Histogram,
        "cofferdam_step_queue_seconds",
        None,
        "From when a step was ready to when it was dispatched, of attempts that ended",
    ),
    metric(
        Scheduler,
        Histogram,
        "cofferdam_step_transit_seconds",
        None,
        "Time of an attempt that it was not with its worker: the append of its claim, both ways, and the append of its end",
    ),
    metric(
        Scheduler,
        Histogram,
        "cofferdam_step_held_seconds",
        None,
        "From when a worker had an attempt to when it reported the end",
    ),
    metric(Scheduler, Histogram, "cofferdam_step_run_seconds", None, "Time of attempts in their instances"),
    metric(Scheduler, Counter, "cofferdam_step_cpu_seconds", None, "Time of a core that attempts took"),
    metric(Scheduler, Counter, "cofferdam_step_input_bytes", None, "Bytes that ops read"),
    metric(Scheduler, Counter, "cofferdam_step_output_bytes", None, "Bytes that ops wrote"),
    metric(
        Scheduler,
        Counter,
        "cofferdam_step_moved_bytes",
        None,
        "Bytes of inputs and libraries that came over a network while a step waited for them",
    ),
    metric(Scheduler, Counter, "cofferdam_log_lines_kept", None, "Log lines of ops that went to the run log"),
    metric(
        Scheduler,
        Counter,
        "cofferdam_log_lines_dropped",
        None,
        "Log lines of ops that were dropped because of their limits",
    ),
    metric(
        Scheduler,
        Counter,
        "cofferdam_log_lines_lost",
        None,
        "Log lines of ops that the run log could not keep",
    ),
    metric(
        Scheduler,
        Gauge,
        "cofferdam_workers",
        Some(("state", "joined, leaving")),
        "Workers that are heard",
    ),
    metric(Scheduler, Gauge, "cofferdam_worker_slots", None, "Slots of the workers that are heard"),
    metric(Scheduler, Histogram, "cofferdam_run_log_append_seconds", None, "Time of one append of events"),
    metric(Scheduler, Histogram, "cofferdam_run_log_append_events", None, "Events of one append"),
    metric(
        Scheduler,
        Counter,
        "cofferdam_alert_attempts",
        Some(("outcome", "sent, failed, given_up")),
        "Attempts to tell somebody: it arrived, is tried again, or was tried often enough",
    ),
    metric(Worker, Gauge, "cofferdam_cells", None, "Cells that the worker has: its slots"),
    metric(Worker, Counter, "cofferdam_cells_started", None, "Cells that were started"),
    metric(
        Worker,
        Counter,
        "cofferdam_cells_died",
        None,
        "Cells that ended, by themselves or killed, and were replaced",
    ),
    metric(Worker, Counter, "cofferdam_worker_attempts_received", None, "Attempts that the worker was given"),
    metric(
        Worker,
        Counter,
        "cofferdam_worker_attempts_succeeded",
        None,
        "Attempts that the worker reported as successful",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_worker_attempts_failed",
        Some(("kind", KINDS)),
        "Attempts that the worker reported as failed",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_libraries_ready",
        Some(("from", "memory, cache, compiler, elsewhere")),
        "Libraries that attempts asked for or that were announced: loaded already, compiled earlier, compiled now, compiled by another host",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_near_requests",
        Some(("result", "hit, miss")),
        "Values and libraries that were wanted from the cluster: here already, or fetched",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_near_evicted",
        None,
        "Values and libraries that went from the worker's folder to make room",
    ),
    metric(
        Worker,
        Gauge,
        "cofferdam_near_bytes",
        None,
        "Bytes of the worker's folder that values and libraries take",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_near_fetched_bytes",
        None,
        "Bytes of values and libraries that were fetched",
    ),
    metric(
        Worker,
        Counter,
        "cofferdam_near_sent_bytes",
        None,
        "Bytes of values that were sent to the scheduler's store",
    ),
    metric(
        Both,
        Counter,
        "process_cpu_seconds",
        None,
        "Time of a core that the process itself took, without its cells",
    ),
    metric(
        Both,
        Gauge,
        "process_resident_memory_bytes",
        None,
        "Memory that the process has, without its cells",
    ),
    metric(Both, Gauge, "process_open_fds", None, "File descriptors that the process has open"),
];

/// The metric of that name.
pub(crate) fn named(name: &str) -> &'static Metric {
    CATALOG.iter().find(|metric| metric.name == name).expect("only what is in the catalog is registered")
}

impl Metric {
    /// The name under which it is read.
    fn exposed(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

/// All metrics as a table of the documentation.
pub fn table() -> String {
    let mut text = "| name | kind | of | label | what |\n|---|---|---|---|---|\n".to_owned();
    for metric in CATALOG {
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let side = match metric.side {
            Both => "both",
            Scheduler => "scheduler",
            Worker => "worker",
        };
        let label = metric.label.map(|(name, values)| format!("`{name}`: {values}"));
        let label = label.unwrap_or_default();
        text += &format!("| `{}` | {kind} | {side} | {label} | {} |\n", metric.exposed(), metric.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_documentation_is_the_catalog() {
        let documented = include_str!("../METRICS.md");
        let table = table();
        assert!(documented.contains(&table), "host/telemetry/METRICS.md must contain:\n{table}");
        assert_eq!(
            documented.lines().filter(|line| line.starts_with("| `")).count(),
            CATALOG.len(),
            "and no other row"
        );
    }

    #[test]
    fn no_name_is_there_twice() {
        let mut names: Vec<_> = CATALOG.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOG.len());
    }
}

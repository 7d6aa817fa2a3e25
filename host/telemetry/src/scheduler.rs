//! What a scheduler counts: events as they are recorded, and how things stand when somebody looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_engine::Census;
use cofferdam_model::{Event, Fence, Recorded, RunId, RunStatus, Timestamp, Usage};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::registry::{Counters, Exposed, Gauges, signed};

/// The metrics of a scheduler. Clones share them.
#[derive(Debug, Clone)]
pub struct SchedulerMetrics {
    runs_accepted: Counter,
    runs_finished: Counters,
    runs: Gauges,
    waiting: Gauges,
    running: Gauge,
    ended: Counters,
    dispatched: Counter,
    failed: Counters,
    retried: Counter,
    lost: Counter,
    returned: Counter,
    hedged: Counter,
    lacking: Counter,
    anew: Counter,
    queue: Histogram,
    transit: Histogram,
    held: Histogram,
    run: Histogram,
    cpu: Counter<f64>,
    input: Counter,
    output: Counter,
    moved: Counter,
    lines_kept: Counter,
    lines_dropped: Counter,
    lines_lost: Counter,
    workers: Gauges,
    slots: Gauge,
    append_seconds: Histogram,
    append_events: Histogram,
    alerts: Counters,
    /// When the attempts that are under way were dispatched.
    under_way: Arc<Mutex<HashMap<RunId, HashMap<Fence, Timestamp>>>>,
}

impl SchedulerMetrics {
    pub fn new(exposed: &Exposed) -> SchedulerMetrics {
        SchedulerMetrics {
            runs_accepted: exposed.counter("cofferdam_runs_accepted"),
            runs_finished: exposed.counters("cofferdam_runs_finished"),
            runs: exposed.gauges("cofferdam_runs"),
            waiting: exposed.gauges("cofferdam_steps_waiting"),
            running: exposed.gauge("cofferdam_steps_running"),
            ended: exposed.counters("cofferdam_steps_ended"),
            dispatched: exposed.counter("cofferdam_attempts_dispatched"),
            failed: exposed.counters("cofferdam_attempts_failed"),
            retried: exposed.counter("cofferdam_attempts_retried"),
            lost: exposed.counter("cofferdam_attempts_lost"),
            returned: exposed.counter("cofferdam_attempts_returned"),
            hedged: exposed.counter("cofferdam_attempts_hedged"),
            lacking: exposed.counter("cofferdam_attempts_lacking"),
            anew: exposed.counter("cofferdam_steps_anew"),
            queue: exposed.seconds("cofferdam_step_queue_seconds"),
            transit: exposed.seconds("cofferdam_step_transit_seconds"),
            held: exposed.seconds("cofferdam_step_held_seconds"),
            run: exposed.seconds("cofferdam_step_run_seconds"),
            cpu: exposed.float_counter("cofferdam_step_cpu_seconds"),
            input: exposed.counter("cofferdam_step_input_bytes"),
            output: exposed.counter("cofferdam_step_output_bytes"),
            moved: exposed.counter("cofferdam_step_moved_bytes"),
            lines_kept: exposed.counter("cofferdam_log_lines_kept"),
            lines_dropped: exposed.counter("cofferdam_log_lines_dropped"),
            lines_lost: exposed.counter("cofferdam_log_lines_lost"),
            workers: exposed.gauges("cofferdam_workers"),
            slots: exposed.gauge("cofferdam_worker_slots"),
            append_seconds: exposed.seconds("cofferdam_run_log_append_seconds"),
            append_events: exposed.events("cofferdam_run_log_append_events"),
            alerts: exposed.counters("cofferdam_alert_attempts"),
            under_way: Arc::default(),
        }
    }

    /// Events that are being recorded.
    pub fn events(&self, run: RunId, events: &[Recorded]) {
        let mut all = self.under_way.lock().expect("nobody panics while holding it");
        let under_way = all.entry(run).or_default();
        for Recorded { at, event, .. } in events {
            self.event(*at, event, under_way);
        }
        if matches!(events.last(), Some(Recorded { event: Event::RunFinished { .. }, .. })) {
            all.remove(&run);
        }
    }

    fn event(&self, at: Timestamp, event: &Event, under_way: &mut HashMap<Fence, Timestamp>) {
        let ended = |outcome| self.ended.get_or_create(&[("outcome", outcome)]).inc();
        match event {
            Event::RunAccepted { .. } => {
                self.runs_accepted.inc();
            }
            Event::StepDispatched { fence, .. } => {
                self.dispatched.inc();
                under_way.insert(*fence, at);
            }
            Event::StepHedged { fence, .. } => {
                self.hedged.inc();
                under_way.insert(*fence, at);
            }
            Event::AttemptDropped { fence, usage, .. } => {
                self.used(usage, under_way.remove(fence).map(|from| at.since(from)));
            }
            Event::StepSucceeded { fence, usage, .. } => {
                ended("succeeded");
                self.used(usage, under_way.remove(fence).map(|from| at.since(from)));
            }
            Event::StepFailed { fence, failure, usage, retry_at, .. } => {
                self.failed.get_or_create(&[("kind", failure.kind.code())]).inc();
                self.used(usage, under_way.remove(fence).map(|from| at.since(from)));
                if retry_at.is_some() {
                    self.retried.inc();
                } else {
                    ended("failed");
                }
            }
            Event::StepLost { fence, .. } => {
                self.lost.inc();
                under_way.remove(fence);
            }
            Event::StepReturned { fence, .. } => {
                self.returned.inc();
                under_way.remove(fence);
            }
            Event::InputsLost { fence, .. } => {
                self.lacking.inc();
                under_way.remove(fence);
            }
            Event::OutputsLost { .. } => {
                self.anew.inc();
            }
            Event::StepCancelled { usage, .. } => {
                ended("cancelled");
                if let Some(usage) = usage {
                    self.used(usage, None);
                }
            }
            Event::StepReused { .. } => {
                ended("reused");
            }
            Event::StepCached { .. } => {
                ended("cached");
            }
            Event::StepSkipped { .. } => {
                ended("skipped");
            }
            Event::WaitEnded { end, .. } if !end.goes_on() => {
                ended("rejected");
            }
            Event::StepAbandoned { .. } => {
                ended("abandoned");
            }
            Event::RunFinished { status } => {
                self.runs_finished.get_or_create(&[("status", status.word())]).inc();
            }
            Event::StepStarted { .. }
            | Event::WaitBegan { .. }
            | Event::WaitEnded { .. }
            | Event::AssetMaterialized { .. }
            | Event::AssetChecked { .. }
            | Event::RunCancelRequested { .. } => {}
        }
    }

    /// What an attempt used that ended so long after it was dispatched.
    fn used(&self, usage: &Usage, took: Option<Duration>) {
        self.queue.observe(seconds(usage.queue_us));
        self.held.observe(seconds(usage.held_us));
        self.run.observe(seconds(usage.wall_us));
        if let Some(took) = took {
            self.transit.observe((took.as_secs_f64() - seconds(usage.held_us)).max(0.0));
        }
        self.cpu.inc_by(seconds(usage.cpu_us));
        self.input.inc_by(usage.input_bytes);
        self.output.inc_by(usage.output_bytes);
        self.moved.inc_by(usage.moved_bytes.saturating_add(usage.library_bytes));
        self.lines_dropped.inc_by(usage.log_lines_dropped);
    }

    /// An append of events has come to its end.
    pub fn appended(&self, n_events: usize, took: Duration) {
        self.append_seconds.observe(took.as_secs_f64());
        self.append_events.observe(n_events as f64);
    }

    /// Log lines were kept, or could not be.
    pub fn lines(&self, n_lines: usize, kept: bool) {
        let counter = if kept { &self.lines_kept } else { &self.lines_lost };
        counter.inc_by(n_lines as u64);
    }

    /// An attempt to tell somebody has come to its end.
    pub fn alert(&self, outcome: &'static str) {
        self.alerts.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// How things stand now.
    pub fn set(&self, census: &Census) {
        for status in [RunStatus::Queued, RunStatus::Running, RunStatus::Cancelling] {
            let n = census.runs.get(&status).copied().unwrap_or(0);
            self.runs.get_or_create(&[("status", status.word())]).set(signed(n));
        }
        self.waiting.clear();
        for (reason, n) in &census.waiting {
            self.waiting.get_or_create(&[("reason", reason)]).set(signed(*n));
        }
        self.running.set(signed(census.running));
        self.workers.get_or_create(&[("state", "joined")]).set(signed(census.joined));
        self.workers.get_or_create(&[("state", "leaving")]).set(signed(census.leaving));
        self.slots.set(signed(census.slots));
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

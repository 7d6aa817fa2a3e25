//! What a process tells of itself: metrics, each with a name that stays, and the listener where they can be read; spans of
//! traces, and where they are sent. It
//! counts what it is told and asks nobody; who tells it is joined to it where the program is wired together.
//!
//! No label of a metric names a run, a step, a host or anything else that a user chooses: their number would have no bound, and
//! their names are nobody's business who may only look at numbers.

mod attempt_spans;
mod catalog;
mod listen;
mod otel;
mod otlp;
mod process;
mod registry;
mod run_spans;
mod scheduler;
mod spans;
mod worker;

pub use attempt_spans::AttemptSpans;
pub use catalog::table;
pub use listen::{Listening, Refresh, listen};
pub use otel::{Settings as OtelSettings, Unusable};
pub use registry::Exposed;
pub use run_spans::RunSpans;
pub use scheduler::SchedulerMetrics;
pub use spans::{Attribute, Exporter, Span, Traces};
pub use worker::{Got, NearCounts, WorkerMetrics};

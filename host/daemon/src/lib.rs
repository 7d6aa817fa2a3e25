//! Asks schedules and sensors at their times, and makes the runs that they ask for; and tells people what they want to hear of. When that is, and what becomes of the
//! answers, is computed by `cofferdam_automation`, whose page says in which order things are written and what is left if
//! this dies in between. How one is asked is the business of who gives it [`Instigators`].

mod alerts;
mod daemon;
mod defined;
mod tick;
mod trial;

pub use alerts::{Alerts, Deliver};
pub use daemon::{Daemon, Error, Known};
pub use defined::{Asked, Defined, Instigators, NoPlan, When, defined, ticks_by};
pub use trial::{Trial, Tried, try_tick};

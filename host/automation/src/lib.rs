//! When schedules and sensors tick, which of their ticks are to be evaluated, and what becomes of the answers; and who is to be
//! told of what ([`alerts`]).
//!
//! Pure: no clock ("now" is an argument), no randomness (ids are given), no IO. What is decided here is written by a loop in
//! the scheduler, through the run log's `Ticks`. This page says in which order, and what is left if it dies in between.
//!
//! # The order of writes
//!
//! ```text
//!             due, next_tick ──► open_tick ──► ask ──► conclude ──► close_tick ──► make the runs ──► settle
//!  recorded:                     Started                            ended, cursor,  run, under the    done
//!                                                                   keys, run ids   reserved id
//!  left if it
//!  dies after:  nothing; due     resumed at the same time:          the runs are    the run is there,
//!               again            asked again, as if never asked     made by those   so it is settled
//!                                                                   ids
//! ```
//!
//! On taking office, and when definitions were read anew:
//!
//! 1. `watch` all of them, each schedule with the text of its times: one whose times have changed begins anew.
//! 2. For each of `open_ticks`: [`open_tick()`](open_tick) says whether it is resumed, by the steps below from 2 on, or ended as
//!    skipped with a reason.
//! 3. For each of `reservations`: steps 5 and 6 below.
//!
//! Then, for one instigator after another or for many at once, but never for one of them twice at a time:
//!
//! 1. A schedule: [`due`] with its newest tick gives the times to evaluate, one after another, and when to look again. A sensor:
//!    [`next_tick`] gives the time; `at` is when it begins.
//! 2. `open_tick` under the scheduler's term. If it answers a tick with another status than `Started`, that has ended before: leave it.
//! 3. Ask. A schedule asks for one run, for its partition at the tick, or for none if there is no such partition yet; compile its plan here, so that what cannot run is a failed
//!    tick with the reason. A sensor's op gets [`tick_input`], under its limits and its timeout; [`read_answer`] reads what it gives.
//!    If nobody could be asked, that is [`Evaluation::Unreachable`], which is tried again without being counted.
//! 4. Look up `used_run_keys` of [`keys()`](keys), [`conclude`], and `close_tick` with all of it. This is the one transaction: from here
//!    on the tick has ended, the cursor has moved, the keys are used and the runs have their ids.
//! 5. For each run: compile it if step 3 has not, with [`run_tags`], and submit it under its reserved id. `RunExists` means that it
//!    was made before somebody died: as good as made.
//! 6. `settle`, with the reason if there cannot be such a run (its job is gone meanwhile). The tick then says so.
//!
//! Now and then, `forget_skipped` what ended longer ago than [`SKIPPED_KEPT`].
//!
//! # Why a tick launches at most once
//!
//! - There is one tick of an instigator at one time, and it ends once: the second `close_tick` changes nothing. [`due`] never gives
//!   a time at or before that of a tick that has ended well, even if clocks go back.
//! - Runs get their ids with the end of the tick, not before, and a run is made under its id once. So asking twice, as after a
//!   death between steps 2 and 4, leaves no run of the first time.
//! - A run key is used by the same transaction that reserves its run, and is kept when the tick is forgotten.
//! - Two schedulers do not both write: each write carries the term, and one whose term has passed is refused.
//!
//! It launches exactly once unless the run is refused in step 6. What an op does outside while it is asked may be done twice: a
//! sensor that reacts to what has happened moves its cursor even if it fails ([`Evaluation::Failed`], `passed`).

pub mod alerts;
mod answer;
mod conclude;
mod due;
mod resume;
mod sensor;
mod tags;
mod timetable;

pub use answer::{read_answer, tick_input};
pub use conclude::*;
pub use due::*;
pub use resume::*;
pub use sensor::next_tick;
pub use tags::*;
pub use timetable::{InvalidTimetable, Timetable};

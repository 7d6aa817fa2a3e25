//! What a person sees while a run is under way: a bar and the running steps on a terminal, plain lines
//! elsewhere. All of it on stderr.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cofferdam_engine::Run;
use cofferdam_model::{
    Event, LogLevel, LogLine, Progress, Recorded, StepKey, StepStatus, Timestamp, Why, told,
};
use cofferdam_scheduler::Update;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable, stderr_is_terminal, terminal_width};
use crate::text::{count, duration};

/// Running steps shown below the bar.
const RUNNING_SHOWN_MAX: usize = 4;
/// Off a terminal: a run with more steps than this gets a line every few seconds instead of one per step.
const LINES_MAX: usize = 200;
/// Off a terminal: how often a large run says how far it is.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the bar is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Follows one run.
pub(crate) struct Follow {
    run: Run,
    output: Output,
    bar: Option<ProgressBar>,
    running: BTreeMap<StepKey, Timestamp>,
    notes: BTreeMap<StepKey, String>,
    /// Lines of ops of at least this level are shown.
    least: LogLevel,
    drawn: Instant,
    said: Instant,
}

impl Follow {
    /// `run` is the state before the first update.
    pub(crate) fn new(run: Run, least: LogLevel, output: Output) -> Follow {
        let bar = (!output.quiet && stderr_is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {elapsed}{msg}")
                .expect("the template is a constant")
                .progress_chars("━╸ ");
            ProgressBar::new(run.n_steps() as u64).with_style(style)
        });
        let now = Instant::now();
        let mut follow = Follow {
            run,
            output,
            bar,
            running: BTreeMap::new(),
            notes: BTreeMap::new(),
            least,
            drawn: now.checked_sub(DRAW_INTERVAL).unwrap_or(now),
            said: now,
        };
        follow.draw();
        follow
    }

    pub(crate) fn take(&mut self, update: Update) {
        match update {
            Update::Events(events) => events.iter().for_each(|event| self.event(event)),
            Update::Logs(records) => records.iter().for_each(|record| self.log(&record.step, &record.line)),
            Update::Progress { step, progress, .. } => {
                self.notes.insert(step, note(&progress));
            }
            Update::Waits { step, why } => self.say(&waits(&step, why.as_ref())),
            // What was missed is in the run log, and the summary is made from it.
            Update::Missed(_) => {}
        }
        if self.drawn.elapsed() >= DRAW_INTERVAL {
            self.draw();
        }
        if self.bar.is_none() && self.run.n_steps() > LINES_MAX && self.said.elapsed() >= LINE_INTERVAL {
            self.said = Instant::now();
            self.output.say(&format!("{} of {}", self.ended(), count(self.run.n_steps(), "step")));
        }
    }

    /// The run's state after the last update.
    pub(crate) fn finish(self) -> Run {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.run
    }

    fn event(&mut self, recorded: &Recorded) {
        if self.run.apply(recorded).is_err() {
            // Known already (a run that is resumed is told from its first event on), or after a gap.
            return;
        }
        match &recorded.event {
            Event::StepDispatched { step, .. } => {
                self.running.insert(step.clone(), recorded.at);
            }
            Event::StepSucceeded { step, usage, .. } => {
                let took = duration(Duration::from_micros(usage.wall_us));
                self.end(step, &format!("{GREEN}   done{GREEN:#}  {step}  {DIM}{took}{DIM:#}"), false);
            }
            Event::StepFailed { step, failure, retry_at, .. } => {
                let message = printable(failure.message.lines().next().unwrap_or_default());
                let line = match retry_at {
                    Some(at) => {
                        let wait = duration(at.since(recorded.at));
                        format!("{YELLOW}  retry{YELLOW:#}  {step}  {message} {DIM}(again in {wait}){DIM:#}")
                    }
                    None => format!("{RED} failed{RED:#}  {step}  {message}"),
                };
                self.end(step, &line, true);
            }
            Event::StepLost { step, .. } => {
                self.end(step, &format!("{YELLOW}   lost{YELLOW:#}  {step}"), true);
            }
            Event::StepHedged { step, .. } => {
                self.say(&format!("{DIM} hedged  {step}  takes much longer than its like{DIM:#}"));
            }
            Event::StepReturned { step, .. } => {
                self.running.remove(step);
            }
            Event::InputsLost { step, .. } => {
                self.end(
                    step,
                    &format!("{YELLOW}   lost{YELLOW:#}  {step}  {DIM}what it reads{DIM:#}"),
                    true,
                );
            }
            Event::OutputsLost { step, why, needed_by, .. } => {
                let why = format!("{}, and {needed_by} reads them", why.phrase());
                self.end(step, &format!("{YELLOW}   anew{YELLOW:#}  {step}  {DIM}{why}{DIM:#}"), true);
            }
            Event::WaitBegan { step, approval, until } => {
                let until = until.map(|until| format!("until {until}"));
                let line = match (approval, until) {
                    (true, until) => {
                        let until = until.map_or_else(String::new, |until| format!(", {until}"));
                        format!(
                            "{YELLOW}  waits{YELLOW:#}  {step}  to be approved{until}  {DIM}cofferdam approve {} {step}{DIM:#}",
                            self.run.id()
                        )
                    }
                    (false, until) => format!("{DIM}  waits  {step}  {}{DIM:#}", until.unwrap_or_default()),
                };
                self.say(&line);
            }
            Event::WaitEnded { step, end, by, note } => {
                let word = told(*end, by.as_deref(), note.as_deref());
                let word = printable(&word);
                if end.goes_on() {
                    self.say(&format!("{DIM}goes on  {step}  {word}{DIM:#}"));
                } else {
                    self.end(step, &format!("{RED} failed{RED:#}  {step}  {word}"), true);
                }
            }
            Event::StepSkipped { step, input } => {
                self.end(step, &format!("{DIM}skipped  {step}  nothing came for `{input}`{DIM:#}"), false);
            }
            Event::StepAbandoned { step, root } => {
                self.end(step, &format!("{DIM}not run  {step}  because {root} failed{DIM:#}"), false);
            }
            Event::StepCancelled { step, .. } => {
                self.end(step, &format!("{DIM}cancel   {step}{DIM:#}"), false);
            }
            Event::RunCancelRequested { limit: Some(limit) } => {
                let line = format!("{RED} ending{RED:#}  the run: {}", limit.phrase());
                self.say(&line);
            }
            Event::StepReused { step, .. } => {
                self.end(step, &format!("{DIM}reused   {step}{DIM:#}"), false);
            }
            Event::StepCached { step, .. } => {
                self.end(step, &format!("{DIM}cached   {step}{DIM:#}"), false);
            }
            Event::AttemptDropped { .. }
            | Event::AssetMaterialized { .. }
            | Event::AssetChecked { .. }
            | Event::RunAccepted { .. }
            | Event::StepStarted { .. }
            | Event::RunCancelRequested { limit: None }
            | Event::RunFinished { .. } => {}
        }
    }

    /// On a terminal, only what went wrong leaves a line; elsewhere every step does, unless they are many.
    fn end(&mut self, step: &StepKey, line: &str, wrong: bool) {
        self.running.remove(step);
        self.notes.remove(step);
        match &self.bar {
            Some(bar) if wrong => bar.suspend(|| self.output.say(line)),
            Some(_) => {}
            None if wrong || self.run.n_steps() <= LINES_MAX => self.output.say(line),
            None => {}
        }
    }

    /// Lines of ops are shown as they come, those that matter; the rest is for `cofferdam logs`.
    fn log(&self, step: &StepKey, line: &LogLine) {
        if line.level < self.least {
            return;
        }
        let style = match line.level {
            LogLevel::Trace | LogLevel::Debug | LogLevel::Info => DIM,
            LogLevel::Warn => YELLOW,
            LogLevel::Error => RED,
        };
        let text = format!("{style}    log{style:#}  {step}: {}", printable(&line.message));
        self.say(&text);
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.say(line)),
            None => self.output.say(line),
        }
    }

    fn ended(&self) -> u32 {
        use StepStatus::{Abandoned, Cancelled, Failed, Skipped, Succeeded};
        [Succeeded, Failed, Skipped, Abandoned, Cancelled].map(|status| self.run.count(status)).iter().sum()
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        let Some(bar) = &self.bar else { return };
        bar.set_length(self.run.n_steps() as u64);
        bar.set_position(u64::from(self.ended()));
        let mut message = String::new();
        for step in self.running.keys().take(RUNNING_SHOWN_MAX) {
            let note = self.notes.get(step).map_or("", String::as_str);
            let line: String = format!("  {step}  {note}").chars().take(terminal_width() - 1).collect();
            message.push_str(&format!("\n{line}"));
        }
        if self.running.len() > RUNNING_SHOWN_MAX {
            message.push_str(&format!("\n  and {} more", self.running.len() - RUNNING_SHOWN_MAX));
        }
        bar.set_message(message);
    }
}

/// A step whose worker has gone, or has come.
fn waits(step: &StepKey, why: Option<&Why>) -> String {
    match why {
        Some(why) => format!("{YELLOW}  waits{YELLOW:#}  {step}  {why}"),
        None => format!("{DIM}  waits  {step}  no more: a worker offers what it asks for{DIM:#}"),
    }
}

/// `40 % reading`, `3 rows`.
fn note(progress: &Progress) -> String {
    let Progress { done, total, message } = progress;
    let far = match total {
        Some(total) if *total > 0 => format!("{:.0} %", 100.0 * *done as f64 / *total as f64),
        _ => done.to_string(),
    };
    format!("{far} {}", printable(message))
}

//! Steps that end as it was known before the run: what a re-execution takes over.

use cofferdam_model::{Event, KnownStep, Name};

use super::Run;

/// What a step that is not to be run again is said to miss.
const SELECTION: &str = "selection";

impl Run {
    /// Whether a step ends without being run because its end is known. Outputs that the plan's step would not
    /// be allowed to emit are not taken over: it runs.
    pub(super) fn is_known(&self, at_step: u32) -> bool {
        if self.known.0.is_empty() {
            return false;
        }
        match self.known.0.get(&self.steps[at_step as usize].key) {
            Some(KnownStep::Reused { outputs, .. }) => self.accepts(at_step, outputs).is_ok(),
            Some(KnownStep::Skipped) => true,
            None => false,
        }
    }

    /// The event that ends a step whose end is known.
    pub(crate) fn known_end(&self, at_step: u32) -> Option<Event> {
        let step = self.steps[at_step as usize].key.clone();
        Some(match self.known.0.get(&step)? {
            KnownStep::Reused { run, outputs } => {
                Event::StepReused { step, from: *run, outputs: outputs.clone() }
            }
            KnownStep::Skipped => {
                Event::StepSkipped { step, input: Name::new(SELECTION).expect("it is a name") }
            }
        })
    }
}

//! Which steps of a job run: what a selection names, over the steps of the opened graphs.

use cofferdam_model::{Diagnostic, StepIdx};
use cofferdam_select::{GraphBuilder, OPS, Problem, Shape, parse};

use crate::job::Job;

impl Job<'_> {
    /// Leaves out what the expressions do not select; none select everything.
    pub(crate) fn select(&mut self, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let selected = parse(texts, &OPS).and_then(|expr| Ok((expr.evaluate(&self.selectable())?, expr)));
        match selected {
            Ok((selected, expr)) => {
                self.places = vec![None; self.flat.steps.len()];
                for (place, step) in selected.into_iter().enumerate() {
                    let place = u32::try_from(place).expect("STEPS_MAX fits into 32 bits");
                    self.places[step] = Some(StepIdx(place));
                }
                self.selection = Some(expr.to_string());
            }
            Err(problems) => self.problems.extend(problems.iter().map(problem)),
        }
    }

    fn selectable(&self) -> cofferdam_select::Graph {
        let mut graph = GraphBuilder::new(&OPS, Shape::Levels);
        for step in &self.flat.steps {
            graph.node(&step.key);
        }
        for (at, step) in self.flat.steps.iter().enumerate() {
            let sources = step.inputs.iter().flat_map(|(_, source)| source.kind.paths());
            for from in sources.map(|path| path.step).chain(step.after.iter().copied()) {
                graph.edge(from, at);
            }
        }
        graph.build()
    }
}

/// A selection comes from a command line, which has no place in a text.
pub(crate) fn problem(problem: &Problem) -> Diagnostic {
    let diagnostic = Diagnostic::error("plan::bad-selection", format!("selection: {problem}"));
    match problem.hint() {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

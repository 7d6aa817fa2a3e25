//! What a person reads whose run cannot be executed again that way.

use cofferdam_config::{Texts, render};
use cofferdam_model::{Span, TextId};

use super::*;

fn message(plan: &Plan, chain: &[&Ended], texts: &[&str]) -> String {
    let request = if texts.is_empty() { Request::FromFailure } else { steps(texts) };
    let problems = try_rerun(plan, chain, &request).unwrap_err();
    let mut sources = Texts::default();
    let ids: Vec<TextId> = texts.iter().map(|text| sources.add("--select", text)).collect();
    let found: Vec<_> = problems
        .iter()
        .map(|problem| {
            let span = match problem {
                RerunProblem::Selection(found) => {
                    Some(found.place.within(&Span { text: ids[found.place.clause], range: 0..0 }))
                }
                _ => None,
            };
            problem.diagnostic(span.as_ref())
        })
        .collect();
    render(&sources, &found, false, 100)
}

#[test]
fn unknown_steps_are_told_all_at_once() {
    let plan = plan("split: !\n outer.work: split over split");
    let parent = Ended::new(1, &plan, "split ok x y, outer.work[x] failed");
    insta::assert_snapshot!(message(&plan, &[&parent], &["outer.work[z]+", "split", "wrok", "work[x]"]));
}

#[test]
fn what_is_needed_but_was_never_made_is_told_for_every_step() {
    let plan = plan("split: !\n work: split over split\n sum: *work\n other: sum");
    let parent = Ended::new(1, &plan, "split ok x y, work[x] ok, work[y] failed, sum abandoned");
    insta::assert_snapshot!(
        message(&plan, &[&parent], &["sum", "other"]).replace(&run_id(1).to_string(), "RUN")
    );
    insta::assert_snapshot!("other_alone", message(&plan, &[&parent], &["other"]));
}

#[test]
fn copies_of_keys_that_are_made_anew_cannot_be_taken_over() {
    let plan = plan("split: !\n work: split over split\n sum: *work");
    let parent = Ended::new(1, &plan, "split ok x y, work[x] ok, work[y] ok, sum ok");
    insta::assert_snapshot!(message(&plan, &[&parent], &["split", "work[x]"]));
    insta::assert_snapshot!("collected", message(&plan, &[&parent], &["split", "sum"]));
}

#[test]
fn a_run_that_has_not_failed_has_no_failure() {
    let plan = plan("a:");
    let mut parent = Ended::new(1, &plan, "a ok");
    let mut all = vec![];
    for status in [RunStatus::Succeeded, RunStatus::Running, RunStatus::Cancelled] {
        parent.status = status;
        all.push(message(&plan, &[&parent], &[]));
    }
    insta::assert_snapshot!(all.join("\n"));
    assert_eq!(try_rerun(&plan, &[], &Request::AllSteps).unwrap_err(), [RerunProblem::NoParent]);
}

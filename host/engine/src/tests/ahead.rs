//! What is sent ahead to a worker and comes back when it would wait there.

use std::collections::{BTreeMap, VecDeque};

use cofferdam_model::*;

use super::kit::*;
use crate::Input;

/// After so long a cell gives back what waits behind an attempt, in microseconds: two of its ticks.
const SLOW_US: u64 = 20_000;

/// Workers with one slot each, in virtual time; orders and reports take none.
struct Fleet {
    world: World,
    now_us: u64,
    /// What each has, in the order in which it runs it, and since when it runs the first.
    has: BTreeMap<WorkerId, (VecDeque<AttemptId>, u64)>,
    gives_back: bool,
}

impl Fleet {
    fn new(n_workers: u64, gives_back: bool) -> Fleet {
        let mut fleet = Fleet { world: World::new(), now_us: 0, has: BTreeMap::new(), gives_back };
        for worker in (1..=n_workers).map(WorkerId) {
            fleet.has.insert(worker, (VecDeque::new(), 0));
            fleet.world.input(Input::WorkerJoined {
                worker,
                slots: 1,
                queue: 64,
                resources: BTreeMap::new(),
                labels: BTreeMap::new(),
                ends_at: None,
                held: vec![],
            });
        }
        fleet
    }

    /// Takes what was ordered.
    fn receive(&mut self) {
        for (worker, assignment) in self.world.under_way.drain(..) {
            let (has, since) = self.has.get_mut(&worker).unwrap();
            if has.is_empty() {
                *since = self.now_us;
            }
            has.push_back(assignment.id);
        }
    }

    /// When something happens at a worker next: its attempt ends, or others are given back.
    fn next(&self, takes_us: &impl Fn(&str) -> u64) -> Option<(u64, WorkerId)> {
        let next = self.has.iter().filter_map(|(worker, (has, since))| {
            let end = since + takes_us(has.front()?.step.as_str());
            let slow = (has.len() > 1 && self.gives_back).then_some((since + SLOW_US).max(self.now_us));
            Some((slow.map_or(end, |slow| slow.min(end)), *worker))
        });
        next.min()
    }

    /// Plays a plan to its end; how long that took, in microseconds.
    fn play(&mut self, plan: Plan, takes_us: impl Fn(&str) -> u64) -> u64 {
        self.world.submit(RUN, plan);
        self.receive();
        while let Some((at, worker)) = self.next(&takes_us) {
            self.now_us = at;
            let (has, since) = self.has.get_mut(&worker).unwrap();
            let wall_us = takes_us(has[0].step.as_str());
            let reports: Vec<Report> = if at == *since + wall_us {
                *since = at;
                let (usage, outcome) =
                    (Usage { wall_us, ..Usage::default() }, ok(vec![emit("result", None, 1)]));
                vec![Report::Finished { id: has.pop_front().unwrap(), outcome, usage }]
            } else {
                has.drain(1..).map(|id| Report::Returned { id }).collect()
            };
            for report in reports {
                self.world.input(Input::Report { worker, report });
                self.receive();
            }
        }
        assert_eq!(ended(&self.world), RunStatus::Succeeded);
        self.now_us
    }
}

const SHORT_US: u64 = 1_000;
const LONG_US: u64 = 200_000;
const TAIL_US: u64 = 8_000;
const N_WARM: u32 = 20;
const N_SKEWED: u32 = 20;

/// Steps from which the time of their op is learnt, then steps of the same op of which the first takes 200 times as
/// long, each with another one behind it.
fn skewed() -> (Plan, impl Fn(&str) -> u64) {
    let mut steps: Vec<PlanStep> = (0..N_WARM).map(|n| step(&format!("warm{n}"))).collect();
    let warm: Vec<StepIdx> = (0..N_WARM).map(StepIdx).collect();
    steps.extend((0..N_SKEWED).map(|n| PlanStep { after: warm.clone(), ..step(&format!("skewed{n}")) }));
    steps.extend((0..N_SKEWED).map(|n| {
        let tail = reads(&format!("tail{n}"), vec![of(N_WARM + n)]);
        PlanStep { op: name("tail"), ..tail }
    }));
    let takes_us = |step: &str| match step {
        "skewed0" => LONG_US,
        tail if tail.starts_with("tail") => TAIL_US,
        _ => SHORT_US,
    };
    (plan(steps), takes_us)
}

#[test]
fn c15_a_skewed_load_takes_at_most_a_tenth_longer_than_it_must() {
    // The longest chain, and the short steps before it on two workers; all the rest fits beside it.
    let ideal_us = u64::from(N_WARM) * SHORT_US / 2 + LONG_US + TAIL_US;
    let took_us = |gives_back| {
        let (plan, takes_us) = skewed();
        Fleet::new(2, gives_back).play(plan, takes_us)
    };
    let (with, without) = (took_us(true), took_us(false));
    assert!(with * 10 <= ideal_us * 11, "{with} µs for {ideal_us} µs");
    assert!(without * 10 > ideal_us * 11, "{without} µs: nothing had to be given back");
}

/// Two workers that know how long the op takes, the first with one attempt that it runs and one that waits there.
fn ahead() -> (World, AttemptId, AttemptId) {
    let mut fleet = Fleet::new(1, true);
    fleet.world.submit(RUN, plan(["warm", "a", "b"].map(step).to_vec()));
    let warm = fleet.world.take("warm").id;
    let usage = Usage { wall_us: SHORT_US, ..Usage::default() };
    let outcome = ok(vec![emit("result", None, 1)]);
    fleet
        .world
        .input(Input::Report { worker: WORKER, report: Report::Finished { id: warm, outcome, usage } });
    let mut world = fleet.world;
    assert_eq!(world.running(), ["a", "b"], "the second one is sent ahead");
    let (a, b) = (world.take("a").id, world.take("b").id);
    world.input(Input::Report { worker: WORKER, report: Report::Started { id: a.clone(), at: world.now } });
    (world, a, b)
}

fn returned(id: &AttemptId) -> Input {
    Input::Report { worker: WORKER, report: Report::Returned { id: id.clone() } }
}

#[test]
fn what_is_given_back_goes_to_whoever_is_free_and_counts_for_nothing() {
    let (mut world, a, b) = ahead();
    world.input(returned(&b));
    assert_eq!(world.status("b"), StepStatus::Ready);
    assert_eq!(world.running(), [""; 0], "its worker is not sent it again");
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.under_way[0].0, WorkerId(2));
    let again = world.take("b").id;
    assert_eq!(
        (again.attempt, again.fence > b.fence),
        (b.attempt, true),
        "the guest has seen no attempt yet"
    );
    world.report_late(b, ok(vec![emit("result", None, 9)]));
    world.report(again, ok(vec![emit("result", None, 1)]));
    world.report(a, ok(vec![emit("result", None, 1)]));
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.run().step(&StepKey::new("b")).unwrap().attempts().len(), 1);
}

#[test]
fn a_worker_that_fell_behind_is_sent_something_ahead_again_when_it_has_ended_something() {
    let (mut world, a, b) = ahead();
    world.input(returned(&b));
    world.report(a, ok(vec![emit("result", None, 1)]));
    assert_eq!(world.running(), ["b"]);
}

#[test]
fn what_has_begun_is_not_given_back_and_what_is_cancelled_does_not_start_again() {
    let (mut world, a, b) = ahead();
    let before = world.log[&RUN].len();
    world.input(returned(&a));
    world.input(Input::Report { worker: WorkerId(7), report: Report::Returned { id: b.clone() } });
    assert_eq!(world.log[&RUN].len(), before, "one runs, the other is another worker's");
    world.input(Input::CancelRequested { run: RUN });
    world.input(returned(&b));
    assert_eq!(world.status("b"), StepStatus::Cancelled);
    world.report(a, fail());
    assert_eq!(ended(&world), RunStatus::Cancelled);
}

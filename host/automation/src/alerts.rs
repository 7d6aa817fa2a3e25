//! Alerts: which rules an event is for, what is said, and when who could not be told is told again.
//!
//! What lasts too long is no event: whoever looks on asks here at each look, and is answered the same as long as nothing
//! changes. The key of a delivery sees to it that it is sent once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_model::{
    Alert, AlertAbout, AlertOn, AlertRule, AssetKey, CheckSeverity, Delivery, DeliveryState, Event, Name,
    Reasons, Recorded, RunId, RunStatus, StepKey, Timestamp, Why, namespace, told,
};

/// News that is older is nobody's any more: who was away for longer finds it in the list of runs.
const NEWS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Attempts of one delivery.
pub const ATTEMPTS_MAX: u32 = 16;
/// Wait after the first attempt that failed; it doubles with each, up to the longest. All of them make two hours.
const DELAY_FIRST: Duration = Duration::from_secs(2);
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
/// Deliveries that have ended are on record for so long, and nobody is told of the same again.
pub const DELIVERIES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Bytes of a text: it is a line of a message, not a log.
const TEXT_BYTES_MAX: usize = 500;

/// What rules ask of a run.
#[derive(Debug, Clone, Copy)]
pub struct OfRun<'a> {
    pub run: RunId,
    pub job: &'a Name,
    pub tags: &'a BTreeMap<String, String>,
    /// Why it failed.
    pub first_error: Option<&'a str>,
}

/// A rule that has something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// What it is about: the same for the same thing.
    subject: String,
    to: BTreeSet<Name>,
    pub alert: Alert,
}

impl Raised {
    fn new(rule: &AlertRule, subject: String, at: Timestamp, text: &str, about: AlertAbout) -> Raised {
        let alert = Alert { rule: rule.name.clone(), on: rule.on, at, text: one_line(text), about };
        Raised { subject, to: rule.to.clone(), alert }
    }

    /// One for each target.
    pub fn deliveries(self, now: Timestamp, mut new_id: impl FnMut() -> String) -> Vec<Delivery> {
        let Raised { subject, to, alert } = self;
        let delivery = |target: Name| Delivery {
            number: 0,
            key: format!("{}/{target}/{subject}", alert.rule),
            id: new_id(),
            target,
            alert: alert.clone(),
            attempts: 0,
            state: DeliveryState::Pending { next: now },
            error: None,
        };
        to.into_iter().map(delivery).collect()
    }
}

/// What an event of a run is to the rules.
pub fn of_event(rules: &[AlertRule], of: &OfRun<'_>, recorded: &Recorded, now: Timestamp) -> Vec<Raised> {
    let Some(news) = news(of, recorded).filter(|_| now.since(recorded.at) <= NEWS_AGE_MAX) else {
        return vec![];
    };
    let rules = rules.iter().filter(|rule| rule.on == news.on && is_for(rule, of));
    let rules = rules.filter(|rule| match (&rule.assets, &news.about.asset) {
        (Some(wanted), Some(asset)) => wanted.contains(asset),
        (wanted, _) => wanted.is_none(),
    });
    let raised = |rule: &AlertRule| {
        Raised::new(rule, news.subject.clone(), recorded.at, &news.text, news.about.clone())
    };
    rules.map(raised).collect()
}

/// What a run that waits is to the rules: nothing of it is under way, `last` is its last event, and these are the reasons.
pub fn of_waiting(
    rules: &[AlertRule],
    of: &OfRun<'_>,
    last: &Recorded,
    reasons: &Reasons,
    now: Timestamp,
) -> Vec<Raised> {
    let Some((step, why)) = reasons.steps.iter().find(|(_, why)| is_held_up(why)) else { return vec![] };
    let waited = now.since(last.at);
    let rules = rules.iter().filter(|rule| rule.on == AlertOn::RunWaits && is_for(rule, of));
    let raised = |rule: &AlertRule| {
        let text = format!("nothing of {} has run for {}: `{step}`: {why}", name_of(of), span(rule.lasting));
        let about =
            AlertAbout { step: Some(step.clone()), why: Some(one_line(&why.to_string())), ..about(of) };
        Raised::new(rule, format!("waits/{}/{}", of.run, last.seq), now, &text, about)
    };
    rules.filter(|rule| waited > rule.lasting).map(raised).collect()
}

/// Whether somebody may have to do something about it: what a definition or a person wants to wait for is as it should be.
fn is_held_up(why: &Why) -> bool {
    !matches!(
        why,
        Why::Ended { .. }
            | Why::Runs { .. }
            | Why::Cancelling
            | Why::Dependency { .. }
            | Why::Wait { .. }
            | Why::NoCopyYet { .. }
            | Why::RetryAt { .. }
            | Why::Recall
    )
}

/// The newest materialisation of an asset.
#[derive(Debug, Clone, Copy)]
pub struct Newest {
    pub number: u64,
    pub run: RunId,
    pub at: Timestamp,
}

/// What an asset that was made then is to a rule.
pub fn of_asset(rule: &AlertRule, asset: &AssetKey, newest: Newest, now: Timestamp) -> Option<Raised> {
    let is_late = rule.on == AlertOn::AssetLate && now.since(newest.at) > rule.lasting;
    is_late.then(|| {
        let text = format!("asset `{asset}` was not made for {}; last at {}", span(rule.lasting), newest.at);
        let about = AlertAbout { asset: Some(asset.clone()), run: Some(newest.run), ..AlertAbout::default() };
        Raised::new(rule, format!("late/{}/{asset}", newest.number), now, &text, about)
    })
}

/// A delivery after an attempt, which failed with an error or did not.
pub fn after(delivery: Delivery, error: Option<String>, now: Timestamp) -> Delivery {
    let attempts = delivery.attempts + 1;
    let state = match error {
        None => DeliveryState::Sent { at: now },
        Some(_) if attempts >= ATTEMPTS_MAX => DeliveryState::GivenUp { at: now },
        Some(_) => DeliveryState::Pending { next: now + delay(attempts) },
    };
    Delivery { attempts, state, error: error.map(|error| one_line(&error)), ..delivery }
}

fn delay(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    DELAY_FIRST.saturating_mul(1 << doublings).min(DELAY_MAX)
}

struct News {
    on: AlertOn,
    subject: String,
    text: String,
    about: AlertAbout,
}

fn news(of: &OfRun<'_>, recorded: &Recorded) -> Option<News> {
    let name = name_of(of);
    let news = |on, subject, text: String, about| Some(News { on, subject, text, about });
    match &recorded.event {
        Event::RunFinished { status } => {
            let on = match status {
                RunStatus::Succeeded => AlertOn::RunSucceeded,
                RunStatus::Failed => AlertOn::RunFailed,
                RunStatus::Cancelled => AlertOn::RunCancelled,
                RunStatus::Queued | RunStatus::Running | RunStatus::Cancelling => return None,
            };
            let why = of.first_error.filter(|_| *status == RunStatus::Failed);
            let because = why.map(|why| format!(": {why}")).unwrap_or_default();
            let about = AlertAbout { why: why.map(one_line), ..about(of) };
            // Of the first error the run log keeps one line; a run that was cancelled has none of its own.
            let verb = if *status == RunStatus::Cancelled { "was cancelled" } else { status.word() };
            news(on, format!("run/{}", of.run), format!("{name} {verb}{because}"), about)
        }
        Event::StepFailed { step, failure, retry_at: None, .. } => {
            step_failed(of, &name, step, &failure.message)
        }
        Event::WaitEnded { step, end, by, note } if !end.goes_on() => {
            step_failed(of, &name, step, &told(*end, by.as_deref(), note.as_deref()))
        }
        Event::AssetChecked { step, evaluation } if !evaluation.passed => {
            let asset = &evaluation.asset;
            let part = evaluation.partition.as_ref().map(|part| format!(" for `{part}`")).unwrap_or_default();
            let severity = match evaluation.severity {
                CheckSeverity::Warn => "warns of",
                CheckSeverity::Error => "failed for",
            };
            let text = format!("check `{}` {severity} asset `{asset}`{part}, in {name}", evaluation.check);
            let about = AlertAbout {
                step: Some(step.clone()),
                asset: Some(asset.clone()),
                partition: evaluation.partition.clone(),
                check: Some(evaluation.check.clone()),
                ..about(of)
            };
            news(AlertOn::CheckFailed, format!("check/{}/{}", of.run, recorded.seq), text, about)
        }
        Event::StepLost { step, worker, .. } => {
            let text = format!("worker {} was lost; `{step}` of {name} is done again", worker.0);
            let about = AlertAbout { step: Some(step.clone()), worker: Some(*worker), ..about(of) };
            news(AlertOn::WorkerLost, format!("worker/{}", worker.0), text, about)
        }
        _ => None,
    }
}

/// Copies of one step are one thing to tell of: a thousand of them fail for one reason.
fn step_failed(of: &OfRun<'_>, name: &str, step: &StepKey, why: &str) -> Option<News> {
    let definition = step.as_str().split('[').next().unwrap_or_default();
    Some(News {
        on: AlertOn::StepFailed,
        subject: format!("step/{}/{definition}", of.run),
        text: format!("step `{step}` of {name} failed: {why}"),
        about: AlertAbout { step: Some(step.clone()), why: Some(one_line(why)), ..about(of) },
    })
}

fn name_of(of: &OfRun<'_>) -> String {
    format!("run {} of `{}`", of.run, of.job)
}

fn about(of: &OfRun<'_>) -> AlertAbout {
    AlertAbout {
        run: Some(of.run),
        job: Some(of.job.clone()),
        tags: of.tags.clone(),
        ..AlertAbout::default()
    }
}

fn is_for(rule: &AlertRule, of: &OfRun<'_>) -> bool {
    rule.jobs.as_ref().is_none_or(|jobs| jobs.contains(of.job))
        && rule.namespaces.as_ref().is_none_or(|wanted| wanted.contains(namespace(of.tags)))
        && rule.tags.iter().all(|(key, value)| of.tags.get(key) == Some(value))
}

/// `90 s`, `15 min`, `26 h`
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=99 => format!("{} s", duration.as_secs_f64()),
        100..=5999 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// One line that is fit for every place: an op may have written parts of it.
fn one_line(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().replace(char::is_control, " ");
    line[..line.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{CheckEvaluation, Failure, FailureKind, Fence, RunLimit, Usage, WaitEnd, WorkerId};

    use super::*;

    const AT: Timestamp = Timestamp(1_000_000);

    fn rule(on: AlertOn) -> AlertRule {
        AlertRule {
            name: Name::new("r").unwrap(),
            on,
            lasting: Duration::from_secs(60),
            jobs: None,
            namespaces: None,
            tags: BTreeMap::new(),
            assets: None,
            to: ["a", "b"].map(|name| Name::new(name).unwrap()).into(),
        }
    }

    struct Known {
        job: Name,
        tags: BTreeMap<String, String>,
    }

    impl Known {
        fn new() -> Known {
            let tags = [("cofferdam/namespace", "lab"), ("team", "etl")];
            let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            Known { job: Name::new("nightly").unwrap(), tags }
        }

        fn run(&self) -> OfRun<'_> {
            let run = RunId(uuid::Uuid::from_u128(7));
            OfRun { run, job: &self.job, tags: &self.tags, first_error: Some("load: no disk") }
        }
    }

    fn recorded(event: Event) -> Recorded {
        Recorded { seq: 9, at: AT, event }
    }

    fn finished(status: RunStatus) -> Event {
        Event::RunFinished { status }
    }

    fn failed(step: &str, retry_at: Option<Timestamp>) -> Event {
        Event::StepFailed {
            step: StepKey::new(step),
            attempt: 1,
            fence: Fence::default(),
            failure: Failure::new(FailureKind::Op, "no\u{7} disk\nsecond line").into(),
            usage: Usage::default(),
            retry_at,
            beside: false,
        }
    }

    fn lost(worker: u64) -> Event {
        let (step, fence) = (StepKey::new("load"), Fence::default());
        Event::StepLost { step, attempt: 1, fence, worker: WorkerId(worker) }
    }

    fn checked(passed: bool) -> Event {
        let evaluation = CheckEvaluation {
            check: Name::new("rows").unwrap(),
            asset: AssetKey::parse("sales/orders").unwrap(),
            partition: Some("mon".to_owned()),
            passed,
            severity: CheckSeverity::Error,
            metadata: vec![],
        };
        Event::AssetChecked { step: StepKey::new("rows"), evaluation: evaluation.into() }
    }

    fn raised(rules: &[AlertRule], event: Event) -> Vec<Raised> {
        of_event(rules, &Known::new().run(), &recorded(event), AT)
    }

    #[test]
    fn h11_each_event_is_for_the_rules_that_listen_for_it_and_for_no_other() {
        let rules = AlertOn::ALL.map(rule);
        let cases = [
            (finished(RunStatus::Succeeded), Some(AlertOn::RunSucceeded)),
            (finished(RunStatus::Failed), Some(AlertOn::RunFailed)),
            (finished(RunStatus::Cancelled), Some(AlertOn::RunCancelled)),
            (failed("load", None), Some(AlertOn::StepFailed)),
            (failed("load", Some(AT)), None),
            (lost(3), Some(AlertOn::WorkerLost)),
            (checked(false), Some(AlertOn::CheckFailed)),
            (checked(true), None),
            (Event::RunCancelRequested { limit: None::<RunLimit> }, None),
            (wait_ended(WaitEnd::Rejected), Some(AlertOn::StepFailed)),
            (wait_ended(WaitEnd::Approved), None),
        ];
        for (event, on) in cases {
            let found: Vec<AlertOn> = raised(&rules, event.clone()).iter().map(|one| one.alert.on).collect();
            // What is news to the run log that is none here would only be dropped; the other way round it would be lost.
            assert_eq!(found, Vec::from_iter(on), "{event:?}");
        }
    }

    fn wait_ended(end: WaitEnd) -> Event {
        Event::WaitEnded { step: StepKey::new("load"), end, by: Some("ana".to_owned()), note: None }
    }

    #[test]
    fn h11_a_filter_lets_through_what_fits_all_of_it() {
        let is_told = |change: &dyn Fn(&mut AlertRule)| {
            let mut rule = rule(AlertOn::CheckFailed);
            change(&mut rule);
            !raised(&[rule], checked(false)).is_empty()
        };
        let name = |name| Name::new(name).unwrap();
        let key = |key| AssetKey::parse(key).unwrap();
        assert!(is_told(&|_| {}));
        assert!(is_told(&|rule| rule.jobs = Some([name("nightly"), name("x")].into())));
        assert!(!is_told(&|rule| rule.jobs = Some([name("x")].into())));
        assert!(!is_told(&|rule| rule.jobs = Some([].into())));
        assert!(is_told(&|rule| rule.namespaces = Some(["lab".to_owned()].into())));
        assert!(!is_told(&|rule| rule.namespaces = Some(["default".to_owned()].into())));
        assert!(is_told(&|rule| drop(rule.tags.insert("team".to_owned(), "etl".to_owned()))));
        assert!(!is_told(&|rule| drop(rule.tags.insert("team".to_owned(), "web".to_owned()))));
        assert!(!is_told(&|rule| drop(rule.tags.insert("tier".to_owned(), "etl".to_owned()))));
        assert!(is_told(&|rule| rule.assets = Some([key("sales/orders")].into())));
        assert!(!is_told(&|rule| rule.assets = Some([key("sales")].into())));
    }

    #[test]
    fn h11_what_is_said_is_one_line_and_each_target_has_a_delivery_of_its_own() {
        let text = |on, event| raised(&[rule(on)], event).pop().unwrap().alert.text;
        let lines = [
            text(AlertOn::RunFailed, finished(RunStatus::Failed)),
            text(AlertOn::RunSucceeded, finished(RunStatus::Succeeded)),
            text(AlertOn::StepFailed, failed("load[x]", None)),
            text(AlertOn::StepFailed, wait_ended(WaitEnd::Rejected)),
            text(AlertOn::CheckFailed, checked(false)),
            text(AlertOn::WorkerLost, lost(3)),
        ];
        insta::assert_snapshot!(lines.join("\n"));
        let long = Event::StepFailed {
            step: StepKey::new("load"),
            attempt: 1,
            fence: Fence::default(),
            failure: Failure::new(FailureKind::Op, "ä".repeat(TEXT_BYTES_MAX)).into(),
            usage: Usage::default(),
            retry_at: None,
            beside: false,
        };
        assert!(text(AlertOn::StepFailed, long).len() <= TEXT_BYTES_MAX);

        let mut n = 0;
        let new_id = || {
            n += 1;
            n.to_string()
        };
        let one = raised(&[rule(AlertOn::RunFailed)], finished(RunStatus::Failed)).pop().unwrap();
        let made = one.clone().deliveries(AT, new_id);
        let keys: Vec<(&str, &str)> =
            made.iter().map(|delivery| (delivery.key.as_str(), delivery.id.as_str())).collect();
        let run = Known::new().run().run;
        assert_eq!(
            keys,
            [(format!("r/a/run/{run}").as_str(), "1"), (format!("r/b/run/{run}").as_str(), "2")]
        );
        assert_eq!(made[0].state, DeliveryState::Pending { next: AT });
    }

    #[test]
    fn h11_one_thing_has_one_key_however_often_it_shows() {
        let key = |on, event| {
            let one = raised(&[rule(on)], event).pop().unwrap();
            one.deliveries(AT, String::new)[0].key.clone()
        };
        let step = |name| key(AlertOn::StepFailed, failed(name, None));
        assert_eq!(step("load[x]"), step("load[y]"));
        assert_ne!(step("load"), step("store"));
        assert_eq!(key(AlertOn::WorkerLost, lost(3)), key(AlertOn::WorkerLost, lost(3)));
        assert_ne!(key(AlertOn::WorkerLost, lost(3)), key(AlertOn::WorkerLost, lost(4)));
    }

    #[test]
    fn h11_news_of_yesterday_is_told_and_older_news_is_not() {
        let (known, event) = (Known::new(), recorded(finished(RunStatus::Failed)));
        let told = |now| of_event(&[rule(AlertOn::RunFailed)], &known.run(), &event, now).len();
        assert_eq!(told(AT + NEWS_AGE_MAX), 1);
        assert_eq!(told(AT + NEWS_AGE_MAX + Duration::from_millis(1)), 0);
    }

    #[test]
    fn h11_a_run_waits_if_somebody_may_have_to_do_something_and_for_long_enough() {
        let rules = [rule(AlertOn::RunWaits)];
        let known = Known::new();
        let wait = |whys: Vec<Why>, after: u64| {
            let steps = whys.into_iter().map(|why| (StepKey::new("load"), why)).collect();
            let reasons = Reasons { steps, more: 0 };
            let last = recorded(failed("load", Some(AT)));
            of_waiting(&rules, &known.run(), &last, &reasons, AT + Duration::from_secs(after)).pop()
        };
        assert!(wait(vec![Why::NoWorker], 60).is_none());
        let approval = Why::Wait { approval: true, since: AT, until: None };
        let told = wait(vec![approval.clone(), Why::NoWorker], 61).unwrap();
        assert_eq!(told.alert.about.why.as_deref(), Some("no worker has joined"));
        assert!(wait(vec![approval, Why::RetryAt { at: AT }], 61).is_none());
        assert!(wait(vec![], 61).is_none());
    }

    #[test]
    fn h11_an_asset_is_late_once_for_each_time_that_it_was_made() {
        let asset = AssetKey::parse("sales/orders").unwrap();
        let late = |number, after| {
            let newest = Newest { number, run: Known::new().run().run, at: AT };
            let one = of_asset(&rule(AlertOn::AssetLate), &asset, newest, AT + Duration::from_secs(after))?;
            Some(one.deliveries(AT, String::new)[0].key.clone())
        };
        assert_eq!(late(1, 60), None);
        assert_eq!(late(1, 61), late(1, 6100));
        assert_ne!(late(1, 61), late(2, 61));
    }

    #[test]
    fn h11_who_does_not_answer_is_told_again_ever_more_seldom_and_not_for_ever() {
        let one = raised(&[rule(AlertOn::RunFailed)], finished(RunStatus::Failed)).pop().unwrap();
        let mut delivery = one.deliveries(AT, String::new).pop().unwrap();
        let (mut now, mut waits) = (AT, vec![]);
        while let Some(next) = delivery.state.next() {
            waits.push(next.since(now).as_secs());
            now = next;
            delivery = after(delivery, Some("it answered 500\nand more".to_owned()), now);
        }
        assert_eq!(waits, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900, 900]);
        assert_eq!((delivery.attempts, delivery.state), (ATTEMPTS_MAX, DeliveryState::GivenUp { at: now }));
        assert_eq!(delivery.error.as_deref(), Some("it answered 500"));
        let sent = after(Delivery { attempts: 3, ..delivery }, None, now);
        assert_eq!((sent.attempts, sent.state, sent.error), (4, DeliveryState::Sent { at: now }, None));
    }
}

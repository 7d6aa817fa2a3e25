//! The whole: hosts, the scheduler's machine, a client, the faults, and the order in which everything happens.

mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_client::WAIT_MAX;
use cofferdam_engine::Layout;
use cofferdam_model::*;
use cofferdam_runlog::{Memory, NewRun, RunLog};
use cofferdam_scheduler::{Now, Patience, Recovery, Visit, WorkerOffer};
use cofferdam_wire::decode;
use cofferdam_wire::v1::{Hello, Welcome};
use futures::FutureExt as _;
use tokio::time::Instant;

use crate::bug::Bug;
use crate::check::{Broken, Check};
use crate::network::{Link, Time, ToScheduler, ToWorker};
use crate::plans;
use crate::scheduler::{Leaving, Pending, Scheduler, Told};
use crate::worker::{Phase, Worker, first_wait};

pub use self::faults::Fault;
use self::faults::{FAULTS, HARMLESS};

/// After this nothing goes wrong any more, and all must come to an end.
const FAULTS_UNTIL: Time = 40_000;
/// How long after that it may take.
const ENDS_WITHIN: Time = 400_000;
/// As the server has it.
const PATIENCE: Patience = Patience { silent: Duration::from_secs(5), take_over: Duration::from_secs(10) };
/// How long a worker waits to be welcomed.
const WELCOME: Time = 10_000;
/// How long a client waits before it submits again.
const SUBMIT_AGAIN: Time = 1_000;

/// Which simulation.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub seed: u64,
    pub bug: Option<Bug>,
    /// Whether all that happens is told on stderr.
    pub trace: bool,
}

/// What a simulation showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of all events and lines, in order: equal for equal seeds.
    pub digest: String,
    pub events: usize,
    pub lost: usize,
    /// Attempts that a worker gave back.
    pub returned: usize,
    /// Steps that were opened again, because nobody had what they had made.
    pub again: usize,
    /// Attempts that were made beside one that took long.
    pub hedged: usize,
    /// How often each kind of fault came.
    pub faults: BTreeMap<Fault, usize>,
}

#[derive(Debug, Clone)]
enum Happens {
    Fault,
    Submit(usize),
    Cancel(usize),
    Connect {
        host: usize,
        life: u64,
    },
    /// A worker was not welcomed in time.
    Unwelcome {
        link: usize,
    },
    Arrives {
        link: usize,
        up: bool,
    },
    /// A side sees that its connection is gone.
    Notices {
        link: usize,
        worker: bool,
    },
    /// A host has been silent for as long as the keep-alive takes.
    Suspected {
        host: usize,
        silence: u64,
    },
    GoesOn {
        host: usize,
        life: u64,
        fence: Fence,
        phase: Phase,
    },
    WorkerStarts {
        host: usize,
    },
    Heals {
        host: usize,
    },
    Wakes {
        host: usize,
    },
    SchedulerStarts,
    SchedulerDies {
        life: u64,
    },
    SchedulerWakes,
    Decides {
        life: u64,
    },
    Durable {
        life: u64,
    },
}

#[derive(Debug, Default)]
struct Host {
    worker: Option<Worker>,
    n_lives: u64,
    cut: bool,
    stopped: bool,
    /// Counts cuts and stops, so that a suspicion is of this one.
    n_silences: u64,
    /// What waits for the network, or for the process to go on.
    waiting: Vec<Happens>,
}

struct Client {
    run: RunId,
    plan: Plan,
    layout: Arc<Layout>,
    accepted: bool,
}

struct Cluster {
    random: fastrand::Rng,
    bug: Option<Bug>,
    trace: bool,
    now: Time,
    start: Instant,
    agenda: BTreeMap<(Time, u64), Happens>,
    n_happenings: u64,
    log: Memory,
    check: Check,
    digest: String,
    hosts: Vec<Host>,
    scheduler: Option<Scheduler>,
    n_schedulers: u64,
    scheduler_stopped: bool,
    /// It dies while it writes the next time.
    doomed: bool,
    scheduler_waiting: Vec<Happens>,
    /// Whether the scheduler's next turn is on the agenda at this time.
    decides_at: Option<Time>,
    links: Vec<Link>,
    clients: Vec<Client>,
    kinds: Vec<Fault>,
    faults: BTreeMap<Fault, usize>,
}

/// Plays one seed to its end. The error names the rule that was broken.
pub fn simulate(settings: Settings) -> Result<Outcome, String> {
    let mut cluster = Cluster::new(settings);
    cluster.run()?;
    let Cluster { digest, check, faults, .. } = cluster;
    let digest = ValueDigest::of(digest.as_bytes()).to_string();
    Ok(Outcome {
        digest,
        events: check.n_events,
        lost: check.n_lost,
        returned: check.n_returned,
        again: check.n_again,
        hedged: check.n_hedged,
        faults,
    })
}

/// The answer of the store in memory, which never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the log in memory answers at once")
}

impl Cluster {
    fn new(settings: Settings) -> Cluster {
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let alone = random.u8(0..3) == 0;
        let kinds: Vec<Fault> = if alone {
            vec![HARMLESS[random.usize(0..HARMLESS.len())]]
        } else {
            FAULTS.into_iter().filter(|_| random.bool()).collect()
        };
        let mut check = Check::default();
        check.may_lose = !alone;
        let hosts = (0..random.usize(1..=4)).map(|_| Host::default()).collect();
        let mut cluster = Cluster {
            bug: settings.bug,
            trace: settings.trace,
            now: 0,
            start: Instant::now(),
            agenda: BTreeMap::new(),
            n_happenings: 0,
            log: Memory::new(),
            check,
            digest: String::new(),
            hosts,
            scheduler: None,
            n_schedulers: 0,
            scheduler_stopped: false,
            doomed: false,
            scheduler_waiting: vec![],
            decides_at: None,
            links: vec![],
            clients: vec![],
            kinds,
            faults: BTreeMap::new(),
            random,
        };
        cluster.set_up();
        cluster
    }

    fn set_up(&mut self) {
        self.later(0, Happens::SchedulerStarts);
        for host in 0..self.hosts.len() {
            let wait = self.random.u64(0..2_000);
            self.later(wait, Happens::WorkerStarts { host });
        }
        for n in 0..self.random.usize(1..=4) {
            let plan = plans::plan(&mut self.random);
            let layout = Layout::new(Arc::new(plan.clone())).expect("the plans made here can be run");
            let run = RunId(uuid::Uuid::from_u128(n as u128 + 1));
            self.clients.push(Client { run, plan, layout, accepted: false });
            let at = self.random.u64(0..FAULTS_UNTIL / 2);
            self.later(at, Happens::Submit(n));
            if self.random.u8(0..6) == 0 {
                let after = self.random.u64(0..15_000);
                self.later(at + after, Happens::Cancel(n));
            }
        }
        if !self.kinds.is_empty() {
            self.later(1_500, Happens::Fault);
        }
    }

    fn later(&mut self, wait: Time, happens: Happens) {
        self.n_happenings += 1;
        self.agenda.insert((self.now + wait, self.n_happenings), happens);
    }

    fn time(&self) -> Now {
        Now { wall: Timestamp(1_000_000 + self.now), steady: self.start + Duration::from_millis(self.now) }
    }

    fn run(&mut self) -> Result<(), Broken> {
        while let Some(((at, _), happens)) = self.agenda.pop_first() {
            self.now = at;
            self.happen(happens)?;
            if self.clients.iter().all(|client| self.check.is_ended(client.run)) {
                return Ok(());
            }
            if at > FAULTS_UNTIL + ENDS_WITHIN {
                break;
            }
        }
        let open = self.clients.iter().filter(|client| !self.check.is_ended(client.run));
        let open: Vec<RunId> = open.map(|client| client.run).collect();
        Err(format!("I-16: {open:?} do not end"))
    }

    #[expect(clippy::print_stderr, reason = "it was asked for")]
    fn tell_people(&self, what: &impl std::fmt::Debug) {
        if self.trace {
            eprintln!("{:>8} {what:?}", self.now);
        }
    }

    fn happen(&mut self, happens: Happens) -> Result<(), Broken> {
        self.tell_people(&happens);
        if let Some(host) = self.host_of(&happens)
            && self.is_held_up(host, &happens)
        {
            self.hosts[host].waiting.push(happens);
            return Ok(());
        }
        if self.scheduler_stopped && self.is_the_schedulers(&happens) {
            self.scheduler_waiting.push(happens);
            return Ok(());
        }
        match happens {
            Happens::Fault => self.fault(),
            Happens::Submit(n) => self.submit(n),
            Happens::Cancel(n) => {
                let run = self.clients[n].run;
                if self.check.is_accepted(run) {
                    self.tell(Told::Cancel(run));
                } else if self.now < FAULTS_UNTIL {
                    self.later(SUBMIT_AGAIN, Happens::Cancel(n));
                }
            }
            Happens::Connect { host, life } => self.connect(host, life),
            Happens::Unwelcome { link } => {
                let Link { host, worker_life, .. } = self.links[link];
                let waits = |worker: &Worker| {
                    worker.life == worker_life && worker.link == Some(link) && !worker.welcomed
                };
                if self.hosts[host].worker.as_ref().is_some_and(waits) {
                    self.links[link].cut();
                    self.worker_lost_link(link);
                    self.later(1, Happens::Notices { link, worker: false });
                }
            }
            Happens::Arrives { link, up: true } => self.arrives_up(link),
            Happens::Arrives { link, up: false } => self.arrives_down(link)?,
            Happens::Notices { link, worker: true } => self.worker_lost_link(link),
            Happens::Notices { link, worker: false } => self.scheduler_lost_link(link),
            Happens::Suspected { host, silence } => self.suspected(host, silence),
            Happens::GoesOn { host, life, fence, phase } => self.goes_on(host, life, fence, phase)?,
            Happens::WorkerStarts { host } => self.worker_starts(host),
            Happens::Heals { host } => {
                self.hosts[host].cut = false;
                self.release(host);
            }
            Happens::Wakes { host } => {
                self.hosts[host].stopped = false;
                self.release(host);
            }
            Happens::SchedulerStarts => self.scheduler_starts(),
            Happens::SchedulerDies { life } => {
                if self.scheduler.as_ref().is_some_and(|scheduler| scheduler.life == life) {
                    self.scheduler_dies();
                }
            }
            Happens::SchedulerWakes => {
                self.scheduler_stopped = false;
                for happens in std::mem::take(&mut self.scheduler_waiting) {
                    self.later(0, happens);
                }
            }
            Happens::Decides { life } => self.decides(life)?,
            Happens::Durable { life } => self.durable(life)?,
        }
        Ok(())
    }

    /// The host that must be there for this to happen.
    fn host_of(&self, happens: &Happens) -> Option<usize> {
        match happens {
            Happens::Connect { host, .. } | Happens::GoesOn { host, .. } => Some(*host),
            Happens::Arrives { link, .. }
            | Happens::Notices { link, worker: true }
            | Happens::Unwelcome { link } => Some(self.links[*link].host),
            _ => None,
        }
    }

    fn is_held_up(&self, host: usize, happens: &Happens) -> bool {
        let Host { cut, stopped, .. } = self.hosts[host];
        match happens {
            Happens::Arrives { up: true, .. } => cut,
            Happens::Arrives { up: false, .. } => cut || stopped,
            _ => stopped,
        }
    }

    fn is_the_schedulers(&self, happens: &Happens) -> bool {
        matches!(
            happens,
            Happens::Arrives { up: true, .. }
                | Happens::Notices { worker: false, .. }
                | Happens::Decides { .. }
                | Happens::Durable { .. }
                | Happens::Submit(_)
                | Happens::Cancel(_)
        )
    }

    fn release(&mut self, host: usize) {
        for happens in std::mem::take(&mut self.hosts[host].waiting) {
            self.later(0, happens);
        }
    }

    // ---- the client

    fn submit(&mut self, n: usize) {
        let Client { run, plan, layout, accepted } = &self.clients[n];
        if *accepted {
            return;
        }
        let (run, layout) = (*run, layout.clone());
        // Sent, and maybe lost; until it is answered it is sent again.
        if self.scheduler.is_some() && self.random.u8(0..4) > 0 {
            let encoded = plan.encode();
            let digest = ValueDigest::of(&encoded);
            let new = NewRun {
                run,
                job: plan.job.clone(),
                plan: encoded,
                digest,
                tags: BTreeMap::new(),
                created_at: self.time().wall,
                idempotency_key: Some(run.to_string()),
                origin: None,
                known: Known::default(),
            };
            ready(self.log.create_run(new)).expect("the log takes runs");
            self.check.submitted(run, &layout);
            if ready(self.log.events(run, 1, 1)).expect("the log can be read").is_empty() {
                let known = Arc::default();
                let submission =
                    cofferdam_engine::Submission { run, layout, plan: digest, origin: None, known };
                self.tell(Told::Submit(Box::new(submission)));
            } else {
                self.clients[n].accepted = true;
            }
        }
        self.later(SUBMIT_AGAIN, Happens::Submit(n));
    }

    // ---- workers

    fn worker_starts(&mut self, host: usize) {
        let slots = self.random.u32(1..=3);
        let state = &mut self.hosts[host];
        state.n_lives += 1;
        let life = state.n_lives;
        // The first host can do everything, so that every run can end.
        state.worker = Some(Worker::new(life, slots, host == 0 || life.is_multiple_of(2)));
        self.later(0, Happens::Connect { host, life });
    }

    fn connect(&mut self, host: usize, life: u64) {
        let reachable = !self.hosts[host].cut && self.scheduler.is_some();
        let Some(worker) = self.hosts[host].worker.as_mut().filter(|worker| worker.life == life) else {
            return;
        };
        if worker.link.is_some() {
            return;
        }
        let Some(scheduler) = self.scheduler.as_ref().filter(|_| reachable) else {
            let wait = worker.wait;
            let longest = u64::try_from(WAIT_MAX.as_millis()).expect("it is short");
            worker.wait = (wait * 2).min(longest);
            self.later(wait, Happens::Connect { host, life });
            return;
        };
        let instance = (host as u128) << 64 | u128::from(life);
        let mut hello = worker.held.hello(&worker.offer, instance);
        if self.bug == Some(Bug::HeldNotTold) {
            hello.held = cofferdam_wire::encode(&Vec::<AttemptId>::new());
        }
        let visit = visit(&hello, instance);
        let mut link = Link::new(host, life, scheduler.life);
        let arrives =
            link.up.send(ToScheduler::Hello { hello: Box::new(hello), visit }, self.now, &mut self.random);
        worker.link = Some(self.links.len());
        worker.welcomed = false;
        let at = self.links.len();
        self.links.push(link);
        self.later(arrives - self.now, Happens::Arrives { link: at, up: true });
        self.later(WELCOME, Happens::Unwelcome { link: at });
    }

    fn worker_lost_link(&mut self, link: usize) {
        let Link { host, worker_life, .. } = self.links[link];
        let Some(worker) = &mut self.hosts[host].worker else { return };
        if worker.life == worker_life && worker.link == Some(link) {
            worker.link = None;
            worker.welcomed = false;
            let wait = worker.wait;
            self.later(wait, Happens::Connect { host, life: worker_life });
        }
    }

    fn arrives_down(&mut self, link: usize) -> Result<(), Broken> {
        let now = self.now;
        let Link { host, worker_life, .. } = self.links[link];
        let Some(message) = self.links[link].down.arrived(now) else { return Ok(()) };
        let forgets = self.bug == Some(Bug::UnheardForgotten);
        let Some(worker) = &mut self.hosts[host].worker else { return Ok(()) };
        if worker.life != worker_life || worker.link != Some(link) {
            return Ok(());
        }
        match message {
            ToWorker::Welcome(welcome) => {
                worker.held.welcomed(&welcome);
                worker.welcomed = true;
                worker.wait = first_wait();
                let again = if forgets { vec![] } else { worker.held.unheard() };
                for batch in again {
                    self.send_up(link, batch.to_vec());
                }
            }
            ToWorker::Orders(orders) => {
                for order in &orders {
                    if let Order::Run(assignment) = order {
                        self.check.reads(assignment)?;
                    }
                }
                let worker = self.hosts[host].worker.as_mut().expect("it was there just now");
                let reports = worker.ordered(orders);
                self.say(host, reports);
                self.begin(host)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, host: usize) -> Result<(), Broken> {
        let others = self.hosts.iter().filter(|host| !host.cut && !host.stopped);
        let reached = if self.hosts[host].cut { None } else { Some(others) };
        let workers = reached.into_iter().flatten().filter_map(|host| host.worker.as_ref());
        let given = workers.flat_map(|worker| &worker.kept).cloned().collect();
        let Some(worker) = &mut self.hosts[host].worker else { return Ok(()) };
        let life = worker.life;
        let (begun, reports) = worker.begin(&given, &mut self.random);
        for (assignment, length) in begun {
            let fence = assignment.id.fence;
            self.check.begins(&assignment.id, plans::emitted(&assignment))?;
            for _ in 0..self.random.u8(0..3) {
                let at = self.random.u64(0..length);
                self.later(at, Happens::GoesOn { host, life, fence, phase: Phase::Line });
            }
            self.later(length, Happens::GoesOn { host, life, fence, phase: Phase::End });
        }
        self.say(host, reports);
        Ok(())
    }

    fn goes_on(&mut self, host: usize, life: u64, fence: Fence, phase: Phase) -> Result<(), Broken> {
        let Some(worker) = self.hosts[host].worker.as_mut().filter(|worker| worker.life == life) else {
            return Ok(());
        };
        let reports = worker.goes_on(fence, phase, &mut self.random);
        self.say(host, reports);
        self.begin(host)
    }

    fn say(&mut self, host: usize, reports: Vec<Report>) {
        let Some(worker) = self.hosts[host].worker.as_mut().filter(|_| !reports.is_empty()) else { return };
        let batch = worker.held.reported(&reports).to_vec();
        if let Some(link) = worker.link.filter(|_| worker.welcomed) {
            self.send_up(link, batch);
        }
    }

    fn send_up(&mut self, link: usize, batch: Vec<u8>) {
        if self.links[link].broken {
            return;
        }
        let at = self.links[link].up.send(ToScheduler::Reports(batch), self.now, &mut self.random);
        self.later(at - self.now, Happens::Arrives { link, up: true });
    }

    // ---- the scheduler

    fn scheduler_starts(&mut self) {
        self.n_schedulers += 1;
        let term = ready(self.log.take_term(Term(0))).expect("the log gives terms");
        let patience = if self.bug == Some(Bug::NoPatience) { Patience::default() } else { PATIENCE };
        let mut scheduler = Scheduler::new(self.n_schedulers, term, patience);
        let unfinished = ready(self.log.unfinished()).expect("the log can be read");
        let read = |run| ready(Recovery::read(&self.log, run)).expect("a run that was written can be read");
        let taken_over: Vec<Recovery> = unfinished.into_iter().map(read).collect();
        scheduler.decide(taken_over, self.time());
        let life = scheduler.life;
        self.scheduler = Some(scheduler);
        self.writes(life);
    }

    fn tell(&mut self, told: Told) {
        self.tell_people(&told);
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.inbox.push(told);
            self.wake_scheduler(0);
        }
    }

    /// Puts its next turn on the agenda, unless an earlier one is.
    fn wake_scheduler(&mut self, wait: Time) {
        let Some(scheduler) = self.scheduler.as_ref().filter(|scheduler| scheduler.pending.is_none()) else {
            return;
        };
        let at = self.now + wait;
        if self.decides_at.is_none_or(|planned| planned > at || planned < self.now) {
            let life = scheduler.life;
            self.decides_at = Some(at);
            self.later(wait, Happens::Decides { life });
        }
    }

    fn decides(&mut self, life: u64) -> Result<(), Broken> {
        let now = self.time();
        let Some(scheduler) = self.scheduler.as_mut().filter(|scheduler| scheduler.life == life) else {
            return Ok(());
        };
        if scheduler.pending.is_some() {
            return Ok(());
        }
        self.decides_at = None;
        scheduler.decide(vec![], now);
        self.leave_too_early();
        self.writes(life);
        Ok(())
    }

    /// The log takes its time.
    fn writes(&mut self, life: u64) {
        let slow = self.random.u8(0..10) == 0;
        let wait = if slow { self.random.u64(100..2_000) } else { self.random.u64(0..20) };
        self.later(wait, Happens::Durable { life });
        if std::mem::take(&mut self.doomed) {
            let before = self.random.u64(0..=wait);
            self.later(before, Happens::SchedulerDies { life });
        }
    }

    fn append(&mut self, pending: &Pending) -> Result<(), Broken> {
        if !pending.batches.is_empty() {
            let appended = ready(self.log.append(pending.batches.clone()));
            appended.map_err(|error| format!("I-11: the log refuses what was decided: {error}"))?;
        }
        if !pending.logs.is_empty() {
            ready(self.log.append_logs(pending.logs.clone())).expect("the log takes lines");
        }
        for batch in &pending.batches {
            self.tell_people(batch);
            for recorded in &batch.events {
                self.digest.push_str(&format!("{} {recorded:?}\n", batch.run));
            }
        }
        self.check.appended(&pending.batches)?;
        self.check.logged(&pending.logs)
    }

    fn durable(&mut self, life: u64) -> Result<(), Broken> {
        let Some(scheduler) = self.scheduler.as_mut().filter(|scheduler| scheduler.life == life) else {
            return Ok(());
        };
        let Some(mut pending) = scheduler.pending.take() else { return Ok(()) };
        self.append(&pending)?;
        for run in std::mem::take(&mut pending.answered) {
            for client in self.clients.iter_mut().filter(|client| client.run == run) {
                client.accepted = true;
            }
            if !self.check.is_accepted(run) {
                return Err(format!("I-12: {run} was answered and is not in the log"));
            }
        }
        let scheduler = self.scheduler.as_mut().expect("it was there just now");
        let term = scheduler.term.0;
        let leaving = scheduler.leaving(&mut pending);
        for (link, worker, connection, received) in std::mem::take(&mut pending.welcomes) {
            self.links[link].attached = Some((worker, connection));
            if self.links[link].broken {
                self.tell(Told::Left { worker, connection });
            } else {
                self.send_down(
                    link,
                    ToWorker::Welcome(Welcome { worker: worker.0, term, received, proof: vec![].into() }),
                );
            }
        }
        self.leave(leaving);
        let now = self.time();
        let scheduler = self.scheduler.as_ref().expect("it was there just now");
        if scheduler.inbox.is_empty() {
            if let Some(wait) = scheduler.deadline(now) {
                self.wake_scheduler(wait);
            }
        } else {
            self.wake_scheduler(0);
        }
        Ok(())
    }

    fn leave(&mut self, leaving: Leaving) {
        let Leaving { orders, recalls } = leaving;
        for (worker, orders) in orders {
            let link = self.scheduler.as_ref().and_then(|scheduler| scheduler.links.get(&worker).copied());
            if let Some(link) = link {
                self.send_down(link, ToWorker::Orders(orders));
            }
        }
        if !recalls.is_empty() {
            let memos = recalls.iter().map(|(_, _, memo)| *memo).collect();
            let found = ready(self.log.catalog().recall(memos)).expect("the log can be read");
            let answers = recalls.into_iter().zip(found).map(|((run, step, _), found)| (run, step, found));
            self.tell(Told::Recalled(answers.collect()));
        }
    }

    /// What a scheduler with a bug lets out before it is durable.
    fn leave_too_early(&mut self) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let Some(mut pending) = scheduler.pending.take() else { return };
        match self.bug {
            Some(Bug::OrdersBeforeAppend) => {
                let leaving = scheduler.leaving(&mut pending);
                scheduler.pending = Some(pending);
                self.leave(leaving);
            }
            Some(Bug::ReceiptBeforeAppend) => {
                let receipts = scheduler.receipts(&mut pending);
                scheduler.pending = Some(pending);
                self.leave(Leaving { orders: receipts, recalls: vec![] });
            }
            _ => scheduler.pending = Some(pending),
        }
    }

    fn send_down(&mut self, link: usize, message: ToWorker) {
        if self.links[link].broken {
            return;
        }
        let at = self.links[link].down.send(message, self.now, &mut self.random);
        self.later(at - self.now, Happens::Arrives { link, up: false });
    }

    fn arrives_up(&mut self, link: usize) {
        let now = self.now;
        let Some(message) = self.links[link].up.arrived(now) else { return };
        let life = self.links[link].scheduler_life;
        if self.scheduler.as_ref().is_none_or(|scheduler| scheduler.life != life) {
            return;
        }
        match message {
            ToScheduler::Hello { hello, visit } => {
                let resources = hello.resources.into_iter().collect();
                let offer = WorkerOffer {
                    slots: hello.slots,
                    queue: hello.queue,
                    resources,
                    ..WorkerOffer::default()
                };
                self.tell(Told::Attach { link, offer, visit });
            }
            ToScheduler::Reports(batch) => {
                let reports = decode(&batch, "reports").expect("what was encoded here can be read");
                let (worker, connection) =
                    self.links[link].attached.expect("who has not been welcomed says nothing but hello");
                self.tell(Told::Reports { worker, connection, reports });
            }
        }
    }

    fn scheduler_lost_link(&mut self, link: usize) {
        self.links[link].cut();
        let life = self.links[link].scheduler_life;
        if self.scheduler.as_ref().is_some_and(|scheduler| scheduler.life == life)
            && let Some((worker, connection)) = self.links[link].attached
        {
            self.tell(Told::Left { worker, connection });
        }
    }
}

/// As the server reads it.
fn visit(hello: &Hello, instance: u128) -> Visit {
    Visit {
        instance,
        previous: hello.previous.map(WorkerId),
        held: decode(&hello.held, "attempts").expect("what was encoded here can be read"),
        acknowledged: hello.acknowledged,
        leaving: hello.leaving,
    }
}

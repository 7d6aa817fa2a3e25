//! A loaded library and its two calls. Each call gets a store and an instance of its own, dropped at its
//! end, so that nothing of one attempt is there for the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_model::{
    AttemptId, Failure, FaultKind, Fence, LibrarySpec, Limits, LogLine, Name, Progress, ResourceAnswer,
    ResourceCall, ResourceFault, RunId, StepKey, Timestamp, Usage,
};
use wasmtime::component::Component;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::admit::is_contract;
use crate::bindings::{Library as Exports, LibraryPre, types};
use crate::plain::Plain;
use crate::state::{CALL_BYTES_MAX, HANDLES_MAX, Purpose, State, Stop};
use crate::ticker::Ticker;
use crate::{Attempt, Completion, Content, Ended, Input, InputValue, IoError, Sandbox, StepIo, Value};
use crate::{describe, failure, outputs};

/// Time that `describe` may take: it only lists what is there.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Fuel of `describe`, where fuel is counted.
const DESCRIBE_FUEL: u64 = 1_000_000_000;
/// Memory of `describe`.
const DESCRIBE_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that `describe` may return.
const DESCRIBE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A compiled library, linked as far as it can be without running it. Cheap to clone; may be used from
/// several threads, each call with an instance of its own.
#[derive(Clone)]
pub struct Library {
    engine: Engine,
    ticker: Arc<Ticker>,
    exports: World,
    counts_fuel: bool,
}

/// What is called to run an op.
#[derive(Clone)]
enum World {
    /// The world `cofferdam:op/library`.
    Library(LibraryPre<State>),
    /// Functions of the component's own.
    Plain(Plain),
}

impl Library {
    pub(crate) fn new(sandbox: &Sandbox, component: &Component) -> wasmtime::Result<Library> {
        let instance = sandbox.linker.instantiate_pre(component)?;
        let exported = component.component_type();
        let exports = match exported.exports(&sandbox.engine).any(|(name, _)| is_contract(name)) {
            true => World::Library(LibraryPre::new(instance)?),
            false => World::Plain(Plain::new(&sandbox.engine, component, instance)),
        };
        Ok(Library {
            engine: sandbox.engine.clone(),
            ticker: Arc::clone(&sandbox.ticker),
            exports,
            counts_fuel: sandbox.settings.fuel,
        })
    }

    /// Asks the library what it offers, within 5 s and 64 MiB, and checks the answer: at most 1,024 ops and
    /// 4 MiB, legal and unique names, schemas that are JSON. What it writes to logs is dropped.
    pub fn describe(&self) -> Result<LibrarySpec, Failure> {
        let exports = match &self.exports {
            World::Library(exports) => exports,
            World::Plain(plain) => return plain.describe(),
        };
        let limits = Limits {
            memory_bytes_max: DESCRIBE_MEMORY_BYTES,
            timeout: Some(DESCRIBE_TIMEOUT),
            fuel: self.counts_fuel.then_some(DESCRIBE_FUEL),
            log_lines_max: 0,
            ..Limits::default()
        };
        let purpose = Purpose {
            id: nobody(),
            tags: BTreeMap::new(),
            resources: BTreeMap::new(),
            partition: None,
            seed: 0,
            limits: &limits,
            stored: BTreeMap::new(),
        };
        let mut store = self.store(purpose, Box::new(Nothing));
        store.set_hostcall_fuel(DESCRIBE_BYTES_MAX);
        let _running = self.ticker.running();
        let called = instantiate(exports, &mut store)
            .and_then(|exports| exports.cofferdam_op_ops().call_describe(&mut store));
        match called {
            Ok(spec) => describe::accept(spec),
            Err(error) => {
                let cause = failure::ended(store.data(), &error, &limits);
                let mut refusal = failure::library(format!("cannot describe itself: {}", cause.message));
                refusal.causes = cause.causes;
                refusal.backtrace = cause.backtrace;
                Err(refusal)
            }
        }
    }

    /// Runs one attempt to its end, on this thread. Never panics on account of the guest and never runs
    /// longer than the attempt's timeout plus one tick plus the longest call of `io`. Stored outputs that
    /// the completion does not name are left with `io`.
    pub fn run(&self, attempt: Attempt, io: Box<dyn StepIo>) -> Ended {
        let started = Instant::now();
        if attempt.limits.fuel.is_some() && !self.counts_fuel {
            let result = Err(failure::library("has a fuel limit, but this sandbox does not count fuel"));
            return Ended { result, usage: Usage::default(), io };
        }
        let Attempt { id, op, config, inputs, outputs, limits, tags, resources, partition, seed } = attempt;
        let purpose =
            Purpose { id, tags, resources, partition, seed, limits: &limits, stored: BTreeMap::new() };
        let mut store = self.store(purpose, io);
        let running = self.ticker.running();
        let mut instantiated = Duration::ZERO;
        let called = match &self.exports {
            World::Library(exports) => {
                let inputs = inputs.into_iter().map(|input| lower(input, store.data_mut())).collect();
                let invocation = types::Invocation { config, inputs };
                let exports = instantiate(exports, &mut store);
                instantiated = started.elapsed();
                exports
                    .and_then(|exports| {
                        exports.cofferdam_op_ops().call_run(&mut store, op.as_str(), &invocation)
                    })
                    .map(|returned| returned.map_err(failure::returned))
            }
            World::Plain(plain) => plain.call(&mut store, &op, inputs),
        };
        drop(running);
        let result = match called {
            Ok(Ok(completion)) => self.complete(&mut store, &outputs, &limits, completion),
            Ok(Err(failed)) => Err(with_trouble(store.data(), failed)),
            Err(error) => Err(failure::ended(store.data(), &error, &limits)),
        };
        self.end(store, &limits, (started, instantiated), result)
    }

    /// Arms the limits before anything of the guest runs: its start function is guest code too.
    fn store(&self, purpose: Purpose<'_>, io: Box<dyn StepIo>) -> Store<State> {
        let (timeout, fuel) = (purpose.limits.timeout, purpose.limits.fuel);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut store = Store::new(&self.engine, State::new(purpose, deadline, io));
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(CALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        // Ticks only say when to look: counting them would drift, because each is a little late.
        store.epoch_deadline_callback(|mut cx| {
            let state = cx.data_mut();
            match state.deadline {
                Some(deadline) if Instant::now() >= deadline => Err(state.end(Stop::Timeout)),
                _ => Ok(UpdateDeadline::Continue(1)),
            }
        });
        if self.counts_fuel {
            store.set_fuel(fuel.unwrap_or(u64::MAX)).expect("this engine counts fuel");
        }
        store
    }

    fn complete(
        &self,
        store: &mut Store<State>,
        declared: &[cofferdam_model::PlanOutput],
        limits: &Limits,
        completion: types::Completion,
    ) -> Result<Completion, Failure> {
        let state = store.data_mut();
        // A guest that finishes between two ticks may be late all the same.
        if state.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let error = state.end(Stop::Timeout);
            return Err(failure::ended(state, &error, limits));
        }
        outputs::accept(state, declared, limits, completion)
    }

    fn end(
        &self,
        store: Store<State>,
        limits: &Limits,
        (started, instantiated): (Instant, Duration),
        mut result: Result<Completion, Failure>,
    ) -> Ended {
        let fuel = limits.fuel.map(|budget| budget - store.get_fuel().unwrap_or(0).min(budget));
        let mut state = store.into_data();
        if let Err(failure) = &mut result
            && failure.metadata.is_empty()
        {
            failure.metadata = state.metadata_taken();
        }
        state.log.finish(&mut *state.io);
        let usage = Usage {
            wall_us: micros(started.elapsed()),
            instantiate_us: micros(instantiated),
            memory_bytes_peak: state.limiter.memory_bytes_peak,
            fuel,
            input_bytes: state.input_bytes,
            output_bytes: state.output_bytes,
            host_calls: state.host_calls,
            log_lines_dropped: state.log.lines_dropped,
            ..Usage::default()
        };
        Ended { result, usage, io: state.io }
    }
}

fn instantiate(exports: &LibraryPre<State>, store: &mut Store<State>) -> wasmtime::Result<Exports> {
    exports.instantiate(store).map_err(|error| error.context(failure::Instantiating))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// An op that gave up after trouble with a value failed because of that: the kind says whose fault it is.
fn with_trouble(state: &State, mut failure: Failure) -> Failure {
    if let Some(trouble) = &state.trouble {
        failure.kind = trouble.kind();
        failure.causes.push(trouble.to_string());
    }
    failure
}

/// An input as the contract has it; what is stored can be opened from now on.
fn lower(input: Input, state: &mut State) -> types::Input {
    let mut value = |value: Value| types::Value {
        media_type: value.media_type,
        content: match value.content {
            Content::Bytes(bytes) => {
                state.input_bytes += bytes.len() as u64;
                types::Content::Bytes(bytes)
            }
            Content::Stored { number, size } => {
                state.stored.insert(number, size);
                types::Content::Stored(number)
            }
        },
    };
    let name = input.name.to_string();
    let value = match input.value {
        InputValue::One(one) => types::InputValue::One(value(one)),
        InputValue::Many(many) => types::InputValue::Many(
            many.into_iter()
                .map(|(key, element)| types::Element { key: key.map(String::from), value: value(element) })
                .collect(),
        ),
    };
    types::Input { name, value }
}

/// The attempt that a library sees while it describes itself.
fn nobody() -> AttemptId {
    AttemptId {
        run: RunId(uuid::Uuid::nil()),
        step: StepKey::new("describe"),
        attempt: 0,
        fence: Fence::default(),
    }
}

/// The way out of a library that describes itself: there is none.
struct Nothing;

impl StepIo for Nothing {
    fn read(&mut self, _: u32, _: u64, _: u32) -> Result<Vec<u8>, IoError> {
        Err(IoError::Input("a library describes itself without input".into()))
    }

    fn create(&mut self) -> Result<u32, IoError> {
        Err(IoError::Store("a library describes itself without output".into()))
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), IoError> {
        Err(IoError::Store("a library describes itself without output".into()))
    }

    fn finish(&mut self, _: u32) -> Result<(), IoError> {
        Err(IoError::Store("a library describes itself without output".into()))
    }

    fn call(
        &mut self,
        _: &Name,
        _: ResourceCall,
        _: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let message = "a library describes itself without resources".to_owned();
        Err(ResourceFault { kind: FaultKind::Denied, message })
    }

    fn log(&mut self, _: LogLine) {}

    fn progress(&mut self, _: Progress) {}

    fn now(&mut self) -> Timestamp {
        Timestamp::default()
    }
}

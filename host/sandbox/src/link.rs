//! All that a guest can touch. What is not listed here does not exist for it.
//!
//! | interface | what the guest finds |
//! |---|---|
//! | `cofferdam:op/context`, `values`, `types` | its attempt, logs, progress, metadata; large values in chunks |
//! | `cofferdam:op/http`, `keyvalue`, `blob`, `sql`, `settings`, `command` | the resources that its step binds, see [`crate::resources`] |
//! | `wasi:cli/environment` | no variables, no arguments, no directory |
//! | `wasi:cli/exit` | ends the attempt as a failure, whatever the code |
//! | `wasi:cli/stdin` | at its end from the start |
//! | `wasi:cli/stdout`, `stderr` | log lines, bounded |
//! | `wasi:cli/terminal-*` | no terminal |
//! | `wasi:clocks/*` | a clock of its own, see [`crate::clock`] |
//! | `wasi:random/*` | a stream that follows from the seed, see [`crate::clock`] |
//! | `wasi:io/*` | the streams above; pollables that are ready as soon as they are waited for |
//! | `wasi:filesystem/*` | no directory, hence no file |
//!
//! Sockets, `wasi:http`, files and the host's own clock and environment are not linked.
//!
//! This WASI, which every guest gets, is written out instead of being taken from wasmtime-wasi, because it is
//! virtual: nothing in it needs tokio, blocks or allocates without a bound, and this file is all of the surface
//! that has to be audited for what a guest may touch. Interfaces that reach the real world and are granted step
//! by step (`wasi:filesystem` with directories, `wasi:http`) are to come from wasmtime-wasi and wasmtime-wasi-http,
//! where paths, rights and protocols have been hardened by many.

use cofferdam_model::LogSource;
use wasmtime::component::{
    ComponentType, HasSelf, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{Engine, Result, StoreContextMut};

use crate::bindings::Library;
use crate::clock::{Clock, RANDOM_BYTES_MAX};
use crate::state::{State, Stop};

/// Interfaces that guests may import, and the versions that are compatible with ours.
pub(crate) const OFFERED: [(&str, &str); 29] = [
    ("cofferdam:op/types", "0.1."),
    ("cofferdam:op/context", "0.1."),
    ("cofferdam:op/values", "0.1."),
    ("cofferdam:op/http", "0.1."),
    ("cofferdam:op/keyvalue", "0.1."),
    ("cofferdam:op/blob", "0.1."),
    ("cofferdam:op/sql", "0.1."),
    ("cofferdam:op/settings", "0.1."),
    ("cofferdam:op/command", "0.1."),
    ("wasi:cli/environment", "0.2."),
    ("wasi:cli/exit", "0.2."),
    ("wasi:cli/stdin", "0.2."),
    ("wasi:cli/stdout", "0.2."),
    ("wasi:cli/stderr", "0.2."),
    ("wasi:cli/terminal-input", "0.2."),
    ("wasi:cli/terminal-output", "0.2."),
    ("wasi:cli/terminal-stdin", "0.2."),
    ("wasi:cli/terminal-stdout", "0.2."),
    ("wasi:cli/terminal-stderr", "0.2."),
    ("wasi:clocks/monotonic-clock", "0.2."),
    ("wasi:clocks/wall-clock", "0.2."),
    ("wasi:filesystem/types", "0.2."),
    ("wasi:filesystem/preopens", "0.2."),
    ("wasi:io/error", "0.2."),
    ("wasi:io/poll", "0.2."),
    ("wasi:io/streams", "0.2."),
    ("wasi:random/random", "0.2."),
    ("wasi:random/insecure", "0.2."),
    ("wasi:random/insecure-seed", "0.2."),
];

/// Version under which WASI is registered; the linker finds it for every compatible version asked for.
const WASI: &str = "0.2.6";
/// Bytes that a stream takes at a time.
const STREAM_BYTES: u64 = 64 * 1024;

type Cx<'a> = StoreContextMut<'a, State>;

struct Pollable {
    /// On the guest's clock.
    at: u64,
}
/// No value of it exists: stdin never fails.
enum StreamFailure {}
enum Descriptor {}
enum DirectoryStream {}
enum Terminal {}

/// The handle's number is all there is to a stream.
struct InputStream;
struct OutputStream;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<StreamFailure>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Everything, linked once per engine.
pub(crate) fn link(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    Library::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    io(&mut linker)?;
    cli(&mut linker)?;
    terminals(&mut linker)?;
    clocks(&mut linker)?;
    random(&mut linker)?;
    filesystem(&mut linker)?;
    Ok(linker)
}

fn wasi<'a>(linker: &'a mut Linker<State>, interface: &str) -> Result<LinkerInstance<'a, State>> {
    linker.instance(&format!("wasi:{interface}@{WASI}"))
}

/// A call into the host that is counted.
fn state<'a>(cx: &'a mut Cx<'_>) -> Result<&'a mut State> {
    let state = cx.data_mut();
    state.called()?;
    Ok(state)
}

/// A resource whose handles carry no state of ours.
fn stateless<T: 'static>(instance: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |mut cx, _| state(&mut cx).map(drop))
}

fn io(linker: &mut Linker<State>) -> Result<()> {
    let mut error = wasi(linker, "io/error")?;
    stateless::<StreamFailure>(&mut error, "error")?;
    error.func_wrap("[method]error.to-debug-string", |_, (_,): (Resource<StreamFailure>,)| {
        Ok((String::new(),))
    })?;

    let mut poll = wasi(linker, "io/poll")?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut cx, rep| {
        state(&mut cx)?.table.delete(Resource::<Pollable>::new_own(rep))?;
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |mut cx, (pollable,): (Resource<Pollable>,)| {
        let state = state(&mut cx)?;
        Ok((state.table.get(&pollable)?.at <= state.clock.peek(),))
    })?;
    poll.func_wrap("[method]pollable.block", |mut cx, (pollable,): (Resource<Pollable>,)| {
        let state = state(&mut cx)?;
        let at = state.table.get(&pollable)?.at;
        state.clock.advance_to(at);
        Ok(())
    })?;
    poll.func_wrap("poll", |mut cx, (pollables,): (Vec<Resource<Pollable>>,)| {
        let state = state(&mut cx)?;
        let mut times = Vec::with_capacity(pollables.len());
        for pollable in &pollables {
            times.push(state.table.get(pollable)?.at);
        }
        let Some(first) = times.iter().min() else {
            return Err(state.end(Stop::Misuse("polled an empty list".into())));
        };
        state.clock.advance_to(*first);
        let now = state.clock.peek();
        let ready = (0_u32..).zip(times).filter(|(_, at)| *at <= now).map(|(index, _)| index);
        Ok((ready.collect::<Vec<u32>>(),))
    })?;

    let mut streams = wasi(linker, "io/streams")?;
    stateless::<InputStream>(&mut streams, "input-stream")?;
    stateless::<OutputStream>(&mut streams, "output-stream")?;
    input_stream(&mut streams)?;
    output_stream(&mut streams)
}

fn ready(state: &mut State) -> Result<(Resource<Pollable>,)> {
    Ok((state.table.push(Pollable { at: 0 })?,))
}

/// Always at the end.
fn input_stream(streams: &mut LinkerInstance<'_, State>) -> Result<()> {
    for name in ["read", "blocking-read"] {
        streams.func_wrap(
            &format!("[method]input-stream.{name}"),
            |mut cx, (_, _): (Resource<InputStream>, u64)| {
                state(&mut cx)?;
                Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
            },
        )?;
    }
    for name in ["skip", "blocking-skip"] {
        streams.func_wrap(
            &format!("[method]input-stream.{name}"),
            |mut cx, (_, _): (Resource<InputStream>, u64)| {
                state(&mut cx)?;
                Ok((Err::<u64, _>(StreamError::Closed),))
            },
        )?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |mut cx, (_,): (Resource<InputStream>,)| {
        ready(state(&mut cx)?)
    })
}

type Written = Result<(Result<(), StreamError>,)>;

fn print(state: &mut State, stream: &Resource<OutputStream>, bytes: &[u8]) -> Written {
    let source = if stream.rep() == STDERR { LogSource::Stderr } else { LogSource::Stdout };
    state.log.print(&mut *state.io, source, bytes);
    Ok((Ok(()),))
}

/// Takes everything at once.
fn output_stream(streams: &mut LinkerInstance<'_, State>) -> Result<()> {
    streams.func_wrap("[method]output-stream.check-write", |mut cx, (_,): (Resource<OutputStream>,)| {
        state(&mut cx)?;
        Ok((Ok::<u64, StreamError>(STREAM_BYTES),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut cx, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                print(state(&mut cx)?, &stream, &bytes)
            },
        )?;
    }
    for name in ["flush", "blocking-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut cx, (_,): (Resource<OutputStream>,)| -> Written {
                state(&mut cx)?;
                Ok((Ok(()),))
            },
        )?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut cx, (stream, count): (Resource<OutputStream>, u64)| {
                let zeroes = vec![0; usize::try_from(count.min(STREAM_BYTES)).expect("64 KiB")];
                print(state(&mut cx)?, &stream, &zeroes)
            },
        )?;
    }
    for name in ["splice", "blocking-splice"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut cx, (_, _, _): (Resource<OutputStream>, Resource<InputStream>, u64)| {
                state(&mut cx)?;
                Ok((Err::<u64, _>(StreamError::Closed),))
            },
        )?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |mut cx, (_,): (Resource<OutputStream>,)| {
        ready(state(&mut cx)?)
    })
}

fn cli(linker: &mut Linker<State>) -> Result<()> {
    let mut environment = wasi(linker, "cli/environment")?;
    environment.func_wrap("get-environment", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |mut cx, ()| {
        state(&mut cx)?;
        Ok((None::<String>,))
    })?;

    let mut exit = wasi(linker, "cli/exit")?;
    exit.func_wrap("exit", |mut cx, (status,): (std::result::Result<(), ()>,)| -> Result<()> {
        Err(state(&mut cx)?.end(Stop::Exit(u8::from(status.is_err()))))
    })?;
    exit.func_wrap("exit-with-code", |mut cx, (code,): (u8,)| -> Result<()> {
        Err(state(&mut cx)?.end(Stop::Exit(code)))
    })?;

    wasi(linker, "cli/stdin")?.func_wrap("get-stdin", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Resource::<InputStream>::new_own(0),))
    })?;
    wasi(linker, "cli/stdout")?.func_wrap("get-stdout", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Resource::<OutputStream>::new_own(STDOUT),))
    })?;
    wasi(linker, "cli/stderr")?.func_wrap("get-stderr", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Resource::<OutputStream>::new_own(STDERR),))
    })
}

/// There is none.
fn terminals(linker: &mut Linker<State>) -> Result<()> {
    stateless::<Terminal>(&mut wasi(linker, "cli/terminal-input")?, "terminal-input")?;
    stateless::<Terminal>(&mut wasi(linker, "cli/terminal-output")?, "terminal-output")?;
    for name in ["stdin", "stdout", "stderr"] {
        wasi(linker, &format!("cli/terminal-{name}"))?.func_wrap(
            &format!("get-terminal-{name}"),
            |mut cx, ()| {
                state(&mut cx)?;
                Ok((None::<Resource<Terminal>>,))
            },
        )?;
    }
    Ok(())
}

fn clocks(linker: &mut Linker<State>) -> Result<()> {
    let mut monotonic = wasi(linker, "clocks/monotonic-clock")?;
    monotonic.func_wrap("now", |mut cx, ()| Ok((state(&mut cx)?.clock.read(),)))?;
    monotonic.func_wrap("resolution", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Clock::RESOLUTION,))
    })?;
    monotonic.func_wrap("subscribe-instant", |mut cx, (at,): (u64,)| {
        Ok((state(&mut cx)?.table.push(Pollable { at })?,))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut cx, (nanos,): (u64,)| {
        let state = state(&mut cx)?;
        let at = state.clock.peek().saturating_add(nanos);
        Ok((state.table.push(Pollable { at })?,))
    })?;

    let mut wall = wasi(linker, "clocks/wall-clock")?;
    wall.func_wrap("now", |mut cx, ()| {
        let (seconds, nanoseconds) = state(&mut cx)?.clock.read_wall();
        Ok((Datetime { seconds, nanoseconds },))
    })?;
    wall.func_wrap("resolution", |mut cx, ()| {
        state(&mut cx)?;
        let nanoseconds = u32::try_from(Clock::RESOLUTION).expect("one millisecond");
        Ok((Datetime { seconds: 0, nanoseconds },))
    })
}

fn random(linker: &mut Linker<State>) -> Result<()> {
    let sources = [
        ("random/random", "get-random-bytes", "get-random-u64"),
        ("random/insecure", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ];
    for (interface, bytes, number) in sources {
        let mut source = wasi(linker, interface)?;
        source.func_wrap(bytes, |mut cx, (count,): (u64,)| {
            let state = state(&mut cx)?;
            if count > RANDOM_BYTES_MAX {
                let message =
                    format!("asked for {count} random bytes at once, at most {RANDOM_BYTES_MAX} are given");
                return Err(state.end(Stop::HostCalls(message)));
            }
            let count = usize::try_from(count).expect("bounded above");
            Ok((state.random().bytes(count),))
        })?;
        source.func_wrap(number, |mut cx, ()| Ok((state(&mut cx)?.random().number(),)))?;
    }
    wasi(linker, "random/insecure-seed")?.func_wrap("insecure-seed", |mut cx, ()| {
        let random = state(&mut cx)?.random();
        Ok(((random.number(), random.number()),))
    })
}

/// Methods of a descriptor and of a directory's entries: no guest ever holds one, so none can be called.
const DESCRIPTOR_METHODS: [&str; 27] = [
    "[method]descriptor.read-via-stream",
    "[method]descriptor.write-via-stream",
    "[method]descriptor.append-via-stream",
    "[method]descriptor.advise",
    "[method]descriptor.sync-data",
    "[method]descriptor.get-flags",
    "[method]descriptor.get-type",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.read",
    "[method]descriptor.write",
    "[method]descriptor.read-directory",
    "[method]descriptor.sync",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.set-times-at",
    "[method]descriptor.link-at",
    "[method]descriptor.open-at",
    "[method]descriptor.readlink-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.is-same-object",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
];

fn filesystem(linker: &mut Linker<State>) -> Result<()> {
    let mut types = wasi(linker, "filesystem/types")?;
    stateless::<Descriptor>(&mut types, "descriptor")?;
    stateless::<DirectoryStream>(&mut types, "directory-entry-stream")?;
    let others = ["[method]directory-entry-stream.read-directory-entry", "filesystem-error-code"];
    for name in DESCRIPTOR_METHODS.into_iter().chain(others) {
        types.func_new(name, |mut cx, _, _, _| {
            Err(state(&mut cx)?.end(Stop::Misuse("used a file; there are none".into())))
        })?;
    }
    wasi(linker, "filesystem/preopens")?.func_wrap("get-directories", |mut cx, ()| {
        state(&mut cx)?;
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}

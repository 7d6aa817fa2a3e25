//! One file of tests of the component model: its components, their instances and what it claims of them.

use std::collections::HashMap;

use wasmtime::Store;
use wasmtime::component::{Component, Instance, Linker, Val};
use wast::component::WastVal;
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

use super::{Broken, Held, is_invalid, refused, wrong};
use crate::admit::admit;
use crate::{Refusal, Sandbox};

/// The state between directives.
pub(super) struct Script<'a> {
    sandbox: &'a Sandbox,
    store: Store<()>,
    linker: Linker<()>,
    definitions: HashMap<String, Component>,
    last_definition: Option<Component>,
    instances: HashMap<String, Instance>,
    last: Option<Instance>,
}

impl<'a> Script<'a> {
    pub(super) fn new(sandbox: &'a Sandbox) -> Script<'a> {
        let linker = Linker::new(&sandbox.engine);
        let (definitions, instances) = (HashMap::new(), HashMap::new());
        let store = store(sandbox);
        Script { sandbox, store, linker, definitions, last_definition: None, instances, last: None }
    }

    pub(super) fn run(&mut self, directive: WastDirective<'_>) -> Held {
        match directive {
            WastDirective::Module(mut component) => {
                self.last = None;
                let name = component.name().map(|id| id.name().to_owned());
                let component = self.component(&mut component)?;
                self.instantiate(name, &component)
            }
            WastDirective::ModuleDefinition(mut component) => {
                self.last_definition = None;
                let name = component.name().map(|id| id.name().to_owned());
                let component = self.component(&mut component)?;
                self.definitions.extend(name.map(|name| (name, component.clone())));
                self.last_definition = Some(component);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                self.last = None;
                let definition = match module {
                    Some(id) => self.definitions.get(id.name()),
                    None => self.last_definition.as_ref(),
                };
                let definition = definition.cloned().ok_or(Broken::Lacks)?;
                self.instantiate(instance.map(|id| id.name().to_owned()), &definition)
            }
            WastDirective::Invoke(call) => {
                self.invoke(&call)?.map(|_| ()).map_err(|error| Broken::Wrong(format!("{error:#}")))
            }
            WastDirective::AssertReturn { exec: WastExecute::Invoke(call), results, .. } => {
                self.returns(&call, &results)
            }
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message),
            WastDirective::AssertInvalid { mut module, message, .. }
            | WastDirective::AssertMalformed { mut module, message, .. } => {
                is_invalid(&mut module, message, |bytes| self.compiles(bytes))
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let component = self.component(&mut QuoteWat::Wat(module))?;
                match self.linker.instantiate(&mut self.store, &component) {
                    Err(_) => Ok(()),
                    Ok(_) => wrong(format!("was linked, expected `{message}`")),
                }
            }
            // Linking scripts' own instances, threads, and sections that say nothing about what runs.
            _ => Err(Broken::Lacks),
        }
    }

    /// Compiles a component that the static check lets through, as the engine then must. That it is no library of ours, or
    /// imports what is not offered, is another matter.
    fn component(&self, component: &mut QuoteWat<'_>) -> Held<Component> {
        let bytes = component.encode().map_err(|error| Broken::Wrong(error.message()))?;
        if !wasmparser::Parser::is_component(&bytes) {
            return Err(Broken::Lacks);
        }
        admits(&bytes).map_err(refused)?;
        Component::new(&self.sandbox.engine, &bytes)
            .map_err(|error| Broken::Disagree(format!("the engine refuses it: {error:#}")))
    }

    /// What is let through although the test says that it is invalid: the engine comes to an end with it.
    fn compiles(&self, bytes: &[u8]) -> Result<(), Refusal> {
        admits(bytes)?;
        let _ = Component::new(&self.sandbox.engine, bytes);
        Ok(())
    }

    fn instantiate(&mut self, name: Option<String>, component: &Component) -> Held {
        // A component that has trapped cannot be entered again, and takes its store with it.
        self.store = store(self.sandbox);
        self.instances.clear();
        let instance = self.linker.instantiate(&mut self.store, component);
        let instance = instance.map_err(|error| match format!("{error:#}") {
            text if text.contains("was not found in the linker") => Broken::Lacks,
            text => Broken::Wrong(text),
        })?;
        self.instances.extend(name.map(|name| (name, instance)));
        self.last = Some(instance);
        Ok(())
    }

    fn invoke(&mut self, call: &WastInvoke<'_>) -> Held<wasmtime::Result<Vec<Val>>> {
        let instance = match call.module {
            Some(id) => self.instances.get(id.name()).copied(),
            None => self.last,
        };
        let instance = instance.ok_or(Broken::Lacks)?;
        let Some(function) = instance.get_func(&mut self.store, call.name) else {
            return wrong(format!("there is no function `{}`", call.name));
        };
        let arguments = call.args.iter().map(|argument| match argument {
            WastArg::Component(value) => Ok(to_val(value)),
            other => wrong(format!("{other:?} is no argument")),
        });
        let arguments = arguments.collect::<Held<Vec<Val>>>()?;
        let mut results = vec![Val::Bool(false); function.ty(&self.store).results().len()];
        Ok(function.call(&mut self.store, &arguments, &mut results).map(|()| results))
    }

    fn returns(&mut self, call: &WastInvoke<'_>, expected: &[WastRet<'_>]) -> Held {
        let found = self.invoke(call)?.map_err(|error| Broken::Wrong(format!("{error:#}")))?;
        let expected = expected.iter().map(|expected| match expected {
            WastRet::Component(value) => Ok(to_val(value)),
            other => wrong(format!("{other:?} is no result")),
        });
        let expected = expected.collect::<Held<Vec<Val>>>()?;
        if found == expected { Ok(()) } else { wrong(format!("expected {expected:?}, found {found:?}")) }
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str) -> Held {
        let ended = match exec {
            WastExecute::Invoke(call) => self.invoke(&call)?.map(|_| ()),
            WastExecute::Wat(component) => {
                let component = self.component(&mut QuoteWat::Wat(component))?;
                self.linker.instantiate(&mut self.store, &component).map(|_| ())
            }
            WastExecute::Get { .. } => return Err(Broken::Lacks),
        };
        match ended {
            Ok(()) => wrong(format!("expected the trap `{message}`")),
            Err(_) => Ok(()),
        }
    }
}

fn store(sandbox: &Sandbox) -> Store<()> {
    let mut store = Store::new(&sandbox.engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

/// Whether the static check would let it through, if it were a library.
fn admits(component: &[u8]) -> Result<(), Refusal> {
    match admit(component) {
        Ok(_) | Err(Refusal::World { .. } | Refusal::Imports { .. }) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

fn to_val(value: &WastVal<'_>) -> Val {
    let boxed = |value: &Option<Box<WastVal<'_>>>| value.as_ref().map(|value| Box::new(to_val(value)));
    let all = |values: &[WastVal<'_>]| values.iter().map(to_val).collect();
    match value {
        WastVal::Bool(value) => Val::Bool(*value),
        WastVal::U8(value) => Val::U8(*value),
        WastVal::S8(value) => Val::S8(*value),
        WastVal::U16(value) => Val::U16(*value),
        WastVal::S16(value) => Val::S16(*value),
        WastVal::U32(value) => Val::U32(*value),
        WastVal::S32(value) => Val::S32(*value),
        WastVal::U64(value) => Val::U64(*value),
        WastVal::S64(value) => Val::S64(*value),
        WastVal::F32(value) => Val::Float32(f32::from_bits(value.bits)),
        WastVal::F64(value) => Val::Float64(f64::from_bits(value.bits)),
        WastVal::Char(value) => Val::Char(*value),
        WastVal::String(value) => Val::String((*value).to_owned()),
        WastVal::List(values) => Val::List(all(values)),
        WastVal::Map(entries) => {
            Val::Map(entries.iter().map(|(key, value)| (to_val(key), to_val(value))).collect())
        }
        WastVal::Record(fields) => {
            Val::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), to_val(value))).collect())
        }
        WastVal::Tuple(values) => Val::Tuple(all(values)),
        WastVal::Variant(name, value) => Val::Variant((*name).to_owned(), boxed(value)),
        WastVal::Enum(name) => Val::Enum((*name).to_owned()),
        WastVal::Option(value) => Val::Option(boxed(value)),
        WastVal::Result(Ok(value)) => Val::Result(Ok(boxed(value))),
        WastVal::Result(Err(value)) => Val::Result(Err(boxed(value))),
        WastVal::Flags(names) => Val::Flags(names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

//! One file of tests: its modules, instances and what it claims of them.

use std::collections::HashMap;

use wasmtime::{
    Global, GlobalType, Instance, Linker, Memory, MemoryType, Module, Mutability, Ref, RefType, Store, Table,
    TableType, Trap, Val, ValType,
};
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

use super::{Broken, Held, admits, is_invalid, refused, values, wrong};
use crate::Sandbox;

/// The state between directives.
pub(super) struct Script {
    store: Store<()>,
    linker: Linker<()>,
    modules: HashMap<String, Module>,
    instances: HashMap<String, Instance>,
    /// What directives without a name are about.
    last: Option<Instance>,
    last_module: Option<Module>,
    /// A module was refused, so that what others find may not be what it would have left.
    maimed: bool,
}

impl Script {
    pub(super) fn new(sandbox: &Sandbox) -> Script {
        let mut store = Store::new(&sandbox.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let linker = spectest(&mut store).expect("the host's module is made");
        let (modules, instances) = (HashMap::new(), HashMap::new());
        Script { store, linker, modules, instances, last: None, last_module: None, maimed: false }
    }

    pub(super) fn run(&mut self, directive: WastDirective<'_>) -> Held {
        match (self.follow(directive), self.maimed) {
            (Err(Broken::Wrong(_)), true) => Err(Broken::Lacks),
            (held, _) => held,
        }
    }

    fn follow(&mut self, directive: WastDirective<'_>) -> Held {
        match directive {
            WastDirective::Module(mut module) => {
                self.last = None;
                let name = module.name().map(|id| id.name().to_owned());
                if let Some(name) = &name {
                    self.instances.remove(name);
                }
                let module = self.module(&mut module)?;
                self.instantiate(name, &module)
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name().map(|id| id.name().to_owned());
                let module = self.module(&mut module)?;
                self.modules.extend(name.map(|name| (name, module.clone())));
                self.last_module = Some(module);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = match module {
                    Some(id) => self.modules.get(id.name()),
                    None => self.last_module.as_ref(),
                };
                let module = module.cloned().ok_or(Broken::Lacks)?;
                self.instantiate(instance.map(|id| id.name().to_owned()), &module)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(module.map(|id| id.name()))?;
                self.linker
                    .instance(&mut self.store, name, instance)
                    .map(|_| ())
                    .map_err(|error| Broken::Wrong(format!("{error:#}")))
            }
            WastDirective::Invoke(call) => {
                self.invoke(&call)?.map(|_| ()).map_err(|error| Broken::Wrong(format!("{error:#}")))
            }
            WastDirective::AssertReturn { exec, results, .. } => self.returns(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message),
            WastDirective::AssertExhaustion { call, .. } => match self.invoke(&call)? {
                Err(error) if error.downcast_ref() == Some(&Trap::StackOverflow) => Ok(()),
                other => wrong(format!("expected recursion without end, found {other:?}")),
            },
            WastDirective::AssertInvalid { mut module, message, .. }
            | WastDirective::AssertMalformed { mut module, message, .. } => {
                is_invalid(&mut module, message, admits)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let module = self.module(&mut QuoteWat::Wat(module))?;
                match self.linker.instantiate(&mut self.store, &module) {
                    Err(_) => Ok(()),
                    Ok(_) => wrong(format!("was linked, expected `{message}`")),
                }
            }
            // Sections that say nothing about what runs.
            WastDirective::AssertInvalidCustom { .. } | WastDirective::AssertMalformedCustom { .. } => Ok(()),
            // Exceptions, stack switching and threads.
            WastDirective::AssertException { .. }
            | WastDirective::AssertSuspension { .. }
            | WastDirective::Thread(_)
            | WastDirective::Wait { .. } => Err(Broken::Lacks),
        }
    }

    /// Compiles a module that the static check lets through, as the engine then must. What it refuses never comes so far.
    fn module(&mut self, module: &mut QuoteWat<'_>) -> Held<Module> {
        let bytes = module.encode().map_err(|error| Broken::Wrong(error.message()))?;
        if let Err(refusal) = admits(&bytes) {
            self.maimed = true;
            return Err(refused(refusal));
        }
        Module::new(self.store.engine(), &bytes)
            .map_err(|error| Broken::Disagree(format!("the engine refuses it: {error:#}")))
    }

    fn instantiate(&mut self, name: Option<String>, module: &Module) -> Held {
        let instance = self.linker.instantiate(&mut self.store, module);
        let instance = instance.map_err(|error| Broken::Wrong(format!("{error:#}")))?;
        self.instances.extend(name.map(|name| (name, instance)));
        self.last = Some(instance);
        Ok(())
    }

    fn instance(&self, name: Option<&str>) -> Held<Instance> {
        let found = match name {
            Some(name) => self.instances.get(name).copied(),
            None => self.last,
        };
        found.ok_or(Broken::Lacks)
    }

    fn invoke(&mut self, call: &WastInvoke<'_>) -> Held<wasmtime::Result<Vec<Val>>> {
        let instance = self.instance(call.module.map(|id| id.name()))?;
        let Some(function) = instance.get_func(&mut self.store, call.name) else {
            return wrong(format!("there is no function `{}`", call.name));
        };
        let arguments = call.args.iter().map(|argument| match argument {
            WastArg::Core(argument) => values::argument(argument),
            other => Err(format!("{other:?} is no argument")),
        });
        let arguments = arguments.collect::<Result<Vec<Val>, String>>().map_err(Broken::Wrong)?;
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        Ok(function.call(&mut self.store, &arguments, &mut results).map(|()| results))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Held<wasmtime::Result<Vec<Val>>> {
        match exec {
            WastExecute::Invoke(call) => self.invoke(&call),
            WastExecute::Wat(module) => self.start(module),
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module.map(|id| id.name()))?;
                match instance.get_global(&mut self.store, global) {
                    Some(global) => Ok(Ok(vec![global.get(&mut self.store)])),
                    None => wrong(format!("there is no global `{global}`")),
                }
            }
        }
    }

    fn start(&mut self, module: Wat<'_>) -> Held<wasmtime::Result<Vec<Val>>> {
        let module = self.module(&mut QuoteWat::Wat(module))?;
        Ok(self.linker.instantiate(&mut self.store, &module).map(|_| vec![]))
    }

    fn returns(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Held {
        let found = self.execute(exec)?.map_err(|error| Broken::Wrong(format!("{error:#}")))?;
        let same = |found: &Val, expected: &WastRet<'_>| match expected {
            WastRet::Core(expected) => values::matches(found, expected),
            _ => false,
        };
        if found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        {
            Ok(())
        } else {
            wrong(format!("expected {expected:?}, found {found:?}"))
        }
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str) -> Held {
        let error = match self.execute(exec)? {
            Ok(found) => return wrong(format!("expected the trap `{message}`, found {found:?}")),
            Err(error) => error,
        };
        match error.downcast_ref::<Trap>() {
            Some(_) => Ok(()),
            None => wrong(format!("expected the trap `{message}`, found {error:#}")),
        }
    }
}

/// The module that the specification's tests import from.
fn spectest(store: &mut Store<()>) -> wasmtime::Result<Linker<()>> {
    let mut linker = Linker::new(store.engine());
    linker.allow_shadowing(true);
    linker.func_wrap("spectest", "print", || {})?;
    linker.func_wrap("spectest", "print_i32", |_: i32| {})?;
    linker.func_wrap("spectest", "print_i64", |_: i64| {})?;
    linker.func_wrap("spectest", "print_f32", |_: f32| {})?;
    linker.func_wrap("spectest", "print_f64", |_: f64| {})?;
    linker.func_wrap("spectest", "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap("spectest", "print_f64_f64", |_: f64, _: f64| {})?;
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, ty, value) in globals {
        let global = Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value)?;
        linker.define(&mut *store, "spectest", name, global)?;
    }
    let table = Table::new(&mut *store, TableType::new(RefType::FUNCREF, 10, Some(20)), Ref::Func(None))?;
    linker.define(&mut *store, "spectest", "table", table)?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&mut *store, "spectest", "memory", memory)?;
    Ok(linker)
}

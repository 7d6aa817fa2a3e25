//! Two versions of a world: would a library that was built for the old one run on a host of the new one?
//!
//! What the library imports must still be there with the same types; what the host calls must be what the library
//! exports. WIT types have no optional fields, so a type that a function uses may not change at all.

use std::collections::BTreeMap;

use wit_parser::{
    Function, Handle, Resolve, Type, TypeDefKind, TypeId, UnresolvedPackageGroup, WorldId, WorldItem,
    WorldKey,
};

use crate::Change;

/// A world, read.
#[derive(Debug)]
pub struct World {
    name: String,
    version: String,
    /// Functions by interface and name, each with its type written out.
    imports: Functions,
    exports: Functions,
}

type Functions = BTreeMap<(String, String), String>;

/// A text is no WIT, or has not the world that is asked for.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWit {
    #[error("{0}")]
    Syntax(String),
    #[error("there is no one world in it: {0}")]
    NoWorld(String),
}

impl World {
    /// Reads the files of one package, by name and content, and takes its world.
    pub fn read(files: &[(String, String)]) -> Result<World, InvalidWit> {
        let mut map = wit_parser::SourceMap::new();
        for (name, content) in files {
            map.push_str(name, content.as_str());
        }
        let parsed: UnresolvedPackageGroup =
            map.parse().map_err(|(map, error)| InvalidWit::Syntax(error.render(&map)))?;
        let map = parsed.source_map.clone();
        let mut resolve = Resolve::default();
        let package = resolve.push_group(parsed).map_err(|error| InvalidWit::Syntax(error.render(&map)))?;
        let world = resolve
            .select_world(&[package], None)
            .map_err(|error| InvalidWit::NoWorld(format!("{error:#}")))?;
        Ok(World::of(&resolve, world))
    }

    fn of(resolve: &Resolve, id: WorldId) -> World {
        let world = &resolve.worlds[id];
        let package = world.package.map(|id| &resolve.packages[id].name);
        let version =
            package.and_then(|name| name.version.as_ref()).map(ToString::to_string).unwrap_or_default();
        World {
            name: world.name.clone(),
            version,
            imports: functions(resolve, world.imports.iter()),
            exports: functions(resolve, world.exports.iter()),
        }
    }
}

/// Every difference, imports first.
pub fn compare(old: &World, new: &World) -> Vec<Change> {
    let mut changes = vec![];
    if old.name != new.name {
        changes.push(Change::breaks(format!("the world `{}` is called `{}`", old.name, new.name)));
    }
    if track(&old.version) != track(&new.version) {
        let (was, is) = (&old.version, &new.version);
        changes.push(Change::breaks(format!("version {is} does not stand for {was}: libraries name {was}")));
    }
    for (key, was) in &old.imports {
        let place = place("import", key);
        match new.imports.get(key) {
            None => changes.push(Change::breaks(format!("{place} is gone"))),
            Some(is) if is != was => changes.push(Change::breaks(format!("{place} was {was} and is {is}"))),
            Some(_) => {}
        }
    }
    let added = new.imports.keys().filter(|key| !old.imports.contains_key(key));
    changes.extend(added.map(|key| Change::adds(format!("{} is new", place("import", key)))));
    for (key, was) in &old.exports {
        let place = place("export", key);
        match new.exports.get(key) {
            None => changes.push(Change::relaxes(format!("{place} is no longer called"))),
            Some(is) if is != was => changes.push(Change::breaks(format!("{place} was {was} and is {is}"))),
            Some(_) => {}
        }
    }
    let added = new.exports.keys().filter(|key| !old.exports.contains_key(key));
    changes.extend(
        added.map(|key| Change::breaks(format!("{} is new: old libraries lack it", place("export", key)))),
    );
    changes
}

/// What semver lets stand for one another: the same `0.x`, or the same major version.
fn track(version: &str) -> (&str, &str) {
    let mut parts = version.split('.');
    let major = parts.next().unwrap_or_default();
    (major, if major == "0" { parts.next().unwrap_or_default() } else { "" })
}

fn place(side: &str, (interface, function): &(String, String)) -> String {
    match interface.as_str() {
        "" => format!("{side} `{function}`"),
        interface => format!("{side} `{interface}`: function `{function}`"),
    }
}

fn functions<'a>(resolve: &Resolve, items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>) -> Functions {
    let mut found = Functions::new();
    for (key, item) in items {
        match item {
            WorldItem::Function(function) => {
                found.insert((String::new(), function.name.clone()), signature(resolve, function));
            }
            WorldItem::Interface { id, .. } => {
                let interface = match key {
                    WorldKey::Name(name) => name.clone(),
                    WorldKey::Interface(id) => interface_name(resolve, *id),
                };
                for (name, function) in &resolve.interfaces[*id].functions {
                    found.insert((interface.clone(), name.clone()), signature(resolve, function));
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    found
}

/// `cofferdam:op/context`, without its version.
fn interface_name(resolve: &Resolve, id: wit_parser::InterfaceId) -> String {
    let interface = &resolve.interfaces[id];
    let name = interface.name.clone().unwrap_or_default();
    match interface.package.map(|id| &resolve.packages[id].name) {
        Some(package) => format!("{}:{}/{name}", package.namespace, package.name),
        None => name,
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, written(resolve, &param.ty)))
        .collect();
    let result =
        function.result.as_ref().map(|ty| format!(" -> {}", written(resolve, ty))).unwrap_or_default();
    format!("func({}){result}", params.join(", "))
}

/// A type written out to its ground, so that two texts are equal only if the types are.
fn written(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => defined(resolve, *id),
        primitive => format!("{primitive:?}").to_lowercase(),
    }
}

fn defined(resolve: &Resolve, id: TypeId) -> String {
    let def = &resolve.types[id];
    let ty = |ty: &Type| written(resolve, ty);
    let or_blank = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| written(resolve, ty));
    let list = |items: Vec<String>| items.join(", ");
    match &def.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, ty(&field.ty)));
            format!("record {{ {} }}", list(fields.collect()))
        }
        TypeDefKind::Resource => def.name.clone().unwrap_or_default(),
        TypeDefKind::Handle(Handle::Own(id)) => defined(resolve, *id),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", defined(resolve, *id)),
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", list(flags.flags.iter().map(|flag| flag.name.clone()).collect()))
        }
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", list(tuple.types.iter().map(ty).collect())),
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| match &case.ty {
                Some(payload) => format!("{}({})", case.name, ty(payload)),
                None => case.name.clone(),
            });
            format!("variant {{ {} }}", list(cases.collect()))
        }
        TypeDefKind::Enum(names) => {
            format!("enum {{ {} }}", list(names.cases.iter().map(|case| case.name.clone()).collect()))
        }
        TypeDefKind::Option(inner) => format!("option<{}>", ty(inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", or_blank(&result.ok), or_blank(&result.err)),
        TypeDefKind::List(inner) => format!("list<{}>", ty(inner)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", ty(key), ty(value)),
        TypeDefKind::FixedLengthList(inner, n) => format!("list<{}, {n}>", ty(inner)),
        TypeDefKind::Future(inner) => format!("future<{}>", or_blank(inner)),
        TypeDefKind::Stream(inner) => format!("stream<{}>", or_blank(inner)),
        TypeDefKind::Type(inner) => ty(inner),
        TypeDefKind::Unknown => def.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::is_compatible;

    const OLD: &str = "package a:b@0.1.0;
        interface log { record line { text: string } write: func(line: line) -> result<_, string>; }
        interface ops { run: func(op: string) -> list<u8>; }
        world library { import log; export ops; }";

    fn world(text: &str) -> World {
        World::read(&[("a.wit".to_owned(), text.to_owned())]).unwrap()
    }

    fn text(new: &str) -> String {
        let changes = compare(&world(OLD), &world(new));
        let lines = changes.iter().map(|change| format!("{:?}: {}", change.effect, change.what));
        lines.chain([format!("compatible: {}", is_compatible(&changes))]).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_same_world_is_no_change() {
        assert_snapshot!(text(OLD), @"compatible: true");
    }

    #[test]
    fn more_imports_are_compatible_and_more_exports_are_not() {
        let more = OLD.replace("write: func", "flush: func(); write: func");
        assert_snapshot!(text(&more), @r"
            Adds: import `a:b/log`: function `flush` is new
            compatible: true
            ");
        let asked = OLD.replace("run: func", "stop: func(); run: func");
        assert_snapshot!(text(&asked), @r"
            Breaks: export `a:b/ops`: function `stop` is new: old libraries lack it
            compatible: false
            ");
    }

    #[test]
    fn a_type_deep_in_a_function_may_not_change() {
        assert_snapshot!(text(&OLD.replace("{ text: string }", "{ text: string, level: u8 }")), @r"
            Breaks: import `a:b/log`: function `write` was func(line: record { text: string }) -> result<_, string> and is func(line: record { text: string, level: u8 }) -> result<_, string>
            compatible: false
            ");
    }

    #[test]
    fn what_is_gone_and_another_version_break() {
        let gone = OLD.replace("write: func(line: line) -> result<_, string>;", "");
        assert_snapshot!(text(&gone), @r"
            Breaks: import `a:b/log`: function `write` is gone
            compatible: false
            ");
        assert_snapshot!(text(&OLD.replace("0.1.0", "0.2.0")), @r"
            Breaks: version 0.2.0 does not stand for 0.1.0: libraries name 0.1.0
            compatible: false
            ");
        assert_snapshot!(text(&OLD.replace("0.1.0", "0.1.7")), @"compatible: true");
    }

    #[test]
    fn a_text_that_is_no_wit_is_refused_with_its_place() {
        let error = World::read(&[("a.wit".to_owned(), "package a:b;\nworld {".to_owned())]).unwrap_err();
        assert_snapshot!(error, @r"
            expected an identifier or string, found '{'
                 --> a.wit:2:7
                  |
                2 | world {
                  |       ^
            ");
        let unknown = "package a:b;\nworld c {\n    import d;\n}";
        let error = World::read(&[("a.wit".to_owned(), unknown.to_owned())]).unwrap_err();
        assert_snapshot!(error, @r"
            interface or world `d` does not exist
                 --> a.wit:3:12
                  |
                3 |     import d;
                  |            ^
            ");
        let none =
            World::read(&[("a.wit".to_owned(), "package a:b; interface c {}".to_owned())]).unwrap_err();
        assert!(matches!(none, InvalidWit::NoWorld(_)), "{none}");
    }

    /// The contract that was released: libraries in the field are built for it.
    #[test]
    fn l3_the_released_world_still_runs_on_this_host() {
        let folder = |path: &str| {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/");
            let mut files = vec![];
            for entry in std::fs::read_dir(format!("{root}{path}")).unwrap().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "wit") {
                    let name = entry.file_name().into_string().unwrap();
                    files.push((name, std::fs::read_to_string(entry.path()).unwrap()));
                }
            }
            assert!(files.len() > 5);
            World::read(&files).unwrap()
        };
        let changes = compare(&folder("released/0.1.0"), &folder(""));
        assert!(is_compatible(&changes), "{changes:#?}");
    }
}

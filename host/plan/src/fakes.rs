//! Tests of jobs: whether they name what is there, and the plan in which steps are not run because the test says what
//! they gave.

use std::collections::BTreeMap;

use cofferdam_model::{
    CBOR, Definitions, Diagnostic, FakeDef, JobTestDef, KeyedValue, Name, Node, NodeKind, OCTET_STREAM,
    Output, OutputSpec, Plan, PlanStep, RunConfig, RunId, SourceDef, Span, Spanned, StepKey, StepStatus,
    TestDef, ValueRef,
};

use crate::Libraries;
use crate::compile::{Present, Request, Stage, compile_target};
use crate::files::{FileForm, FileSource, Files, bad_path, known};
use crate::rerun::{PastStep, Rerun, without};
use crate::run_config::Apart;
use crate::values::literal_value;

/// The files that the fakes of a test name.
pub fn fake_sources(test: &JobTestDef) -> Vec<FileSource> {
    let sources = test.fakes.iter().filter_map(|fake| {
        let (path, form) = match &fake.source.value {
            SourceDef::File(path) => (path, FileForm::One),
            SourceDef::Files(path) => (path, FileForm::Many),
            _ => return None,
        };
        let source = FileSource { pattern: path.value.clone(), form, span: path.span.clone() };
        bad_path(&path.value, path.span.as_ref()).is_none().then_some(source)
    });
    sources.collect()
}

/// The plan of a test of a job, cut down to what runs and what that reads, with the outcomes of the steps that do not.
/// `plan` is that of its job; `run` is who is said to have made what is faked. Gives everything that is wrong.
pub fn with_fakes(
    plan: &Plan,
    libs: &Libraries,
    test: &JobTestDef,
    files: &Files,
    run: RunId,
) -> Result<Rerun, Vec<Diagnostic>> {
    let problems = check_names(plan, test);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut faking = Faking { plan, libs, files, apart: Apart::default(), problems };
    let made = faking.made(test);
    if !faking.problems.is_empty() {
        return Err(faking.problems);
    }
    without(plan, &made, run).map_err(|absent| {
        let copies = absent.iter().map(|key| {
            let span = test.fakes.iter().find(|fake| fake.step.value == *key).and_then(|fake| fake.step.span.as_ref());
            Diagnostic::error("plan::unknown-step", format!("no step has the key `{key}`"))
                .at(span, "faked here")
                .hint("a step that is mapped has a key per copy, such as `clean[m01]`, and these keys are known where what makes them is faked too")
        });
        copies.collect()
    })
}

/// What is asked for by a test of a job; `run_config` is the test's.
pub fn test_request<'a>(test: &'a JobTestDef, run_config: &'a RunConfig) -> Request<'a> {
    Request {
        environment: test.environment.as_ref().map(|name| &name.value),
        selection: &test.selection,
        partition: test.partition.as_deref(),
        ..Request::job(&test.job.value, run_config)
    }
}

/// What is wrong with the tests of jobs, as far as it is known without files.
pub(crate) fn check(defs: &Definitions, libs: &Libraries, present: &Present) -> Vec<Diagnostic> {
    let mut problems = vec![];
    for test in defs.tests.values() {
        let TestDef::Job(test) = test else { continue };
        let run_config = RunConfig { root: test.config.clone() };
        let request = test_request(test, &run_config);
        let (plan, found) = compile_target(defs, libs, request, Stage::Checking(present));
        problems.extend(found);
        problems.extend(plan.iter().flat_map(|plan| check_names(plan, test)));
    }
    problems
}

/// Steps and outputs that a test names and that its job has not.
fn check_names(plan: &Plan, test: &JobTestDef) -> Vec<Diagnostic> {
    let mut problems = vec![];
    let fakes =
        test.fakes.iter().map(|fake| (&fake.step, Some((&fake.output.value, fake.output.span.as_ref()))));
    let expected = test.outputs.iter().flat_map(|(step, outputs)| {
        let named = outputs.iter().map(move |(name, node)| (step, Some((name, node.span.as_ref()))));
        named.chain([(step, None)])
    });
    let failures = test.failures.iter().map(|(step, _)| (step, None));
    for (step, output) in fakes.chain(expected).chain(failures) {
        let found = check_name(plan, step, output);
        problems.extend(found.filter(|found| !problems.contains(found)));
    }
    problems
}

fn check_name(
    plan: &Plan,
    step: &Spanned<StepKey>,
    output: Option<(&Name, Option<&Span>)>,
) -> Option<Diagnostic> {
    let Some(found) = step_of(plan, &step.value) else {
        let message = format!("job `{}` has no step `{}`", plan.job, step.value);
        let problem =
            Diagnostic::error("plan::unknown-step", message).at(step.span.as_ref(), "named in a test");
        return Some(known(problem, step.value.as_str(), plan.steps.iter().map(|step| step.key.as_str())));
    };
    let (name, span) = output?;
    if found.outputs.iter().any(|output| output.name == *name) {
        return None;
    }
    let message = format!("step `{}` has no output `{name}`", found.key);
    let problem = Diagnostic::error("plan::unknown-output", message).at(span, "named in a test");
    Some(known(problem, name.as_str(), found.outputs.iter().map(|output| output.name.as_str())))
}

/// The step of a key, which may be that of one copy.
fn step_of<'a>(plan: &'a Plan, key: &StepKey) -> Option<&'a PlanStep> {
    let template = key.as_str().split('[').next()?;
    plan.steps.iter().find(|step| step.key.as_str() == template)
}

struct Faking<'a> {
    plan: &'a Plan,
    libs: &'a Libraries,
    files: &'a Files,
    apart: Apart,
    problems: Vec<Diagnostic>,
}

impl<'a> Faking<'a> {
    /// What the faked steps gave.
    fn made(&mut self, test: &JobTestDef) -> BTreeMap<StepKey, PastStep> {
        let mut made: BTreeMap<StepKey, PastStep> = BTreeMap::new();
        for fake in &test.fakes {
            let outputs = self.outputs(fake);
            let empty = || PastStep { status: StepStatus::Succeeded, from: None, outputs: vec![] };
            made.entry(fake.step.value.clone()).or_insert_with(empty).outputs.extend(outputs);
        }
        if self.problems.is_empty() {
            self.refuse_parts(test, &made);
        }
        made
    }

    fn outputs(&mut self, fake: &FakeDef) -> Vec<Output> {
        let Some(spec) = self.spec(fake) else { return vec![] };
        let values = match &fake.source.value {
            SourceDef::Value(node) => self.literals(fake, spec, node),
            SourceDef::File(path) => self.of_files(spec, path, false),
            SourceDef::Files(path) => self.of_files(spec, path, true),
            _ => vec![],
        };
        if values.iter().any(|value| value.key.is_some() != spec.dynamic) {
            let (is, write) = match spec.dynamic {
                true => ("is dynamic", "give a table by key, or `{ files = \"…\" }`"),
                false => ("is one value", "give `{ value = … }` or `{ file = \"…\" }`"),
            };
            let message = format!("output `{}` of step `{}` {is}", spec.name, fake.step.value);
            self.problems.push(
                Diagnostic::error("plan::bad-fake", message)
                    .at(fake.source.span.as_ref(), "faked here")
                    .hint(write),
            );
        }
        let output =
            |KeyedValue { key, value }| Output { name: spec.name.clone(), key, value, metadata: vec![] };
        values.into_iter().map(output).collect()
    }

    /// What the library says about the output.
    fn spec(&self, fake: &FakeDef) -> Option<&'a OutputSpec> {
        let step = step_of(self.plan, &fake.step.value)?;
        let (_, library) = self.libs.values().find(|(digest, _)| *digest == step.library)?;
        library.op(&step.op)?.outputs.iter().find(|output| output.name == fake.output.value)
    }

    fn literals(&mut self, fake: &FakeDef, spec: &'a OutputSpec, node: &Node) -> Vec<KeyedValue> {
        let what = format!("fake.{}.{}", fake.step.value, spec.name);
        let port = (&spec.schema, spec.media_type.as_str());
        let (true, NodeKind::Map(entries)) = (spec.dynamic, &node.kind) else {
            let value = literal_value(&mut self.apart, port, &what, node, &mut self.problems);
            return value.map(|value| KeyedValue { key: None, value }).into_iter().collect();
        };
        let mut values = vec![];
        for (key, node) in entries {
            match Name::key(&key.value) {
                Ok(name) => {
                    let what = format!("{what}.{name}");
                    let value = literal_value(&mut self.apart, port, &what, node, &mut self.problems);
                    values.extend(value.map(|value| KeyedValue { key: Some(name), value }));
                }
                Err(error) => self.problems.push(
                    Diagnostic::error(
                        "plan::bad-fake",
                        format!("`{}` is no mapping key: {error}", key.value),
                    )
                    .at(key.span.as_ref(), "a key of a dynamic output")
                    .hint("write for example `m01`"),
                ),
            }
        }
        values
    }

    fn of_files(&mut self, spec: &OutputSpec, path: &Spanned<String>, many: bool) -> Vec<KeyedValue> {
        let span = path.span.as_ref();
        if let Some(problem) = bad_path(&path.value, span) {
            self.problems.push(problem);
            return vec![];
        }
        let found = self.files.values.get(&(path.value.clone(), many)).cloned().unwrap_or_default();
        if found.is_empty() {
            self.problems.push(
                Diagnostic::error("plan::no-file", format!("no file is `{}`", path.value))
                    .at(span, "faked with this")
                    .hint("paths are relative to the folder of `cofferdam.toml`"),
            );
        }
        found.into_iter().filter_map(|keyed| self.of_media(spec, keyed, path)).collect()
    }

    /// Bytes of a file are what the output would be, unless that is structured.
    fn of_media(
        &mut self,
        spec: &OutputSpec,
        keyed: KeyedValue,
        path: &Spanned<String>,
    ) -> Option<KeyedValue> {
        let (given, wanted) = (keyed.value.media_type.as_str(), spec.media_type.as_str());
        if wanted == "*/*" || given == wanted {
            return Some(keyed);
        }
        if wanted == OCTET_STREAM || given == OCTET_STREAM && wanted != CBOR {
            let value = ValueRef { media_type: wanted.to_owned(), ..keyed.value };
            return Some(KeyedValue { value, ..keyed });
        }
        self.problems.push(
            Diagnostic::error(
                "plan::media-type-mismatch",
                format!("output `{}` is {wanted}, the file has {given}", spec.name),
            )
            .at(path.span.as_ref(), "media types differ")
            .hint("write a literal, as in `{ value = … }`"),
        );
        None
    }

    /// A step gives all that it must give: a part of it is no end of a step.
    fn refuse_parts(&mut self, test: &JobTestDef, made: &BTreeMap<StepKey, PastStep>) {
        for (key, given) in made {
            let Some(step) = step_of(self.plan, key) else { continue };
            let needed = step.outputs.iter().filter(|output| output.required && !output.dynamic);
            let missing = needed.filter(|output| !given.outputs.iter().any(|made| made.name == output.name));
            let span = test
                .fakes
                .iter()
                .find(|fake| fake.step.value == *key)
                .and_then(|fake| fake.step.span.clone());
            for output in missing {
                let message = format!("the fake of step `{key}` lacks its output `{}`", output.name);
                self.problems.push(
                    Diagnostic::error("plan::bad-fake", message)
                        .at(span.as_ref(), "faked here")
                        .hint(format!("add `fake.{key}.{} = {{ value = … }}`", output.name)),
                );
            }
        }
    }
}

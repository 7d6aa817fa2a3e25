//! Where a run config sends a run.

use cofferdam_config::{Texts, read_definitions, read_run_config};
use cofferdam_plan::{Address, Executor, Request, executor};

use crate::common::{job, name, plan, shapes};

const JOB: &str = "[jobs.j.steps.a]\nop = \"t.make\"";

fn of(toml: &str, yaml: &str) -> Option<Executor> {
    let mut texts = Texts::default();
    let (definitions, problems) = read_definitions(&mut texts, "cofferdam.toml", job(toml));
    let (run, more) = read_run_config(&mut texts, "run.yaml", yaml);
    assert_eq!((problems, more), (vec![], vec![]));
    let (j, there) = (name("j"), name("there"));
    executor(&definitions, Request { environment: Some(&there), ..Request::job(&j, &run) })
}

fn cluster(address: &str) -> Option<Executor> {
    Some(Executor::Cluster(Address::Text(address.to_owned())))
}

fn existing(address: &str) -> String {
    format!("execution: {{config: {{cluster: {{existing: {{address: {address}}}}}}}}}")
}

#[test]
fn the_last_document_that_says_something_sends_the_run() {
    assert_eq!(of(JOB, ""), None);
    assert_eq!(of(JOB, "execution: {config: {max_concurrent: 3}}"), None);
    assert_eq!(of(JOB, "execution: {config: {cluster: {max_concurrent: 3}}}"), None);
    assert_eq!(of(JOB, &existing("'a:1'")), cluster("a:1"));
    let variable = Some(Executor::Cluster(Address::Env("ADDR".to_owned())));
    assert_eq!(of(JOB, &existing("{env: ADDR}")), variable);
    let own = "[jobs.j.config.execution.config.cluster.existing]\naddress = \"own:1\"\n";
    let toml = format!("{JOB}\n{own}");
    assert_eq!(of(&toml, ""), cluster("own:1"));
    assert_eq!(of(&toml, &existing("'mine:2'")), cluster("mine:2"));
    assert_eq!(of(&toml, "execution: {config: {in_process: }}"), Some(Executor::Here));
    let environment = "[environments.there.config.execution.config.cluster.existing]\naddress = \"env:3\"\n";
    assert_eq!(of(&format!("{toml}{environment}"), ""), cluster("env:3"));
}

#[test]
fn an_address_that_is_none_is_shown_with_its_place() {
    let bad = [
        "{existing: {}}",
        "{existing: {address: 4}}",
        "{existing: {address: {env: 1}}}",
        "{existng: {address: a}}",
    ];
    let said = bad.map(|cluster| {
        let yaml = format!("execution: {{config: {{cluster: {cluster}}}}}");
        plan(&shapes(), &job(JOB), &yaml).expect_err(cluster)
    });
    insta::assert_snapshot!(said.concat());
}

//! `cofferdam check`: everything that can be known to be wrong before anything runs.

use serde_json::json;

use crate::args::Global;
use crate::commands::test::project::add_job;
use crate::error::Result;
use crate::output::Output;
use crate::project::{Project, sort_out};
use crate::text::count;

pub(crate) async fn run(global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    let libraries = crate::prepare::describe_all(&project, output).await?;
    let present = crate::prepare::present(&project).await?;
    let mut definitions = project.definitions.clone();
    add_job(&mut definitions, &project.definitions.tests);
    let found = cofferdam_plan::check(&definitions, &libraries, &present);
    let n_warnings = found.len();
    let Project { definitions, texts, .. } = project;
    sort_out(texts, found, output)?;
    if output.json {
        let document =
            json!({ "jobs": definitions.jobs.len(), "libraries": libraries.len(), "warnings": n_warnings });
        return output.document("cofferdam.check/v1", document);
    }
    let jobs = count(definitions.jobs.len(), "job");
    let libraries =
        if libraries.len() == 1 { "1 library".to_owned() } else { format!("{} libraries", libraries.len()) };
    output.answer(&format!("{jobs} and {libraries} are fine"))
}

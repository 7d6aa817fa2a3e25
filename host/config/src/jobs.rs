//! `[jobs.NAME]`: the outermost graph, with what holds for a whole run.

use cofferdam_model::{JobDef, Name, Node, Spanned};

use crate::graphs::{read_config_mapping, read_inputs, read_steps};
use crate::policies::{
    read_config, read_hooks, read_labels, read_limits_by_tag, read_max_concurrent, read_retry,
    read_run_retry, read_tags,
};
use crate::reader::{Problems, Table};

pub(crate) fn read_job(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<JobDef> {
    let mut table = Table::new(node, format!("job `{}`", name.value), problems)?;
    let job = JobDef {
        description: table.text("description", problems).map_or(String::new(), |text| text.value),
        max_concurrent: read_max_concurrent(&mut table, problems),
        tag_limits: read_limits_by_tag(&mut table, problems),
        labels: read_labels(&mut table, problems),
        tags: read_tags(&mut table, "tags", problems),
        retry: read_retry(&mut table, problems),
        config: read_config(&mut table, problems),
        inputs: read_inputs(&mut table, problems),
        config_mapping: read_config_mapping(&mut table, problems),
        hooks: read_hooks(&mut table, problems),
        io_manager: table.name("io_manager", "IO manager", problems),
        partitions: table.name("partitions", "set of partitions", problems),
        run_retry: read_run_retry(&mut table, problems),
        steps: read_steps(&mut table, &format!("[jobs.{}.steps.first]", name.value), problems),
        span: table.span.cloned(),
    };
    table.finish(problems);
    Some(job)
}

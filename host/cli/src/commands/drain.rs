//! `cofferdam drain`: a worker ends what it has and leaves.

use cofferdam_model::nearest;
use serde_json::json;

use crate::args;
use crate::cluster;
use crate::error::{Failed, Result};
use crate::output::{Output, printable};
use crate::project::StateDir;

pub(crate) async fn run(args: &args::Drain, own: Option<StateDir>, output: Output) -> Result<()> {
    let cluster = cluster::of(&args.fleet, own.as_ref())?;
    let workers = cluster.workers().await.map_err(cluster::failed)?;
    let workers: Vec<(u64, &str)> = workers.iter().map(|worker| (worker.worker, &*worker.name)).collect();
    let (worker, name) = find(&workers, &args.worker)?;
    cluster.drain(worker).await.map_err(cluster::failed)?;
    if output.json {
        return output.document("cofferdam.drain/v1", json!({ "worker": worker, "name": name }));
    }
    let name = printable(name);
    output.answer(&format!("worker {worker} ({name}) gets nothing more and leaves when what it runs is done"))
}

/// The worker that a person means, by its number or by a name that only one has.
pub(crate) fn find<'a>(workers: &[(u64, &'a str)], asked: &str) -> Result<(u64, &'a str)> {
    let number = workers.iter().copied().find(|(number, _)| number.to_string() == asked);
    let named: Vec<(u64, &str)> = workers.iter().copied().filter(|(_, name)| *name == asked).collect();
    match (number, named.as_slice()) {
        (Some(found), _) => Ok(found),
        (None, [found]) => Ok(*found),
        (None, []) => {
            let failed = Failed::usage(format!("no worker `{}` is joined", printable(asked)));
            Err(match nearest(asked, workers.iter().map(|(_, name)| *name)) {
                Some(near) => failed.hint(format!("did you mean `{}`?", printable(near))),
                None => failed.hint("`cofferdam workers` lists the workers"),
            })
        }
        (None, several) => {
            let numbers: Vec<String> = several.iter().map(|(number, _)| number.to_string()).collect();
            Err(Failed::usage(format!("several workers are called `{}`", printable(asked)))
                .hint(format!("name one by its number: {}", numbers.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_meant_by_its_number_or_by_a_name_that_only_one_has() {
        let workers = [(1, "gpu"), (2, "gpu"), (3, "big"), (4, "1")];
        assert_eq!(find(&workers, "3").unwrap(), (3, "big"));
        assert_eq!(find(&workers, "big").unwrap(), (3, "big"));
        assert_eq!(find(&workers, "1").unwrap(), (1, "gpu"), "numbers come first");
        let said = |asked| {
            let failed = find(&workers, asked).unwrap_err();
            (failed.message, failed.hint.unwrap_or_default())
        };
        assert_eq!(
            said("gpu"),
            ("several workers are called `gpu`".to_owned(), "name one by its number: 1, 2".to_owned())
        );
        assert_eq!(said("bigg").1, "did you mean `big`?");
        assert_eq!(said("elsewhere").0, "no worker `elsewhere` is joined");
    }
}

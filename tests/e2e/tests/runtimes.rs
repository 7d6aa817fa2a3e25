//! What libraries that carry the runtime of their language cost a cluster when it has another one of them already.
#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]

use std::path::Path;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::joined;
use cofferdam_e2e::cluster::Cluster;
use cofferdam_kit::proxy::Proxy;

const DEFINITIONS: &str = r#"
[libraries.words]
python = "words"
[libraries.tables]
python = "tables"

[jobs.words.steps.count]
op = "words.count"
inputs.text = { value = "to be or not to be" }
[jobs.tables.steps.table]
op = "tables.table"
"#;

const WORDS: &str = r#"
from collections import Counter

from cofferdam_op import op


@op
def count(text: str) -> dict[str, int]:
    return dict(Counter(text.split()))
"#;

/// Another kind of work, over a package that is bundled.
const TABLES: &str = r#"
import statistics
from dataclasses import dataclass

from cofferdam_op import Config, Context, op
from tabulate import tabulate


@dataclass
class Row:
    name: str
    seconds: list[float]


class TableConfig(Config):
    style: str = "github"


@op
def table(ctx: Context, config: TableConfig) -> str:
    rows = [Row("a", [1.0, 2.0]), Row("b", [0.5])]
    ctx.log.info("%s rows", len(rows))
    return tabulate([[row.name, statistics.mean(row.seconds)] for row in rows], ["name", "mean"], config.style)
"#;

/// How much of the first one's cost two of them may have, in percent.
const TWO_PERCENT_MAX: u64 = 120;

/// Bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
    let sizes = entries.map(|entry| match entry.metadata().expect("it is there") {
        of if of.is_dir() => bytes_in(&entry.path()),
        of => of.len(),
    });
    sizes.sum()
}

/// What one library costs, and two: of what the author sends, the worker fetches, and the scheduler keeps.
type Costs = [(&'static str, u64, u64); 3];

/// Builds and runs both on a cluster of their own.
fn costs() -> Costs {
    let (cluster, _serving) = Cluster::start();
    let scheduler = cluster.address.parse().expect("an address");
    let [author, host] = [1, 2].map(|seed| Proxy::before(scheduler, seed));
    let _worker = joined(cluster.worker_by_way_of(&host.address.to_string(), "w", &[]));
    let project = Project::with(DEFINITIONS, &[]);
    project.write("words/ops.py", WORDS);
    project.write("tables/ops.py", TABLES);
    project.write("tables/requirements.txt", "tabulate==0.9.0\n");
    let cost = || [author.bytes(), host.bytes(), bytes_in(&cluster.state().join("libraries"))];
    let before = cost();
    let [one, two] = ["words", "tables"].map(|job| {
        let args = ["run", job, "--export", "out", "--cluster", &author.address.to_string()];
        let mut command = project.command(args);
        let ended = command.env("COFFERDAM_TOKEN_FILE", cluster.token_file()).output();
        cofferdam_e2e::Ended::from(ended.expect("it can be started")).expect(0);
        cost()
    });
    assert!(project.read("out/table.json").contains("|    0.5 |"), "{}", project.read("out/table.json"));
    let of = |at: usize, what| (what, one[at] - before[at], two[at] - before[at]);
    [of(0, "sent by the author"), of(1, "fetched by the worker"), of(2, "kept by the scheduler")]
}

#[test]
fn d9_two_libraries_in_python_cost_less_than_a_fifth_more_than_one() {
    for (what, one, two) in costs() {
        println!("{what}: {one} bytes for one library, {two} for two, which is {} %", two * 100 / one);
        assert!(one > 1_000_000, "{what}: {one} bytes are no library in Python");
        assert!(two * 100 < one * TWO_PERCENT_MAX, "{what}: {one} bytes for one library, {two} for two");
    }
}

//! The example of plain components: built by the commands of its page, wired between ops in Rust, compared with figures
//! that are computed here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use cofferdam_e2e::{Ended, program, workspace};
use cofferdam_kit::tools::ForC;

fn example() -> PathBuf {
    workspace().join("examples/plain")
}

/// The commands by which the page builds the component.
fn commands() -> String {
    let page = std::fs::read_to_string(example().join("README.md")).expect("the page is there");
    let (_, rest) = page.split_once("```sh\n").expect("it has commands");
    rest.split_once("```").expect("they end").0.to_owned()
}

fn cofferdam(args: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.args(["-C"]).arg(example()).arg("--state-dir").arg(workspace().join("target/plain")).args(args);
    // Shared with the other guests, because most of the time goes into the SDK's dependencies.
    command.env("CARGO_TARGET_DIR", workspace().join("target/guests-build")).env("NO_COLOR", "1");
    command.output().expect("the program can be started").into()
}

/// Smallest and largest value and the quartiles, of sorted values.
fn quartiles(sorted: &[f64]) -> [f64; 5] {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let place = share * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    })
}

/// By manufacturer, of those with a hundred planes or more.
fn expected() -> BTreeMap<String, (usize, [f64; 5])> {
    let unpacked = Command::new("gzip").arg("-dc").arg(example().join("data/planes.csv.gz")).output();
    let text = String::from_utf8(unpacked.expect("gzip can be started").stdout).expect("the data is text");
    let mut seats = BTreeMap::<String, Vec<f64>>::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let name = cells[3].to_lowercase().replace([' ', '-'], "_");
        seats.entry(name).or_default().push(cells[6].parse().expect("a number of seats"));
    }
    seats.retain(|_, seats| seats.len() >= 100);
    let summarized = seats.into_iter().map(|(name, mut seats)| {
        seats.sort_by(f64::total_cmp);
        (name, (seats.len(), quartiles(&seats)))
    });
    summarized.collect()
}

#[test]
fn l1_a_component_that_public_tools_made_of_c_is_a_library() {
    let tools = ForC::new();
    let built: Ended = Command::new("bash")
        .args(["-ec", &commands()])
        .current_dir(example())
        .env("PATH", tools.path())
        .output()
        .expect("bash can be started")
        .into();
    built.expect(0);

    let told = cofferdam(&["library", "inspect", "summary"]).expect(0).stdout;
    assert!(told.contains("imports  nothing") && told.contains("quantiles_summarize"), "{told}");
    let out = tempfile::tempdir().expect("a temporary folder can be made");
    cofferdam(&["run", "seats", "--export", out.path().to_str().expect("its name is UTF-8")]).expect(0);
    let table = std::fs::read_to_string(out.path().join("table.csv")).expect("the table is exported");
    let mut found = BTreeMap::new();
    for row in table.lines().skip(1) {
        let mut cells = row.split(',');
        let name = cells.next().expect("a name").to_owned();
        let n: usize = cells.next().and_then(|n| n.parse().ok()).expect("a number of planes");
        let numbers: Vec<f64> = cells.map(|cell| cell.parse().expect("a number")).collect();
        found.insert(name, (n, <[f64; 5]>::try_from(numbers).expect("five numbers")));
    }
    assert_eq!(found, expected());
    assert!(found.len() >= 7, "{found:?}");

    let tested = cofferdam(&["test", "summary"]).expect(0);
    assert!(tested.stderr.contains("pass  nothing_has_no_quartiles"), "{tested:#?}");
}

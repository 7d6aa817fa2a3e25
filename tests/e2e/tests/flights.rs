//! The main job, over the real data: its results agree with figures that were computed without its ops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::{program, workspace};
use serde_json::Value;

/// Runs the job with its state and its results in a folder of the test's own.
fn run_job(folder: &Path) -> PathBuf {
    run_job_with(folder, |_| {})
}

fn run_job_with(folder: &Path, more: impl FnOnce(&mut Command)) -> PathBuf {
    let out = folder.join("out");
    let mut command = Command::new(program());
    more(&mut command);
    let ended = command
        .current_dir(workspace().join("examples/flights"))
        .args(["run", "delays", "--json"])
        .arg("--state-dir")
        .arg(folder.join("state"))
        .arg("--export")
        .arg(&out)
        .output()
        .expect("the program can be started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let run: Value = serde_json::from_slice(&ended.stdout).expect("one JSON document");
    assert_eq!(run["status"], "succeeded");
    // 12 months of clean, by_carrier and by_route; split, two merges and the report.
    assert_eq!(run["steps"].as_array().map(Vec::len), Some(40));
    out
}

#[test]
fn a_cluster_gives_the_same_bytes_as_one_process() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder can be made"));
    let here = run_job(folders[0].path());
    let (cluster, _serving) = Cluster::start();
    let workers = ["a", "b"].map(|name| cluster.worker(name, &[]));
    workers.iter().for_each(|worker| drop(worker.wait_for("joined")));
    let there = run_job_with(folders[1].path(), |command| {
        command.env("COFFERDAM_CLUSTER", &cluster.address).env("COFFERDAM_TOKEN_FILE", cluster.token_file());
    });
    let files = std::fs::read_dir(&here).expect("results").map(|entry| entry.expect("a result").file_name());
    let mut n_files = 0;
    for file in files {
        let read = |folder: &Path| std::fs::read(folder.join(&file)).expect("a result");
        assert!(read(&here) == read(&there), "{} differs", file.display());
        n_files += 1;
    }
    assert!(n_files >= 3, "{n_files} results");
}

#[test]
fn the_year_agrees_with_figures_computed_elsewhere() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let out = run_job(folder.path());
    let expected = workspace().join("examples/flights/expected/figures.json");
    let expected: Value =
        serde_json::from_slice(&std::fs::read(expected).expect("the figures are there")).expect("JSON");
    let summary: Value =
        serde_json::from_slice(&std::fs::read(out.join("report.summary.json")).expect("a summary"))
            .expect("JSON");

    assert_eq!(summary["flights"], 336_776);
    let mean = summary["departure_delay_mean"].as_f64().expect("a mean");
    assert_eq!(format!("{mean:.2}"), "12.64");
    agree(&summary, &expected["year"], &["flights", "cancelled"]);
    agree(&summary, &expected["year"], &["departure_delay_missing", "arrival_delay_missing"]);
    agree(
        &summary,
        &expected["year"],
        &["departure_delay_max", "departure_delay_mean", "arrival_delay_mean"],
    );

    let columns = ["flights", "cancelled", "departure_delay_mean", "departure_delay_max"];
    let columns = [columns.as_slice(), &["arrival_delay_mean", "arrival_delay_max"]].concat();
    let carriers = table(&out.join("report.carriers.csv"));
    let theirs = expected["carriers"].as_array().expect("carriers");
    assert_eq!(carriers.len(), theirs.len());
    for carrier in theirs {
        let ours = carriers.iter().find(|row| row["carrier"] == carrier["carrier"]).expect("every carrier");
        assert_eq!(ours["airline"], carrier["airline"]);
        agree(ours, carrier, &columns);
    }
    let routes = table(&out.join("report.routes.csv"));
    assert_eq!(routes.len() as u64, expected["n_routes"].as_u64().expect("a number"));
    for route in expected["busiest_routes"].as_array().expect("routes") {
        let same = |row: &&Value| row["origin"] == route["origin"] && row["dest"] == route["dest"];
        agree(routes.iter().find(same).expect("every busy route"), route, &columns);
    }

    let chart = std::fs::read_to_string(out.join("report.chart.svg")).expect("a chart");
    assert!(chart.starts_with("<svg") && chart.contains("ExpressJet"), "the chart names airlines");
    let page = std::fs::read_to_string(out.join("report.page.html")).expect("a page");
    assert!(page.contains("336,776"), "the page shows the number of flights");
}

/// Whole numbers are equal; means differ by rounding at most.
fn agree(ours: &Value, theirs: &Value, fields: &[&str]) {
    for field in fields {
        let number = |value: &Value| value[field].as_f64().unwrap_or_else(|| panic!("{field} in {value}"));
        assert!((number(ours) - number(theirs)).abs() < 1e-9, "{field}: {ours} is not {theirs}");
    }
}

/// A CSV file without quoted fields, a JSON object per row.
fn table(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the table is there");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let cell = |text: &str| text.parse::<f64>().map_or_else(|_| text.into(), Value::from);
    lines
        .map(|row| header.iter().map(|name| name.to_string()).zip(row.into_iter().map(cell)).collect())
        .collect()
}

/// Runs the job in three languages; gives what its Python op made, and the drawing of its JavaScript op.
fn seasons(folder: &Path) -> (Value, String) {
    let run = |args: &[&str]| {
        let ended = Command::new(program())
            .current_dir(workspace().join("examples/flights"))
            .args(args)
            .arg("--state-dir")
            // Kept between test runs, because most of the time goes into building the components.
            .arg(workspace().join("target/flights-seasons"))
            .output()
            .expect("the program can be started");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice::<Value>(&ended.stdout).expect("one JSON document")
    };
    let out = folder.join("out");
    let export = out.to_str().expect("a temporary folder has a name in UTF-8");
    let ran = run(&["run", "seasons", "--json", "--export", export]);
    assert_eq!(ran["status"], "succeeded");
    let id = ran["run"].as_str().expect("a run has an id");
    let made = run(&["value", "show", id, "seasons", "--json"]);
    (made["value"].clone(), std::fs::read_to_string(out.join("heat.svg")).expect("a drawing"))
}

/// Sum and number of the arrival delays of each airline in one month, by its code.
fn arrivals(month: usize) -> BTreeMap<String, (i64, u32)> {
    let file = workspace().join(format!("examples/flights/data/flights-2013-{month:02}.csv.gz"));
    let unpacked = Command::new("gzip").arg("-dc").arg(file).output().expect("gzip can be started");
    let text = String::from_utf8(unpacked.stdout).expect("the data is text");
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let column = |name| header.iter().position(|column| *column == name).expect("the column is there");
    let (carrier, delay) = (column("carrier"), column("arr_delay"));
    let mut found = BTreeMap::<String, (i64, u32)>::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        if cells[delay] != "NA" {
            let (sum, n) = found.entry(cells[carrier].to_owned()).or_default();
            *sum += cells[delay].parse::<i64>().expect("a delay is a whole number");
            *n += 1;
        }
    }
    found
}

#[test]
fn l2_python_and_javascript_go_on_with_what_rust_has_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (seasons, drawing) = seasons(folder.path());
    let mut means = BTreeMap::<String, [Option<f64>; 12]>::new();
    for month in 1..=12 {
        for (carrier, (sum, n)) in arrivals(month) {
            means.entry(carrier).or_default()[month - 1] = Some(sum as f64 / f64::from(n));
        }
    }
    let seasons = seasons.as_array().expect("a list");
    assert_eq!(seasons.len(), means.len());
    let near = |found: &Value, expected: f64| (found.as_f64().expect("a number") - expected).abs() < 1e-9;
    for season in seasons {
        let expected = means[season["carrier"].as_str().expect("a code")];
        for (found, expected) in season["months"].as_array().expect("a list").iter().zip(expected) {
            assert!(expected.map_or(found.is_null(), |mean| near(found, mean)), "{season}");
        }
        let known: Vec<f64> = expected.into_iter().flatten().collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let variance = known.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / known.len() as f64;
        assert!(near(&season["mean"], mean) && near(&season["spread"], variance.sqrt()), "{season}");
        let worst = known.iter().copied().fold(f64::MIN, f64::max);
        let worst = expected.iter().position(|one| *one == Some(worst)).expect("it is one of them");
        assert_eq!(season["worst_month"], worst + 1, "{season}");
    }
    let spreads: Vec<f64> = seasons.iter().filter_map(|season| season["spread"].as_f64()).collect();
    assert!(spreads.is_sorted_by(|one, next| one >= next), "the most seasonal airline comes first");
    let n_means = means.values().flatten().flatten().count();
    assert_eq!(drawing.matches("<rect").count(), n_means, "a cell for each month that has a mean");
    assert!(drawing.contains("ExpressJet"), "airlines are named");
}

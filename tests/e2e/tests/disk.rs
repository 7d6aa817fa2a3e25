//! Disks that are full: of the scheduler, of a worker; of bytes and of files.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{events, joined, json, run, start, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::history::History;
use cofferdam_e2e::look::{id, of_type, step};
use cofferdam_e2e::matrix::job;
use cofferdam_e2e::network::{alone, loopback};

const MIB: u64 = 1024 * 1024;
/// Of the value that does not fit.
const LARGE: u64 = 20 * MIB;

/// A job `large` that writes a value and reads it, and the job `j` of many steps.
fn project() -> Project {
    let large = format!(
        "[jobs.large.steps.make]\nop = \"typed.flood\"\nconfig = {{ bytes = {LARGE} }}\n\
         [jobs.large.steps.weigh]\nop = \"typed.weigh\"\ninputs.file = \"make\"\n"
    );
    Project::new(&format!("{}{large}[jobs.warm.steps.person]\nop = \"typed.person\"\n", job(60, 40_000_000)))
}

/// Puts what is in a folder on a disk of its own.
fn on_a_disk(folder: &Path, options: &str) {
    let script = "cp -a \"$0\" \"$0.copy\" && mount -t tmpfs -o \"$1\" none \"$0\" && cp -a \"$0.copy/.\" \"$0\" && rm -r \"$0.copy\"";
    let moved = Command::new("sh").args(["-c", script]).arg(folder).arg(options).status();
    assert!(moved.expect("sh is there").success());
}

/// Makes a disk full; gives what is to be removed then.
fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let mut file = File::create(&filler).expect("a file can be made");
    let full = io::copy(&mut io::repeat(0), &mut file).expect_err("a disk ends somewhere");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    filler
}

/// The same with so many bytes left.
fn fill_but(folder: &Path, left: u64) -> PathBuf {
    let filler = fill(folder);
    let file = File::options().write(true).open(&filler).expect("it is there");
    let size = file.metadata().expect("a file has a size").len();
    file.set_len(size.saturating_sub(left)).expect("it can be cut");
    filler
}

/// Files of values, whoever wrote them.
fn values(cluster: &Cluster) -> Vec<PathBuf> {
    fn below(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
    }
    below(&cluster.state().join("values"))
}

/// A scheduler whose state is on a disk of its own, and a worker.
fn scheduler_on(options: &str) -> (Cluster, Process, Process, Project) {
    loopback();
    let (cluster, serving) = Cluster::start();
    assert_eq!(serving.terminate(), Some(0));
    on_a_disk(&cluster.state(), options);
    let serving = cluster.serve_with(&[]);
    let worker = joined(cluster.worker("w", &[]));
    let project = project();
    run(&project, &cluster, &["run", "warm"]).expect(0);
    (cluster, serving, worker, project)
}

/// The large value does not fit, and does when there is room again.
fn fails_and_goes_on(project: &Project, cluster: &Cluster, filler: &Path) {
    let before = values(cluster);
    let failed = json(project, cluster, &["run", "large"]);
    let failure = &step(&failed, "make")["attempts"][0]["failure"];
    assert_eq!(failure["kind"], "store", "{failed:#}");
    assert!(failure.to_string().contains("no space is left"), "{failure:#}");
    assert_eq!(values(cluster), before, "nothing of it is left");
    if filler.is_dir() { fs::remove_dir_all(filler) } else { fs::remove_file(filler) }
        .expect("it can be removed");
    run(project, cluster, &["rerun", id(&failed), "--from-failure", "--export", "out"]).expect(0);
    assert_eq!(project.read("out/weigh.json").trim(), LARGE.to_string());
}

#[test]
fn f_30_a_value_that_does_not_fit_fails_its_attempt_by_name_and_fits_when_there_is_room() {
    alone("f_30_a_value_that_does_not_fit_fails_its_attempt_by_name_and_fits_when_there_is_room", || {
        let (cluster, _serving, _worker, project) = scheduler_on("size=96m");
        let filler = fill_but(&cluster.state(), 6 * MIB);
        fails_and_goes_on(&project, &cluster, &filler);
    });
}

#[test]
fn f_30_a_scheduler_that_cannot_write_its_log_stops_in_words_and_goes_on_when_there_is_room() {
    alone("f_30_a_scheduler_that_cannot_write_its_log_stops_in_words_and_goes_on_when_there_is_room", || {
        let (cluster, mut serving, worker, project) = scheduler_on("size=96m");
        let child = start(&project, &cluster, &["run", "j", "--export", "out", "--quiet"]);
        until("it is under way", || of_type(&events(&project, &cluster, None), "step_succeeded").count() > 5);
        let filler = fill(&cluster.state());
        serving.wait_for("could not write to the run log");
        assert_eq!(serving.wait(), Some(5));
        worker.wait_for("waiting");
        fs::remove_file(filler).expect("it can be removed");
        serving = cluster.serve();
        serving.wait_for("resuming 1 run");
        cofferdam_e2e::ask::ended(child).expect(0);
        assert_eq!(project.read("out/sum.json").trim(), "1770");
        let history = History::of(&events(&project, &cluster, None));
        assert_eq!(history, History { completed: 1, committed: 62, ..History::default() });
    });
}

#[test]
fn f_30_a_worker_whose_disk_is_full_fails_the_attempt_by_name_and_takes_it_when_there_is_room() {
    alone(
        "f_30_a_worker_whose_disk_is_full_fails_the_attempt_by_name_and_takes_it_when_there_is_room",
        || {
            loopback();
            let (cluster, _serving) = Cluster::start();
            let local = cluster.local_directory("w");
            fs::create_dir_all(&local).expect("a folder can be made");
            on_a_disk(&local, "size=96m");
            let _worker = joined(cluster.worker("w", &[]));
            let project = project();
            run(&project, &cluster, &["run", "warm"]).expect(0);
            let filler = fill_but(&local, 6 * MIB);
            fails_and_goes_on(&project, &cluster, &filler);
        },
    );
}

#[test]
fn f_31_a_disk_without_room_for_another_file_fails_the_attempt_by_name_and_has_room_again() {
    alone("f_31_a_disk_without_room_for_another_file_fails_the_attempt_by_name_and_has_room_again", || {
        let (cluster, _serving, _worker, project) = scheduler_on("size=96m,nr_inodes=300");
        let filler = cluster.state().join("filler");
        fs::create_dir(&filler).expect("a folder can be made");
        let full = (0..).find_map(|n| File::create(filler.join(n.to_string())).err());
        assert_eq!(full.map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
        fails_and_goes_on(&project, &cluster, &filler);
    });
}

#[test]
fn c_10_a_full_disk_is_said_and_no_half_file_is_left_on_it() {
    alone("c_10_a_full_disk_is_said_and_no_half_file_is_left_on_it", || {
        let project = project();
        project.run(["run", "warm"]).expect(0);
        let (_, shown) = project.json(["show"]);
        let place = project.path().join("full");
        fs::create_dir(&place).expect("a folder can be made");
        on_a_disk(&place, "size=64k");
        let filler = fill(&place);
        for asked in [
            &["show", "--export", "full"][..],
            &["runs", "export", id(&shown), "full/run.tar"],
            &["library", "bundle", "full/all.tar"],
        ] {
            let ended = project.run(asked).expect(1);
            assert!(ended.stderr.contains("failed to write full/"), "{ended:#?}");
            assert!(ended.stderr.contains("No space left on device"), "{ended:#?}");
            let left = fs::read_dir(&place).expect("it is there").flatten().map(|entry| entry.path());
            assert!(left.eq([filler.as_path()]), "{asked:?}");
        }
        fs::remove_file(filler).expect("it can be removed");
        project.run(["show", "--export", "full"]).expect(0);
    });
}

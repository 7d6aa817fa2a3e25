//! Libraries that go from one place to another: over an OCI registry, and in a file that is carried.

use std::os::unix::fs::PermissionsExt as _;

use cofferdam_e2e::{Ended, Project};
use cofferdam_kit::registry::Registry;

const JOB: &str = r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
"#;

/// Where libraries are made: `typed` is signed; the key that signs, and the project.
fn workshop() -> (Project, String) {
    let libraries = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n";
    let project = Project::new(&format!("{libraries}{JOB}"));
    let key = project.run(["library", "keygen", "release.key"]).expect(0).stdout.trim().to_owned();
    project.run(["library", "sign", "typed", "--key", "release.key"]).expect(0);
    (project, key)
}

fn elsewhere(source: &str) -> Project {
    Project::with(&format!("[libraries.typed]\n{source}\n{JOB}"), &[])
}

fn refused(ended: &Ended, exit: i32, why: &str) {
    assert_eq!(ended.exit, exit, "{ended:#?}");
    assert!(ended.stderr.contains(why), "not `{why}` but {ended:#?}");
}

#[test]
fn d6_a_library_in_a_registry_runs_elsewhere_pinned_by_its_digest_and_its_signature_goes_with_it() {
    let registry = Registry::start();
    let (workshop, key) = workshop();
    let tag = format!("{}/team/typed:1", registry.address);
    let pinned = workshop.run(["library", "push", "typed", &tag]).expect(0).stdout.trim().to_owned();
    assert!(pinned.starts_with(&format!("{}/team/typed@sha256:", registry.address)), "{pinned}");
    workshop.run(["library", "push", "behaviours", &tag]).expect(0);

    let project = elsewhere(&format!("oci = \"{pinned}\""));
    let ran = project.run(["run", "j"]).expect(0);
    assert!(ran.stderr.contains(&format!("pulling typed ({pinned})")), "the tag has moved on: {ran:#?}");
    project.run(["library", "verify", "typed", "--key", &key]).expect(0);
    let digest = |project: &Project| project.json(["library", "inspect", "typed"]).1["digest"].clone();
    assert_eq!(digest(&project), digest(&workshop));

    let (_, pulled) = project.json(["library", "pull", &pinned, "lib/again.wasm"]);
    assert_eq!((pulled["library"].clone(), &pulled["n_signatures"]), (digest(&workshop), &1.into()));
    let again = std::fs::read(project.path().join("lib/again.wasm")).expect("it was written");
    assert!(again == std::fs::read(workshop.path().join("lib/typed.wasm")).expect("it is there"));

    drop(registry);
    project.run(["run", "j"]).expect(0);
    let (_, plan) = project.json(["plan", "j"]);
    assert_eq!(plan["plan"]["libraries"]["typed"], digest(&workshop));
    let lost = project.run(["library", "pull", &pinned, "lib/lost.wasm"]);
    refused(&lost, 5, "failed to pull from `127.0.0.1:");
}

#[test]
fn d6_a_bundle_carries_the_libraries_of_a_job_with_their_signatures_to_where_there_is_no_network() {
    let (workshop, key) = workshop();
    workshop.run(["library", "bundle", "all.tar"]).expect(0);
    let (_, packed) = workshop.json(["library", "bundle", "j.tar", "--job", "j"]);
    let names: Vec<_> = packed["libraries"].as_object().expect("a table").keys().collect();
    assert_eq!(names, ["typed"], "the job uses no other");

    let project = elsewhere("wasm = \"lib/typed.wasm\"");
    std::fs::copy(workshop.path().join("j.tar"), project.path().join("j.tar")).expect("it can be carried");
    let taken = project.run(["library", "unbundle", "j.tar", "lib"]).expect(0);
    assert_eq!(taken.stdout.trim(), "1 library in lib");
    project.run(["library", "verify", "typed", "--key", &key]).expect(0);
    project.run(["run", "j"]).expect(0);

    // The first byte of the component, wherever it is in the file.
    let bundle = project.path().join("j.tar");
    let mut bytes = std::fs::read(&bundle).expect("it is there");
    let component = std::fs::read(project.path().join("lib/typed.wasm")).expect("it was written");
    let at =
        bytes.windows(64).position(|window| *window == component[..64]).expect("it is in there as it is");
    bytes[at + 60] ^= 1;
    std::fs::write(&bundle, bytes).expect("it can be written");
    refused(
        &project.run(["library", "unbundle", "j.tar", "other"]),
        3,
        "it is damaged, and has the digest sha256:",
    );
    assert!(!project.path().join("other").exists(), "nothing of it is written");
}

#[test]
fn what_cannot_be_pushed_pulled_or_bundled_is_refused_in_words() {
    let registry = Registry::start_with_login();
    let (project, _) = workshop();
    let tag = format!("{}/team/typed:1", registry.address);
    let push = |more: &[&str]| project.run([&["library", "push", "typed", &tag], more].concat());
    let closed = push(&[]);
    refused(&closed, 2, "the registry lets nobody do that who logs in so");
    refused(&closed, 2, "hint: `--login-file FILE` or COFFERDAM_REGISTRY_LOGIN says who logs in");
    refused(&push(&["--login-file", "absent"]), 2, "there is no file absent");
    project.write("login", "me:secret\n");
    let set = |mode| {
        let path = project.path().join("login");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("an own file");
    };
    set(0o644);
    refused(&push(&["--login-file", "login"]), 2, "can be read by others than its owner");
    set(0o600);
    push(&["--login-file", "login"]).expect(0);
    let mut by_variable = project.command(["library", "pull", &tag, "typed.wasm", "--verbose", "--verbose"]);
    let pulled: Ended =
        by_variable.env("COFFERDAM_REGISTRY_LOGIN", "me:secret").output().expect("it starts").into();
    let pulled = pulled.expect(0);
    assert!(!pulled.stderr.contains("secret") && !pulled.stderr.contains("bWU6c2VjcmV0"), "{pulled:#?}");

    let pull = |reference: &str| project.run(["library", "pull", reference, "x.wasm"]);
    let with_password = pull("me:secret@registry.example/a:1");
    refused(&with_password, 2, "failed to read the reference of a library in a registry");
    assert!(!with_password.stderr.contains("secret"), "{with_password:#?}");
    refused(&pull("registry.example/a"), 2, "it says neither a tag (`:1.2`) nor a digest");
    let digest = format!("{}/a@sha256:{}", registry.address, "0".repeat(64));
    refused(&project.run(["library", "push", "typed", &digest]), 2, "give a tag instead: HOST/NAME:TAG");
    let absent =
        project.run(["library", "pull", &format!("{}/a:1", registry.address), "x", "--login-file", "login"]);
    refused(&absent, 3, "the registry has nothing of that name");

    project.write("text.wasm", "no component");
    refused(&project.run(["library", "bundle", "b.tar", "text.wasm"]), 3, "text.wasm is not a library");
    refused(&project.run(["library", "unbundle", "text.wasm", "lib"]), 3, "it is no bundle");
    refused(&project.run(["library", "bundle", "b.tar", "absent"]), 2, "is neither a file nor a library");
    refused(&project.run(["library", "bundle", "b.tar", "--job", "k"]), 2, "there is no job `k`");
}

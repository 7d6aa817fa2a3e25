//! The pages of the SDKs, done as they say: their files make projects that build, pass their tests, and run. Files that a
//! page shows beside its first op are taken into the library at the end.

use std::path::PathBuf;

use cofferdam_e2e::pages::Page;
use cofferdam_e2e::{Project, workspace};
use cofferdam_kit::tools::ForC;

/// Follows a page in an empty folder.
fn follow(language: &str) -> Page {
    let tools = ForC::new();
    let page = workspace().join("guest-sdk").join(language).join("README.md");
    let project = Project::with("", &[]);
    std::fs::remove_file(project.path().join("cofferdam.toml")).expect("it is there");
    let checkout = |text: &str| {
        let sdk = PathBuf::from("/path/of/cofferdam");
        text.replace(sdk.to_str().expect("ASCII"), workspace().to_str().expect("UTF-8"))
    };
    Page::follow_with(&page, project, &tools.path(), checkout)
}

#[test]
fn the_page_about_c_is_true_with_cmake_and_with_the_compiler_alone() {
    let page = follow("c");
    page.run("cd ../kernel && cofferdam build && cofferdam test");
}

#[test]
fn the_page_about_python_is_true() {
    let page = follow("python");
    page.run("printf 'from upper import upper\\nfrom late import late\\n' >> ops/ops.py");
    page.run("cofferdam test");
    let told = page.run("cofferdam library inspect weather");
    assert!(told.contains("upper") && told.contains("late"), "{told}");
}

#[test]
fn the_page_about_javascript_is_true() {
    let page = follow("js");
    page.run(
        "for name in squares late failing; do echo \"export * from './$name.js';\" >> ops/index.js; done",
    );
    page.run("cofferdam test");
    let told = page.run("cofferdam library inspect words");
    assert!(["squares", "late", "month"].iter().all(|op| told.contains(op)), "{told}");
}

#[test]
fn the_page_about_go_is_true() {
    let page = follow("go");
    let more = "op.Define(\"squares\", \"\", squares), op.Define(\"late\", \"\", late), op.Define(\"month\", \"\", month))";
    page.run(&format!("sed -i 's/, tokenize))$/, tokenize), {more}/' ops/ops.go && cofferdam test"));
    let told = page.run("cofferdam library inspect words");
    assert!(["squares", "late", "month"].iter().all(|op| told.contains(op)), "{told}");
}

#[test]
fn the_page_about_rust_is_true() {
    let page = follow("rust");
    page.run("echo 'mod late;' >> ops/src/lib.rs && sed -i 's/^library!(.*/library!(tokenize, late::late);/' ops/src/lib.rs");
    page.run("cofferdam test && cofferdam library inspect words");
}

#[test]
fn the_page_about_plain_components_is_true() {
    follow("plain");
}

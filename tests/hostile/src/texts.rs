//! What people write: definitions, the config of a run, an operator's settings, selections. Whatever is wrong with a text
//! is told, for people and for machines, and never by a panic.

use cofferdam_config::{Texts, read_definitions, read_instance, read_run_config, render, render_json};
use cofferdam_model::Diagnostic;
use cofferdam_select::{ASSETS, OPS, STEPS, parse};

/// Columns of the terminal that messages are rendered for.
const WIDTH: usize = 80;

pub(crate) fn definitions(bytes: &[u8]) {
    let mut texts = Texts::default();
    let (_, problems) = read_definitions(&mut texts, "cofferdam.toml", bytes);
    show(&texts, &problems);
}

pub(crate) fn run_config(bytes: &[u8]) {
    let mut texts = Texts::default();
    let (_, problems) = read_run_config(&mut texts, "run.yaml", bytes);
    show(&texts, &problems);
}

pub(crate) fn instance(bytes: &[u8]) {
    let mut texts = Texts::default();
    let (_, problems) = read_instance(&mut texts, "instance.toml", bytes);
    show(&texts, &problems);
}

fn show(texts: &Texts, problems: &[Diagnostic]) {
    let shown = render(texts, problems, false, WIDTH);
    assert_eq!(shown.is_empty(), problems.is_empty());
    let told: serde_json::Value = serde_json::from_str(&render_json(texts, problems)).expect("it is JSON");
    assert_eq!(told.as_array().map(Vec::len), Some(problems.len()));
}

/// What a selection is shown as means the same when it is read again.
pub(crate) fn selection(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let selected: Vec<&str> = text.split('\n').collect();
    for vocabulary in [&OPS, &STEPS, &ASSETS] {
        match parse(&selected, vocabulary) {
            Ok(expr) => {
                let shown = expr.to_string();
                if let Ok(again) = parse(&[&shown], vocabulary) {
                    assert_eq!(again.to_string(), shown, "{text:?}");
                }
            }
            Err(problems) => assert!(!problems.is_empty()),
        }
    }
}

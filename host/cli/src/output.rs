//! What is printed where: stdout is the answer, stderr is everything else. Colours and JSON are decided here.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::args::Global;
use crate::error::Failed;
use crate::exit::Exit;

/// Bytes of a message or cause that are shown to a person.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Columns for rendering when the terminal does not say.
const WIDTH_DEFAULT: usize = 100;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Output {
        global.color.write_global();
        Output { json: global.json, quiet: global.quiet }
    }

    /// Prints the answer. A closed pipe ends quietly; a full disk does not.
    pub(crate) fn answer(self, text: &str) -> Result<(), Failed> {
        let mut stdout = anstream::stdout();
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        match stdout.write_all(format!("{text}{end}").as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                Err(Failed::new(Exit::Internal, "failed to write to standard output").because(&error))
            }
        }
    }

    /// Prints one JSON document; `schema` names its form and version.
    pub(crate) fn document(self, schema: &str, mut document: Value) -> Result<(), Failed> {
        if let Value::Object(fields) = &mut document {
            fields.insert("schema".to_owned(), schema.into());
        }
        let text = serde_json::to_string_pretty(&document).expect("a JSON value can be written");
        self.answer(&text)
    }

    /// Talks to the person, on stderr. Nobody listening is no reason to fail.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Prints why a command failed.
    pub(crate) fn failure(self, failed: &Failed) {
        if self.json {
            let _ = self.document("cofferdam.error/v1", failure_json(failed));
        }
        let mut stderr = anstream::stderr();
        if let Some(diagnosed) = &failed.diagnostics {
            let (texts, diagnostics) = diagnosed.as_ref();
            let text = cofferdam_config::render(texts, diagnostics, true, terminal_width());
            let _ = write!(stderr, "{text}");
            return;
        }
        let _ = writeln!(stderr, "{RED}error{RED:#}: {}", printable(short(&failed.message)));
        for cause in &failed.causes {
            let _ = writeln!(stderr, "  because: {}", printable(short(cause)));
        }
        if let Some(hint) = &failed.hint {
            let _ = writeln!(stderr, "{CYAN}hint{CYAN:#}: {hint}");
        }
    }
}

/// What is wrong, without the end of a text that somebody gave and that is too long to be read.
fn short(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

fn failure_json(failed: &Failed) -> Value {
    let diagnostics = match &failed.diagnostics {
        Some(diagnosed) => {
            let text = cofferdam_config::render_json(&diagnosed.0, &diagnosed.1);
            serde_json::from_str(&text).expect("diagnostics are rendered as JSON")
        }
        None => Value::Array(vec![]),
    };
    serde_json::json!({
        "exit": failed.exit as u8,
        "message": failed.message,
        "causes": failed.causes,
        "hint": failed.hint,
        "diagnostics": diagnostics,
    })
}

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of the terminal, kept within what is readable.
pub(crate) fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let columns =
        columns.or_else(|| console::Term::stderr().size_checked().map(|(_, columns)| columns.into()));
    columns.unwrap_or(WIDTH_DEFAULT).clamp(40, 200)
}

/// Text from a guest or a file, made safe for a terminal: control characters (escape sequences, carriage
/// returns, bidirectional overrides) are shown, not obeyed (SAFETY.md, H-041). Newlines and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_invisible(c));
    if text.chars().all(harmless) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmless(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

/// Characters that reorder or hide what stands beside them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_041_terminal_escapes_are_shown_not_obeyed() {
        assert_eq!(printable("plain\ttext, 日本語"), "plain\ttext, 日本語");
        assert_eq!(printable("\x1b]52;c;aGk=\x07"), "\\u{1b}]52;c;aGk=\\u{7}");
        assert_eq!(printable("ok\rfake"), "ok\\u{d}fake");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
    }
}

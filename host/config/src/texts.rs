//! The table of texts that people wrote, so that a span can be shown again. Also decides what counts as text.

use cofferdam_model::{Diagnostic, Span, TextId};

/// Largest text that is read. Far above what a person writes, far below what hurts.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// The texts that were read, by [`TextId`].
#[derive(Debug, Default)]
pub struct Texts {
    texts: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    path: String,
    content: String,
}

impl Texts {
    /// Keeps a text under the path that messages show.
    pub fn add(&mut self, path: &str, content: &str) -> TextId {
        let id = TextId(u32::try_from(self.texts.len()).expect("fewer than 2^32 texts are read"));
        self.texts.push(Text { path: path.to_owned(), content: content.to_owned() });
        id
    }

    /// The path of a text; empty for an id of another table.
    pub fn path(&self, id: TextId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| &text.path)
    }

    /// The content of a text, without its byte order mark; empty for an id of another table.
    pub fn content(&self, id: TextId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| &text.content)
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, id: TextId, byte: usize) -> (usize, usize) {
        let content = self.content(id);
        let before = &content[..floor_char_boundary(content, byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Decodes a file's bytes and keeps the text. A byte order mark is dropped; what is not UTF-8, holds NUL
    /// or lone carriage returns, or is too large is refused, and the part before the trouble is kept to show the place.
    pub(crate) fn decode(&mut self, path: &str, bytes: &[u8]) -> Result<TextId, Diagnostic> {
        let refuse = |texts: &mut Texts, good: &[u8], message: String, label: &str, hint: &str| {
            let shown = String::from_utf8_lossy(good);
            let id = texts.add(path, &shown);
            let span = Span { text: id, range: shown.len()..shown.len() };
            Diagnostic::error("config::not-text", message).at(Some(&span), label).hint(hint)
        };
        if bytes.len() > TEXT_BYTES_MAX {
            let message = format!("the file has {} bytes, at most {TEXT_BYTES_MAX} are read", bytes.len());
            return Err(refuse(self, b"", message, "", "split it, or give large values as files"));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let message = "the file is UTF-16, expected UTF-8".to_owned();
            return Err(refuse(self, b"", message, "byte order mark of UTF-16", "save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                let message = format!("byte 0x{:02x} is not UTF-8", bytes[at]);
                return Err(refuse(self, &bytes[..at], message, "after this", "save the file as UTF-8"));
            }
        };
        if let Some(at) = text.find('\0') {
            let message = "the file holds a NUL character".to_owned();
            return Err(refuse(
                self,
                &bytes[..at],
                message,
                "after this",
                "remove it; UTF-16 files hold many",
            ));
        }
        // Old line ends would make one line of everything for whoever shows a place.
        let lone_return = |(at, _): &(usize, &str)| bytes.get(at + 1) != Some(&b'\n');
        if let Some((at, _)) = text.match_indices('\r').find(lone_return) {
            let message = "the file holds a carriage return that ends no line".to_owned();
            return Err(refuse(
                self,
                &bytes[..at],
                message,
                "after this",
                "save it with the line ends of this system",
            ));
        }
        Ok(self.add(path, text))
    }
}

/// The last boundary of a character that is not after `byte`.
pub(crate) fn floor_char_boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

//! The workers that were cut off: a file that grows by a line each, and everybody who waits for one.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use cofferdam_model::Timestamp;
use cofferdam_wire::tls::{CutOff, Member};

const FILE: &str = "revoked";

#[derive(Debug, thiserror::Error)]
pub enum RevokedError {
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Without its list a scheduler would let them in again.
    #[error("line {line} of {} does not begin with what a certificate names, 32 hexadecimal digits", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("failed to write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

pub(crate) struct Revoked {
    path: PathBuf,
    cut_off: CutOff,
}

impl Revoked {
    pub(crate) fn open(folder: &Path) -> Result<Revoked, RevokedError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(RevokedError::Read { path, source }),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let members = lines.map(|(at, line)| {
            let member = line.split_whitespace().next().and_then(|word| word.parse().ok());
            member.ok_or_else(|| RevokedError::Line { path: path.clone(), line: at + 1 })
        });
        let cut_off = CutOff::default();
        cut_off.add(members.collect::<Result<Vec<Member>, _>>()?);
        Ok(Revoked { path, cut_off })
    }

    pub(crate) fn cut_off(&self) -> &CutOff {
        &self.cut_off
    }

    /// Cuts a member off, for good when this answers.
    pub(crate) async fn add(&self, member: Member, now: Timestamp) -> Result<(), RevokedError> {
        if self.cut_off.contains(member) {
            return Ok(());
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || append(&path, &format!("{member} {now}\n")));
        let written = written.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        written.map_err(|source| RevokedError::Write { path: self.path.clone(), source })?;
        self.cut_off.add([member]);
        Ok(())
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_cut_off_stays_so_when_the_list_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Member::draw().unwrap(), Member::draw().unwrap());
        let revoked = Revoked::open(folder.path()).unwrap();
        let waiting = revoked.cut_off().wait_for(one);
        for _ in 0..2 {
            revoked.add(one, Timestamp(0)).await.unwrap();
        }
        waiting.await;
        let again = Revoked::open(folder.path()).unwrap();
        assert!(again.cut_off().contains(one) && !again.cut_off().contains(other));
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{one} 1970-01-01T00:00:00.000Z\n"));
        append(&path, "no member\n").unwrap();
        assert_eq!(
            Revoked::open(folder.path()).err().unwrap().to_string(),
            format!(
                "line 2 of {} does not begin with what a certificate names, 32 hexadecimal digits",
                path.display()
            )
        );
    }
}

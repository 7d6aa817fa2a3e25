//! The frames between a supervisor and its cell: a `u32` length (little endian) and a postcard body. Both
//! ends are the same program, so the form has no version.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::{
    AttemptId, Failure, Limits, LogLine, MetadataEntry, Name, PlanOutput, Progress, ResourceAnswer,
    ResourceCall, ResourceFault, ResourceKind, Usage,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::jail::Wall;

/// Bytes of one frame. An invocation with every input inline at its bound stays far below; a cell that sends
/// more is broken or taken over.
pub(crate) const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Names one attempt on one cell; larger with each one.
pub type Ticket = u64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToCell {
    /// From now on `library` means the verified artefact that comes along, as an open file, for the engine that counts fuel
    /// or the one that does not.
    Load {
        library: u32,
        fuel: bool,
    },
    /// Nothing that comes after this names the library.
    Unload {
        library: u32,
    },
    Describe {
        library: u32,
    },
    Run(Box<CellAttempt>),
    /// Answers `Read`.
    Chunk(#[serde(with = "chunk")] Result<Vec<u8>, IoFault>),
    /// Answers `Write` and `Finish`.
    Done(Result<(), IoFault>),
    /// Answers `Call`.
    Answer(Result<ResourceAnswer, ResourceFault>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromCell {
    /// The first frame of every cell.
    Hello {
        pid: u32,
        fingerprint: String,
        wall: Wall,
    },
    /// JSON of a `LibrarySpec`: schemas are free-form, which postcard cannot read back.
    Described {
        library: u32,
        spec: Result<String, Failure>,
    },
    Log {
        ticket: Ticket,
        line: LogLine,
    },
    Progress {
        ticket: Ticket,
        progress: Progress,
    },
    Read {
        ticket: Ticket,
        number: u32,
        offset: u64,
        length: u32,
    },
    Create {
        ticket: Ticket,
        writer: u32,
    },
    Write {
        ticket: Ticket,
        writer: u32,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Finish {
        ticket: Ticket,
        writer: u32,
    },
    /// A call on a resource of the attempt, which must have ended within that time.
    Call {
        ticket: Ticket,
        resource: Name,
        call: ResourceCall,
        within: Option<Duration>,
    },
    Ended {
        ticket: Ticket,
        result: Result<CellCompletion, Failure>,
        usage: CellUsage,
    },
    /// Not begun, because an attempt before them takes long or their library could not be loaded: another
    /// cell may have them.
    Returned {
        tickets: Vec<Ticket>,
    },
    /// What `Load` named cannot be loaded.
    Refused {
        library: u32,
        failure: Failure,
    },
    /// The cell is at work, and its tickers tick.
    Beat,
}

/// What an attempt used in the cell. A form of its own for the same reason as [`CellDeclared`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellUsage {
    pub wall_us: u64,
    pub cpu_us: u64,
    pub instantiate_us: u64,
    pub memory_bytes_peak: u64,
    pub fuel: Option<u64>,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub host_calls: u64,
    pub log_lines_dropped: u64,
}

impl CellUsage {
    /// `used` is what the sandbox counted.
    pub(crate) fn new(used: &Usage, cpu_us: u64) -> CellUsage {
        CellUsage {
            wall_us: used.wall_us,
            cpu_us,
            instantiate_us: used.instantiate_us,
            memory_bytes_peak: used.memory_bytes_peak,
            fuel: used.fuel,
            input_bytes: used.input_bytes,
            output_bytes: used.output_bytes,
            host_calls: used.host_calls,
            log_lines_dropped: used.log_lines_dropped,
        }
    }
}

impl From<CellUsage> for Usage {
    fn from(used: CellUsage) -> Usage {
        Usage {
            wall_us: used.wall_us,
            cpu_us: used.cpu_us,
            instantiate_us: used.instantiate_us,
            memory_bytes_peak: used.memory_bytes_peak,
            fuel: used.fuel,
            input_bytes: used.input_bytes,
            output_bytes: used.output_bytes,
            host_calls: used.host_calls,
            log_lines_dropped: used.log_lines_dropped,
            ..Usage::default()
        }
    }
}

/// Outputs and metadata of an attempt that succeeded.
pub type CellCompletion = (Vec<CellOutput>, Vec<MetadataEntry>);

/// Why the supervisor could not read or store for the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoFault {
    Input(String),
    Store(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellAttempt {
    pub ticket: Ticket,
    pub library: u32,
    pub id: AttemptId,
    pub op: Name,
    #[serde(with = "serde_bytes")]
    pub config: Vec<u8>,
    pub inputs: Vec<CellInput>,
    pub outputs: Vec<CellDeclared>,
    pub limits: Limits,
    pub tags: BTreeMap<String, String>,
    /// What is lent to the op; with whom its calls end is known to the supervisor only.
    pub resources: BTreeMap<Name, ResourceKind>,
    pub partition: Option<String>,
    pub seed: u64,
}

/// An output that the op may emit. A form of its own, because postcard cannot leave fields out, as the stored form of
/// a plan does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellDeclared {
    pub name: Name,
    pub media_type: String,
    pub required: bool,
    pub dynamic: bool,
}

impl From<&PlanOutput> for CellDeclared {
    fn from(output: &PlanOutput) -> CellDeclared {
        CellDeclared {
            name: output.name.clone(),
            media_type: output.media_type.clone(),
            required: output.required,
            dynamic: output.dynamic,
        }
    }
}

impl From<CellDeclared> for PlanOutput {
    fn from(output: CellDeclared) -> PlanOutput {
        let CellDeclared { name, media_type, required, dynamic } = output;
        PlanOutput { required, dynamic, ..PlanOutput::new(name, &media_type) }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellInput {
    pub name: Name,
    pub value: CellInputValue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CellInputValue {
    One(CellValue),
    Many(Vec<(Option<Name>, CellValue)>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellValue {
    pub media_type: String,
    pub content: CellContent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CellContent {
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Stored { number: u32, size: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellOutput {
    pub name: Name,
    pub key: Option<Name>,
    pub media_type: String,
    pub content: CellOutputContent,
    pub metadata: Vec<MetadataEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CellOutputContent {
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Stored { writer: u32 },
}

/// Why a byte stream is not frames. The connection is of no use after it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFrame {
    #[error("read a frame of {0} bytes: at most {FRAME_BYTES_MAX} are allowed")]
    TooLarge(usize),
    #[error("read a frame")]
    Syntax(#[source] postcard::Error),
}

/// Appends one frame.
pub(crate) fn encode<T: Serialize>(frame: &T, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    let body = std::mem::take(buffer);
    *buffer = postcard::to_extend(frame, body).expect("frames hold nothing that postcard cannot write");
    let length = u32::try_from(buffer.len() - start - 4).expect("a frame is smaller than 4 GiB");
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Bytes that came in, of which whole frames can be taken.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, InvalidFrame> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(InvalidFrame::TooLarge(length));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = postcard::from_bytes(body).map_err(InvalidFrame::Syntax)?;
        self.start += 4 + length;
        Ok(Some(frame))
    }
}

/// `serde_bytes` for the good case of a result.
mod chunk {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    use super::IoFault;

    pub(super) fn serialize<S: Serializer>(
        chunk: &Result<Vec<u8>, IoFault>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        chunk.as_ref().map(|bytes| Bytes::new(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Result<Vec<u8>, IoFault>, D::Error> {
        let chunk = Result::<ByteBuf, IoFault>::deserialize(deserializer)?;
        Ok(chunk.map(ByteBuf::into_vec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let frames =
            [ToCell::Describe { library: 7 }, ToCell::Chunk(Ok(vec![1, 2, 3])), ToCell::Done(Ok(()))];
        let mut bytes = vec![];
        frames.iter().for_each(|frame| encode(frame, &mut bytes));
        for size in 1..bytes.len() {
            let (mut inbox, mut found) = (Inbox::default(), vec![]);
            for piece in bytes.chunks(size) {
                inbox.extend(piece);
                while let Some(frame) = inbox.take::<ToCell>().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames);
        }
    }

    #[test]
    fn an_attempt_with_all_that_it_may_have_survives_the_way() {
        let name = |text| Name::new(text).unwrap();
        let attempt = CellAttempt {
            ticket: 1,
            library: 2,
            id: AttemptId {
                run: cofferdam_model::RunId("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()),
                step: cofferdam_model::StepKey::new("clean[jan]"),
                attempt: 3,
                fence: cofferdam_model::Fence(4),
            },
            op: name("clean"),
            config: vec![0xa0],
            inputs: vec![],
            outputs: vec![CellDeclared::from(&PlanOutput::new(name("table"), "*/*"))],
            limits: Limits::default(),
            tags: [("a".to_owned(), "b".to_owned())].into(),
            resources: [(name("db"), ResourceKind::Sql)].into(),
            partition: Some("2026-01".to_owned()),
            seed: 5,
        };
        let frame = ToCell::Run(Box::new(attempt));
        let mut bytes = vec![];
        encode(&frame, &mut bytes);
        let mut inbox = Inbox::default();
        inbox.extend(&bytes);
        assert_eq!(inbox.take::<ToCell>().unwrap(), Some(frame));
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused() {
        let mut inbox = Inbox::default();
        inbox.extend(&u32::MAX.to_le_bytes());
        assert!(matches!(inbox.take::<ToCell>(), Err(InvalidFrame::TooLarge(_))));
    }
}

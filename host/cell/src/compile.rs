//! The main of the compile child: a byte that says whether fuel is to be counted and one component in through
//! standard input, its artefact or a refusal out through standard output. The compiler works on bytes that nobody trusts, so
//! it gets a process of its own, with limits of its own and the second wall round it.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use cofferdam_model::{Failure, FailureKind, LIBRARY_BYTES_MAX};
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use crate::engines::Engines;
use crate::jail;

/// Memory of the compiler: twice what the largest known component (Python, 18 MB) needs.
const DATA_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// CPU time of the compiler, all threads together; the largest known component takes 10 s.
const CPU_SECONDS_MAX: u64 = 60;

/// What the child says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Compiled {
    pub(crate) fingerprint: String,
    pub(crate) artefact: Result<serde_bytes::ByteBuf, Failure>,
}

/// Compiles and ends. A refusal is an answer too; only a broken pipe or machine is a failure of the process.
#[expect(clippy::print_stderr, reason = "the parent reads standard error into its failure")]
pub fn compile() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam compile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> std::io::Result<()> {
    jail::limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    jail::limit(Resource::Data, DATA_BYTES_MAX)?;
    jail::close()?;
    let mut engines = Engines::new().map_err(std::io::Error::other)?;
    let (mut fuel, mut component) = ([0], vec![]);
    let mut input = std::io::stdin();
    input.read_exact(&mut fuel)?;
    input.take(LIBRARY_BYTES_MAX + 1).read_to_end(&mut component)?;
    let artefact = engines
        .get(fuel != [0])
        .map_err(std::io::Error::other)?
        .compile(&component)
        .map_err(|refusal| Failure::new(FailureKind::Library, "the library is refused").because(refusal));
    let compiled =
        Compiled { fingerprint: engines.fingerprint(), artefact: artefact.map(serde_bytes::ByteBuf::from) };
    let bytes = postcard::to_stdvec(&compiled).map_err(std::io::Error::other)?;
    std::io::stdout().write_all(&bytes)
}

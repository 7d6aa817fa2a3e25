//! What every language's `build` takes and gives.

use std::path::{Path, PathBuf};

use crate::Error;

/// The source of one library.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The folder that the author wrote.
    pub folder: &'a Path,
    /// Where to build, for languages whose tools have no place of their own: a folder of this library alone, which
    /// need not exist yet and is kept between builds.
    pub out: &'a Path,
    /// Whether tools should say no more than what is wrong.
    pub quiet: bool,
}

/// A library that was built.
#[derive(Debug)]
pub struct Built {
    /// The component.
    pub component: PathBuf,
    /// All that the build read: files, and folders whose list of files matters. While none of them changes, a build
    /// would give the same.
    pub inputs: Vec<PathBuf>,
}

/// Why there is no component.
#[derive(Debug)]
pub enum BuildError {
    /// The tools of the language are not to be had.
    Tools(Error),
    /// Something is wrong with the source; `message` reads on from "library `x`: ". What the language's own tools
    /// had to say has gone through.
    Source { message: String, hint: String },
}

impl BuildError {
    /// The compiler, or another tool, has refused the source and said why.
    pub(crate) fn refused() -> BuildError {
        BuildError::Source {
            message: "it does not build".to_owned(),
            hint: "the compiler's messages are above".to_owned(),
        }
    }

    /// The author's tests do not pass, and have said which.
    pub(crate) fn tests() -> BuildError {
        BuildError::Source {
            message: "its tests do not pass".to_owned(),
            hint: "what failed is above".to_owned(),
        }
    }
}

impl From<Error> for BuildError {
    fn from(error: Error) -> BuildError {
        BuildError::Tools(error)
    }
}

//! Why an op failed, and what that says about trying again.

use std::fmt;
use std::time::Duration;

use crate::contract::{Failure, RetryAdvice};
use crate::metadata::MetadataValue;
use crate::resource::Fault;

/// The result of an op: its outputs, or why there are none.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an op failed.
///
/// `?` makes one from every [`std::error::Error`], with its sources as causes; the step's retry policy then
/// decides about another try. [`Error::permanent`] and [`Error::retry_after`] say what the op knows better.
///
/// ```
/// use cofferdam_op::{Error, Result, ResultExt};
///
/// fn rows(text: &str) -> Result<u32> {
///     let rows: u32 = text.parse().context("while reading the row count")?;
///     if rows == 0 {
///         return Err(Error::permanent("the file has no rows"));
///     }
///     Ok(rows)
/// }
/// assert_eq!(rows("x").unwrap_err().to_string(), "while reading the row count: invalid digit found in string");
/// ```
pub struct Error(Box<Failure>);

impl Error {
    /// A failure that the step's retry policy decides about.
    pub fn new(message: impl Into<String>) -> Error {
        Error(Box::new(Failure {
            message: message.into(),
            causes: vec![],
            retry: RetryAdvice::Policy,
            metadata: vec![],
        }))
    }

    /// A failure that would come again: the step fails now, whatever its retry policy says.
    pub fn permanent(message: impl Into<String>) -> Error {
        let mut error = Error::new(message);
        error.0.retry = RetryAdvice::Never;
        error
    }

    /// A failure that may go away: try again, not before `delay` has passed. The retry policy still bounds
    /// how often.
    pub fn retry_after(delay: Duration, message: impl Into<String>) -> Error {
        let mut error = Error::new(message);
        error.0.retry = RetryAdvice::AfterMs(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        error
    }

    /// Puts a message in front: what was being done. The old message becomes the first cause; the advice
    /// about trying again stays.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Error {
        let inner = std::mem::replace(&mut self.0.message, message.into());
        self.0.causes.insert(0, inner);
        self
    }

    /// Adds a fact that is shown with the failure.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<MetadataValue>) -> Error {
        self.0.metadata.push((name.into(), value.into()));
        self
    }

    /// What went wrong, in one line, without causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What led to it, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// True if another try makes no sense.
    pub fn is_permanent(&self) -> bool {
        self.0.retry == RetryAdvice::Never
    }

    /// The wait that [`Error::retry_after`] asked for.
    pub fn retry_delay(&self) -> Option<Duration> {
        match self.0.retry {
            RetryAdvice::AfterMs(millis) => Some(Duration::from_millis(millis)),
            RetryAdvice::Policy | RetryAdvice::Never => None,
        }
    }

    #[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a component reports it"))]
    pub(crate) fn into_failure(self) -> Failure {
        *self.0
    }

    fn from_std(error: &(dyn std::error::Error + 'static)) -> Error {
        let mut made = Error::new(error.to_string());
        if let Some(fault) = error.downcast_ref::<Fault>()
            && fault.kind.is_permanent()
        {
            made.0.retry = RetryAdvice::Never;
        }
        let mut source = error.source();
        while let Some(cause) = source {
            made.0.causes.push(cause.to_string());
            source = cause.source();
        }
        made
    }
}

impl fmt::Display for Error {
    /// The message and its causes, joined by `: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.0.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("message", &self.0.message)
            .field("causes", &self.0.causes)
            .field("retry", &self.0.retry)
            .finish()
    }
}

// `Error` is no `std::error::Error` itself: only so may every other one convert by `?`.
impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Error {
        Error::from_std(&error)
    }
}

/// `.context(..)` on results.
pub trait ResultExt<T> {
    /// Converts the error and puts a message in front: what was being done.
    fn context(self, message: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().context(message))
    }
}

/// What an op's error type must be: an [`Error`], or what converts into a boxed standard error: every
/// `std::error::Error`, `String`, `anyhow::Error`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an op",
    label = "not an error type",
    note = "use `cofferdam_op::Error`, a type that implements `std::error::Error`, or `String`"
)]
pub trait IntoError {
    /// Converts it.
    fn into_error(self) -> Error;
}

impl IntoError for Error {
    fn into_error(self) -> Error {
        self
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> IntoError for E {
    fn into_error(self) -> Error {
        Error::from_std(&*self.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_error_keeps_its_sources_as_causes() {
        let inner = std::io::Error::other("the disk is gone");
        let error: Error = std::io::Error::other(Outer(inner)).into();
        assert_eq!(error.to_string(), "the index cannot be read: the disk is gone");
        assert_eq!(error.retry_delay(), None);
        assert!(!error.is_permanent());
    }

    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the index cannot be read")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn context_goes_in_front_and_keeps_the_advice() {
        let error =
            Error::permanent("no such month").context("while reading the month").context("while splitting");
        assert_eq!(error.message(), "while splitting");
        assert_eq!(error.causes(), ["while reading the month", "no such month"]);
        assert!(error.is_permanent());
        let wait = Duration::from_secs(3);
        assert_eq!(Error::retry_after(wait, "busy").context("x").retry_delay(), Some(wait));
    }

    #[test]
    fn text_can_be_an_error_too() {
        assert_eq!("short".to_owned().into_error().message(), "short");
    }
}

//! `Http`, its requests and responses.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Fault, lent};
use crate::error::{Error, Result};

/// Requests to the base address that the step's resource names; what they need beyond it, such as credentials,
/// the host adds.
///
/// ```
/// use cofferdam_op::{Http, Result, http::Response, op};
///
/// #[op]
/// fn fetch(api: Http, page: u32) -> Result<Vec<String>> {
///     api.get(format!("/rows?page={page}"))?.ok()?.json()
/// }
/// let api = Http::test(|request| {
///     assert_eq!(request.path, "/rows?page=2");
///     Ok(Response::new(200, r#"["a"]"#))
/// });
/// assert_eq!(fetch(api, 2).unwrap(), ["a"]);
/// ```
#[derive(Clone)]
pub struct Http {
    pub(crate) calls: Rc<dyn HttpCalls>,
}

pub(crate) trait HttpCalls {
    fn send(&self, request: Request) -> Result<Response, Fault>;
}

lent!(Http, Http);

impl Http {
    /// Sends a request and waits for the whole answer. A status of an error is an answer, not a fault:
    /// [`Response::ok`] makes an error of it.
    pub fn send(&self, request: Request) -> Result<Response, Fault> {
        self.calls.send(request)
    }

    /// `GET`.
    pub fn get(&self, path: impl Into<String>) -> Result<Response, Fault> {
        self.send(Request::new("GET", path))
    }

    /// `POST` with a JSON body.
    pub fn post_json<T: Serialize + ?Sized>(&self, path: impl Into<String>, body: &T) -> Result<Response> {
        Ok(self.send(Request::new("POST", path).json(body)?)?)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query, relative to the resource's base address.
    pub path: String,
    /// In order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl Request {
    /// Without headers and body.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Request {
        Request { method: method.into(), path: path.into(), headers: vec![], body: vec![] }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Request {
        self.body = bytes.into();
        self
    }

    /// Sets the body to the JSON of a value, and says so in a header.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Request> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Error::permanent(format!("the request cannot be written as JSON: {error}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The whole of it.
    pub body: Vec<u8>,
}

impl Response {
    /// As a double in a test may answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response { status, headers: vec![], body: body.into() }
    }

    /// Itself if its status is below 400; else an error. Those of the other side's trouble (408, 429, 500 and
    /// above) may be tried again, after the time that `retry-after` names; the others are permanent.
    pub fn ok(self) -> Result<Response> {
        let message = format!("the answer has status {}", self.status);
        let wait = self.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        match (self.status, wait) {
            (..400, _) => Ok(self),
            (408 | 429 | 500.., Some(seconds)) => {
                Err(Error::retry_after(Duration::from_secs(seconds), message))
            }
            (408 | 429 | 500.., None) => Err(Error::new(message)),
            _ => Err(Error::permanent(message)),
        }
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; fails if it is not UTF-8.
    pub fn text(&self) -> Result<String> {
        String::from_utf8(self.body.clone()).map_err(|_| Error::permanent("the answer is not UTF-8"))
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::permanent(format!("the answer is not the JSON that is expected: {error}"))
        })
    }
}

#[cfg(not(target_family = "wasm"))]
mod double {
    use std::rc::Rc;

    use super::{Fault, Http, HttpCalls, Request, Response};

    impl Http {
        /// One that answers as told, for native tests.
        pub fn test(answer: impl Fn(Request) -> Result<Response, Fault> + 'static) -> Http {
            Http { calls: Rc::new(answer) }
        }
    }

    impl<F: Fn(Request) -> Result<Response, Fault>> HttpCalls for F {
        fn send(&self, request: Request) -> Result<Response, Fault> {
            self(request)
        }
    }
}

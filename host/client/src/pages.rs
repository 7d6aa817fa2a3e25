//! One question to the pages of a project, over plain HTTP on this machine.

use std::time::Duration;

use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// Nobody listens there.
    #[error("nobody listens there")]
    Nobody(#[source] reqwest::Error),
    #[error("they do not answer")]
    Http(#[from] reqwest::Error),
    #[error("their answer is no JSON")]
    Malformed(#[from] serde_json::Error),
}

/// Posts a document and gives the one that comes back. `address` is HOST:PORT of a loopback address; a token is shown to
/// whoever listens there.
pub async fn ask_pages(
    address: &str,
    token: Option<&str>,
    body: &Value,
    patience: Duration,
) -> Result<Value, PagesError> {
    // It fails if another provider was installed before, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let request = client.post(format!("http://{address}/graphql"));
    let mut request = request.header("content-type", "application/json").body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|error| match error.is_connect() {
        true => PagesError::Nobody(error),
        false => PagesError::Http(error),
    })?;
    Ok(serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?)
}

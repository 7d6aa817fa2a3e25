//! Webhooks, signed as Standard Webhooks has it: who receives one knows who sent it, when, and that it is whole, and tells by
//! its id what it has had before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_egress::{Guard, client, is_this_machine, refused};
use cofferdam_model::Timestamp;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use ring::hmac;
use url::Url;

use crate::{Invalid, invalid};

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_HINT: &str = "make one: echo \"whsec_$(head -c 32 /dev/urandom | base64)\"";

/// Takes alerts by HTTP.
pub struct Webhook {
    client: Client,
    url: Url,
    key: hmac::Key,
}

impl Webhook {
    /// Connects to nothing yet. What it says of a mistake holds nothing of the URL, which may be a secret.
    pub fn new(url: &str, secret: &str, allow_private: bool) -> Result<Webhook, Invalid> {
        let url = Url::parse(url).map_err(|error| invalid(format!("its URL is none: {error}"), None))?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(invalid("its URL is not of the form `https://host/path`", None));
        }
        if url.scheme() == "http" && !is_this_machine(&url) {
            let hint = "write `https://…`; plain `http` is for receivers on this machine";
            return Err(invalid("its URL is of `http`, and others on the way would read it", Some(hint)));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "its URL holds a user or a password",
                Some("leave them out: messages are signed"),
            ));
        }
        let guard = Guard::new(&url, allow_private).map_err(|refused| invalid(refused.to_string(), None))?;
        let client =
            client(guard).map_err(|error| invalid(format!("no client can be made: {error}"), None))?;
        Ok(Webhook { client, url, key: key(secret)? })
    }

    pub(crate) async fn post(&self, id: &str, body: &str, now: Timestamp) -> Result<(), String> {
        let seconds = (now.0 / 1000).to_string();
        let signed = hmac::sign(&self.key, format!("{id}.{seconds}.{body}").as_bytes());
        let request = self.client.post(self.url.clone());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", format!("v1,{}", BASE64.encode(signed)))
            .body(body.to_owned());
        let answer = request.send().await.map_err(|error| unreached(&error.without_url()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(format!("it answered {}, and a redirect is not followed", status.as_u16()))
            }
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }
}

fn key(secret: &str) -> Result<hmac::Key, Invalid> {
    let bytes = secret.strip_prefix(SECRET_PREFIX).and_then(|text| BASE64.decode(text).ok());
    match bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len())) {
        Some(bytes) => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        None => {
            let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
            let what = format!("its secret is not `{SECRET_PREFIX}` and {least} to {most} bytes in base64");
            Err(invalid(what, Some(SECRET_HINT)))
        }
    }
}

fn unreached(error: &reqwest::Error) -> String {
    if let Some(refused) = refused(error) {
        return refused.to_string();
    }
    let mut text = "it cannot be reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_a_signature_is_that_of_standard_webhooks() {
        // The example of that specification's libraries.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let text = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        let signed = hmac::sign(&key, text.as_bytes());
        assert_eq!(BASE64.encode(signed), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn h11_a_webhook_that_cannot_be_meant_is_refused_without_its_secrets() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let cases = [
            ("hooks.example/T0PSECRET", secret, "its URL is none"),
            ("ftp://hooks.example/T0PSECRET", secret, "not of the form `https://host/path`"),
            ("http://hooks.example/T0PSECRET", secret, "others on the way would read it"),
            ("https://me:T0PSECRET@hooks.example/", secret, "a user or a password"),
            ("https://169.254.169.254/T0PSECRET", secret, "no setting allows it"),
            ("https://hooks.example/", "T0PSECRET", "24 to 64 bytes in base64"),
            ("https://hooks.example/", "whsec_T0PSECRET", "24 to 64 bytes in base64"),
        ];
        for (url, secret, why) in cases {
            let said = Webhook::new(url, secret, true).err().expect(why).to_string();
            assert!(said.contains(why) && !said.contains("T0PSECRET"), "{url}: {said}");
        }
        for url in
            ["https://hooks.example/x?y", "http://127.0.0.1:1/", "http://localhost/", "https://10.0.0.1/"]
        {
            assert!(Webhook::new(url, secret, false).is_ok(), "{url}");
        }
    }

    #[tokio::test]
    async fn c_68_a_hook_whose_name_leads_to_a_private_address_gets_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hook = |allow_private| {
            let mut hook =
                Webhook::new("https://localhost/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true).unwrap();
            hook.url = Url::parse(&format!("http://hooks.example:{port}/")).unwrap();
            let lookup = |_: String| -> futures::future::BoxFuture<
                'static,
                std::io::Result<Vec<std::net::SocketAddr>>,
            > { Box::pin(async { Ok(vec![([127, 0, 0, 1], 0).into()]) }) };
            hook.client = client(Guard::over(std::sync::Arc::new(lookup), allow_private)).unwrap();
            hook
        };
        let refused = hook(false).post("1", "{}", Timestamp(0)).await.unwrap_err();
        assert!(refused.contains("`hooks.example` leads to the address 127.0.0.1"), "{refused}");
        let taken = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
        assert!(taken.is_err(), "a connection was made");
        let (allowed, taken) = (hook(true), listener.accept());
        tokio::select! {
            told = allowed.post("1", "{}", Timestamp(0)) => panic!("nobody has answered: {told:?}"),
            taken = taken => assert!(taken.is_ok()),
        }
    }
}

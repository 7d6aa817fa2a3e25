//! Alerts on their way out: as webhooks that are signed, and as mail. One attempt each; whether and when there is another one
//! is for who sends.
//!
//! Where a target leads is the operator's word and still looked at: names are looked up once per connection, private
//! addresses are reached only where that was said, and no redirect is followed. No error holds a URL, a secret or a password.

mod mail;
mod webhook;

use std::time::Duration;

use cofferdam_model::{Alert, Delivery, Timestamp};
use serde_json::{Value, json};

pub use mail::Mail;
pub use webhook::Webhook;

/// Time of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where alerts go.
pub enum Target {
    Webhook(Webhook),
    Mail(Mail),
}

/// Why settings name no target; reads on from the name of the target.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Invalid {
    what: String,
    /// How it is mended, as far as that is known.
    pub hint: Option<&'static str>,
}

fn invalid(what: impl Into<String>, hint: Option<&'static str>) -> Invalid {
    Invalid { what: what.into(), hint }
}

impl Target {
    /// Hands a delivery over; fails with why it could not be.
    pub async fn deliver(&self, delivery: &Delivery, now: Timestamp) -> Result<(), String> {
        let attempt = async {
            match self {
                Target::Webhook(hook) => hook.post(&delivery.id, &message(&delivery.alert), now).await,
                Target::Mail(mail) => mail.send(&delivery.id, &delivery.alert).await,
            }
        };
        let ended = tokio::time::timeout(ATTEMPT_TIMEOUT, attempt).await;
        ended.unwrap_or_else(|_| Err(format!("it has not taken it within {} s", ATTEMPT_TIMEOUT.as_secs())))
    }
}

/// What a webhook carries: its form is that of Standard Webhooks.
fn message(alert: &Alert) -> String {
    json!({ "type": alert.on, "timestamp": alert.at.to_string(), "data": data(alert) }).to_string()
}

/// An alert without what stands beside it.
fn data(alert: &Alert) -> Value {
    let mut data = serde_json::to_value(alert).expect("it has no maps with keys other than text");
    if let Value::Object(fields) = &mut data {
        fields.remove("on");
        fields.remove("at");
    }
    data
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{AlertAbout, AlertOn, Name, StepKey};

    use super::*;

    pub(crate) fn alert() -> Alert {
        let about = AlertAbout {
            run: serde_json::from_str("\"00000000-0000-7000-8000-000000000001\"").ok(),
            job: Some(Name::new("nightly").unwrap()),
            step: Some(StepKey::new("load")),
            why: Some("no \"disk\"".to_owned()),
            ..AlertAbout::default()
        };
        Alert {
            rule: Name::new("oncall").unwrap(),
            on: AlertOn::StepFailed,
            at: Timestamp(951_826_332_001),
            text: "step `load` failed".to_owned(),
            about,
        }
    }

    #[test]
    fn h11_a_message_says_what_happened_to_a_person_and_to_a_program() {
        insta::assert_snapshot!(message(&alert()), @r#"{"data":{"job":"nightly","rule":"oncall","run":"00000000-0000-7000-8000-000000000001","step":"load","text":"step `load` failed","why":"no \"disk\""},"timestamp":"2000-02-29T12:12:12.001Z","type":"step_failed"}"#);
    }
}

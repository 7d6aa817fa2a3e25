//! Mail, by a server of the operator's.

use cofferdam_egress::{Guard, install_tls, is_this_machine};
use cofferdam_model::Alert;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::{Host, Url};

use crate::{ATTEMPT_TIMEOUT, Invalid, data, invalid};

/// Ports of servers that encrypt from the first byte, and of those that are asked to.
const PORT_TLS: u16 = 465;
const PORT_STARTTLS: u16 = 587;
/// Addresses that one mail goes to.
const TO_MAX: usize = 50;

/// Takes alerts by SMTP.
pub struct Mail {
    to: Vec<Mailbox>,
    from: Mailbox,
    host: String,
    port: u16,
    tls: Tls,
    login: Option<(String, String)>,
    guard: Guard,
}

impl Mail {
    /// Connects to nothing yet.
    pub fn new(
        to: &[String],
        from: &str,
        smtp: &str,
        login: Option<(String, String)>,
        allow_private: bool,
    ) -> Result<Mail, Invalid> {
        if to.is_empty() || to.len() > TO_MAX {
            return Err(invalid(format!("it has {} addresses, expected 1 to {TO_MAX}", to.len()), None));
        }
        let address = |text: &str| {
            let parsed = text.parse::<Mailbox>();
            parsed.map_err(|error| {
                let hint = Some("write for example `ops@example.org`, or `Ops <ops@example.org>`");
                invalid(format!("`{text}` is no address of mail: {error}"), hint)
            })
        };
        let hint =
            Some("write `smtps://mail.example.org`, or `smtp://mail.example.org`, which must offer STARTTLS");
        let url = Url::parse(smtp).map_err(|error| invalid(format!("`smtp` is no URL: {error}"), hint))?;
        let of_smtp = ["smtp", "smtps"].contains(&url.scheme()).then(|| as_web(&url)).flatten();
        let Some((of_web, host)) = of_smtp else {
            return Err(invalid("`smtp` is not of the form `smtps://host`", hint));
        };
        let guard =
            Guard::new(&of_web, allow_private).map_err(|refused| invalid(refused.to_string(), None))?;
        install_tls();
        let parameters = TlsParameters::new(host.clone());
        let parameters = parameters.map_err(|error| invalid(format!("no TLS can be made: {error}"), None))?;
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(parameters), PORT_TLS),
            // What goes there crosses no network, and such servers have no certificate.
            _ if is_this_machine(&of_web) => (Tls::None, PORT_STARTTLS),
            _ => (Tls::Required(parameters), PORT_STARTTLS),
        };
        let to = to.iter().map(|to| address(to)).collect::<Result<_, _>>()?;
        Ok(Mail { to, from: address(from)?, host, port: url.port().unwrap_or(port), tls, login, guard })
    }

    pub(crate) async fn send(&self, id: &str, alert: &Alert) -> Result<(), String> {
        let told = self.try_to_send(id, alert).await;
        // A server may say what it was told.
        told.map_err(|error| match &self.login {
            Some((_, password)) if !password.is_empty() => error.replace(password.as_str(), "********"),
            _ => error,
        })
    }

    async fn try_to_send(&self, id: &str, alert: &Alert) -> Result<(), String> {
        let message =
            self.message(id, alert).map_err(|error| format!("no mail can be made of it: {error}"))?;
        let found = self.guard.addresses(&self.host).await.map_err(|error| error.to_string())?;
        let Some(address) = found.first() else { return Err(format!("`{}` has no address", self.host)) };
        // To what was looked at, whatever the name leads to the next moment.
        let server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string());
        let mut server = server.port(self.port).tls(self.tls.clone()).timeout(Some(ATTEMPT_TIMEOUT));
        if let Some((user, password)) = &self.login {
            server = server.credentials(Credentials::new(user.clone(), password.clone()));
        }
        server.build().send(message).await.map(|_| ()).map_err(|error| error.to_string())
    }

    fn message(&self, id: &str, alert: &Alert) -> Result<Message, lettre::error::Error> {
        let message = self.to.iter().fold(Message::builder(), |message, to| message.to(to.clone()));
        let message = message.from(self.from.clone()).subject(format!("[cofferdam] {}", alert.text));
        // The same in every attempt, so that who got it twice sees it once.
        let message = message.message_id(Some(format!("<{id}@cofferdam>"))).header(ContentType::TEXT_PLAIN);
        message.body(text(alert))
    }
}

/// The same place as a URL of the web, and its host: in others an address is not told from a name.
fn as_web(url: &Url) -> Option<(Url, String)> {
    let url = Url::parse(&format!("https://{}", url.host_str()?)).ok()?;
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some((url, host))
}

/// The text for a person, then everything else, a line each.
fn text(alert: &Alert) -> String {
    let mut lines = format!("{}\n\nalert: {}\nat: {}\n", alert.text, alert.on, alert.at);
    for (key, value) in data(alert).as_object().into_iter().flatten().filter(|(key, _)| *key != "text") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines += &format!("{key}: {value}\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::alert;

    fn mail(smtp: &str) -> Result<Mail, Invalid> {
        let to = ["Ops <ops@example.org>".to_owned(), "b@example.org".to_owned()];
        Mail::new(&to, "cofferdam@example.org", smtp, None, false)
    }

    #[test]
    fn h11_a_mail_says_all_that_a_webhook_says() {
        let message = mail("smtps://mail.example.org").unwrap().message("0199-1", &alert()).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("Date: ")).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn h11_what_ops_write_cannot_become_a_header_of_a_mail() {
        let alert = Alert { text: "a\r\nBcc: all@example.org\r\n\r\nx".to_owned(), ..alert() };
        let message = mail("smtps://mail.example.org").unwrap().message("1", &alert).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }

    #[test]
    fn h11_mail_is_encrypted_wherever_it_crosses_a_network() {
        let of = |smtp: &str| mail(smtp).map(|mail| (mail.tls, mail.port));
        assert!(matches!(of("smtps://mail.example.org"), Ok((Tls::Wrapper(_), 465))));
        assert!(matches!(of("smtp://mail.example.org:25"), Ok((Tls::Required(_), 25))));
        assert!(matches!(of("smtp://10.0.0.1"), Ok((Tls::Required(_), 587))));
        assert!(matches!(of("smtp://127.0.0.1:2525"), Ok((Tls::None, 2525))));
        for bad in ["mail.example.org", "https://mail.example.org", "smtp:", "smtp://169.254.169.254"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let nobody = Mail::new(&["ops".to_owned()], "a@b.example", "smtps://mail.example.org", None, false);
        assert!(nobody.err().unwrap().to_string().contains("`ops` is no address of mail"));
    }
}

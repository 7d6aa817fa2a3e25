//! `[alerts]` and `[alert_targets]`: who is told of what, and where that goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_model::{AlertOn, AlertRule, AssetKey, Diagnostic, Name, Node, Span, Spanned};

use crate::held::{Form, Held};
use crate::policies::read_tags;
use crate::reader::{Problems, Table, did_you_mean, name};
use crate::units::parse_duration;

/// Rules, and where they send to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertSettings {
    pub rules: Vec<AlertRule>,
    pub targets: BTreeMap<Name, AlertTarget>,
}

/// `[alert_targets.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertTarget {
    Webhook {
        url: Held,
        /// What it is signed with.
        secret: Held,
        /// The name of the host may lead into a private network.
        allow_private: bool,
    },
    Mail {
        to: Vec<String>,
        from: String,
        /// URL of the server.
        smtp: String,
        /// User and password.
        login: Option<(String, Held)>,
        allow_private: bool,
    },
}

pub(crate) fn read_alerts(table: &mut Table<'_>, problems: &mut Problems) -> AlertSettings {
    let targets = table.children("alert_targets", "alert target", problems);
    // Also those that could not be read: a rule that names one is not wrong.
    let known: Vec<Name> = targets.iter().map(|(name, _)| name.value.clone()).collect();
    let targets = targets.into_iter().filter_map(|(name, node)| {
        let target = read_target(&name.value, node, problems)?;
        Some((name.value, target))
    });
    let targets = targets.collect();
    let rules = table.children("alerts", "alert", problems).into_iter();
    let rules = rules.filter_map(|(name, node)| read_rule(name.value, node, &known, problems)).collect();
    AlertSettings { rules, targets }
}

fn read_rule(name: Name, node: &Node, known: &[Name], problems: &mut Problems) -> Option<AlertRule> {
    let mut table = Table::new(node, format!("alert `{name}`"), problems)?;
    let words = AlertOn::ALL.map(|on| (on.word(), on));
    if !table.has("on") {
        problems.push(table.missing("on", "on = \"run_failed\""));
    }
    let on = table.word("on", &words, problems);
    let lasting = table.parsed("for", "30m", parse_duration, problems);
    let is_limited = |table: &Table<'_>, key| table.has(key);
    let (some_jobs, some_namespaces, some_assets) =
        (is_limited(&table, "jobs"), is_limited(&table, "namespaces"), is_limited(&table, "assets"));
    let jobs = table.texts("jobs", problems);
    let jobs = jobs.iter().filter_map(|job| self::name(job, "job", problems)).map(|job| job.value).collect();
    let namespaces = table.texts("namespaces", problems).into_iter().map(|text| text.value).collect();
    let assets = table.texts("assets", problems);
    let assets = assets.iter().filter_map(|asset| read_asset(asset, problems)).collect();
    let tags = read_tags(&mut table, "tags", problems);
    let to = read_to(&mut table, known, problems);
    if let Some(on) = on {
        refuse_what_means_nothing(&table, on, problems);
    }
    table.finish(problems);
    Some(AlertRule {
        name,
        on: on?,
        lasting: lasting.unwrap_or(Duration::ZERO),
        jobs: some_jobs.then_some(jobs),
        namespaces: some_namespaces.then_some(namespaces),
        tags,
        assets: some_assets.then_some(assets),
        to,
    })
}

fn read_asset(text: &Spanned<String>, problems: &mut Problems) -> Option<AssetKey> {
    let problem = |why: String| {
        Diagnostic::error("config::bad-name", format!("`{}` is no asset: {why}", text.value))
            .at(text.span.as_ref(), "not the key of an asset")
            .hint("write for example `sales/orders`")
    };
    AssetKey::parse(&text.value).map_err(|why| problems.push(problem(why.to_string()))).ok()
}

fn read_to(table: &mut Table<'_>, known: &[Name], problems: &mut Problems) -> BTreeSet<Name> {
    if !table.has("to") {
        problems.push(table.missing("to", "to = [\"ops\"]"));
    }
    let mut to = BTreeSet::new();
    for text in table.texts("to", problems) {
        let Some(target) = name(&text, "alert target", problems) else { continue };
        if known.contains(&target.value) {
            to.insert(target.value);
            continue;
        }
        let problem =
            Diagnostic::error("config::unknown-name", format!("there is no alert target `{}`", text.value))
                .at(text.span.as_ref(), "unknown target");
        problems.push(if known.is_empty() {
            problem.hint(format!("define it: `[alert_targets.{}]`", text.value))
        } else {
            did_you_mean(problem, &text.value, known.iter().map(Name::as_str))
        });
    }
    to
}

/// A rule says of what it is in words that fit to what it listens for, so that no filter is believed that filters nothing.
fn refuse_what_means_nothing(table: &Table<'_>, on: AlertOn, problems: &mut Problems) {
    let of_runs = ["jobs", "namespaces", "tags"].map(|key| (key, on.is_of_a_run()));
    let others = [("for", on.lasts()), ("assets", on.is_of_an_asset())];
    for (key, fits) in of_runs.into_iter().chain(others) {
        if table.has(key) && !fits {
            problems.push(
                Diagnostic::error("config::contradiction", format!("`{key}` means nothing to `{on}`"))
                    .at(table.key_span(key), "has no effect")
                    .hint("remove it"),
            );
        }
    }
    if on.lasts() && !table.has("for") {
        problems.push(table.missing("for", "for = \"30m\""));
    }
    if on == AlertOn::AssetLate && !table.has("assets") {
        problems.push(table.missing("assets", "assets = [\"sales/orders\"]"));
    }
}

fn read_target(name: &Name, node: &Node, problems: &mut Problems) -> Option<AlertTarget> {
    let mut table = Table::new(node, format!("alert target `{name}`"), problems)?;
    let target = match (table.has("webhook"), table.has("email")) {
        (false, true) => read_mail(&mut table, problems),
        (true, false) => read_webhook(&mut table, problems),
        (is_both, _) => {
            let what = if is_both { "is both a webhook and a mail" } else { "leads nowhere" };
            let problem = Diagnostic::error("config::bad-value", format!("{} {what}", table.what()));
            problems.push(
                problem
                    .at(table.span.or(node.span.as_ref()), "expected one of `webhook`, `email`")
                    .hint("write for example `webhook = \"https://hooks.example.org/cofferdam\"`"),
            );
            return None;
        }
    };
    table.finish(problems);
    target
}

fn read_webhook(table: &mut Table<'_>, problems: &mut Problems) -> Option<AlertTarget> {
    let what = format!("`webhook` of {}", table.what());
    let form = Form {
        what: &what,
        is: "a URL",
        examples: ["webhook = { env = \"OPS_HOOK\" }", "webhook = { file = \"ops-hook\" }"],
        literal: url,
    };
    let url = table.get("webhook").and_then(|node| form.read(node, problems));
    let secret = read_secret(table, "secret", "OPS_HOOK_SECRET", problems);
    let allow_private = table.truth("allow_private", problems).unwrap_or(false);
    Some(AlertTarget::Webhook { url: url?, secret: secret?, allow_private })
}

fn read_mail(table: &mut Table<'_>, problems: &mut Problems) -> Option<AlertTarget> {
    let to: Vec<String> = table.texts("email", problems).into_iter().map(|text| text.value).collect();
    for (key, example) in
        [("from", "from = \"cofferdam@example.org\""), ("smtp", "smtp = \"smtps://mail.example.org\"")]
    {
        if !table.has(key) {
            problems.push(table.missing(key, example));
        }
    }
    let from = table.text("from", problems);
    let smtp = table.text("smtp", problems);
    if let Some(Err(wrong)) = smtp.as_ref().map(|text| plain_url(&text.value)) {
        let what = format!("`smtp` of {}", table.what());
        let problem = Diagnostic::error("config::bad-value", format!("{what} {wrong}"));
        let span = smtp.as_ref().and_then(|text| text.span.as_ref());
        problems.push(problem.at_secret(span, "expected a scheme and a host").hint(
            "write for example `smtp = \"smtps://mail.example.org\"`, and beside it `user` and `password`",
        ));
    }
    let user = table.text("user", problems).map(|text| text.value);
    let password = (user.is_some() || table.has("password"))
        .then(|| read_secret(table, "password", "SMTP_PASSWORD", problems))
        .flatten();
    if user.is_none() && table.has("password") {
        problems.push(table.missing("user", "user = \"cofferdam\""));
    }
    let allow_private = table.truth("allow_private", problems).unwrap_or(false);
    let login = user.zip(password);
    Some(AlertTarget::Mail { to, from: from?.value, smtp: smtp?.value, login, allow_private })
}

fn read_secret(
    table: &mut Table<'_>,
    key: &'static str,
    variable: &str,
    problems: &mut Problems,
) -> Option<Held> {
    let examples = [
        format!("{key} = {{ env = \"{variable}\" }}"),
        format!("{key} = {{ file = \"{}\" }}", variable.to_lowercase()),
    ];
    let what = format!("`{key}` of {}", table.what());
    let form = Form {
        what: &what,
        is: "a secret",
        examples: [&examples[0], &examples[1]],
        literal: |form, _, span| Err(form.in_clear("is a secret", span)),
    };
    match table.get(key) {
        Some(node) => form.read(node, problems),
        None => {
            problems.push(table.missing(key, &examples[0]));
            None
        }
    }
}

/// A URL as it stands, without a secret that is known by its place.
fn url(form: &Form<'_>, url: &str, span: Option<&Span>) -> Result<Held, Diagnostic> {
    match plain_url(url) {
        Ok(()) => Ok(Held::Literal(url.to_owned())),
        Err(wrong @ HAS_LOGIN) => Err(form.in_clear(wrong, span)),
        Err(wrong) => Err(Diagnostic::error("config::bad-value", format!("{} {wrong}", form.what))
            // What stands there may be meant as a secret.
            .at_secret(span, "expected `https://…`")
            .hint(format!("write for example `{}`", form.examples[0]))),
    }
}

const HAS_LOGIN: &str = "holds a user or a password";

/// What is wrong with a URL that is to have a host, and neither user nor password.
fn plain_url(url: &str) -> Result<(), &'static str> {
    let rest = url.split_once("://").map(|(_, rest)| rest);
    match rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default()) {
        None | Some("") => Err("is no URL"),
        Some(place) if place.contains('@') => Err(HAS_LOGIN),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{INSTANCE_FILE, InstanceSettings, Texts, read_instance, render};

    fn read(content: &str) -> (InstanceSettings, String) {
        let mut texts = Texts::default();
        let (settings, found) = read_instance(&mut texts, INSTANCE_FILE, content);
        (settings, render(&texts, &found, false, 100))
    }

    const TARGETS: &str =
        "[alert_targets.ops]\nwebhook = \"https://hooks.example/x\"\nsecret = { env = \"S\" }\n";

    #[test]
    fn h11_rules_say_what_of_what_and_to_whom() {
        let rules = "[alerts.nightly]\non = \"run_failed\"\njobs = [\"nightly\"]\nnamespaces = [\"prod\"]\ntags = { team = \"etl\" }\nto = [\"ops\", \"mail\"]\n\
            [alerts.late]\non = \"asset_late\"\nfor = \"26h\"\nassets = [\"sales/orders\"]\nto = [\"mail\"]\n\
            [alert_targets.mail]\nemail = [\"ops@example.org\"]\nfrom = \"c@example.org\"\nsmtp = \"smtps://mail.example.org\"\nuser = \"c\"\npassword = { file = \"p\" }\nallow_private = true\n";
        let (settings, found) = read(&format!("{TARGETS}{rules}"));
        assert_eq!(found, "");
        let name = |name| Name::new(name).unwrap();
        let [late, nightly] = &settings.alerts.rules[..] else { panic!("{:#?}", settings.alerts.rules) };
        let (late, nightly) = if late.name == name("late") { (late, nightly) } else { (nightly, late) };
        let expected = AlertRule {
            name: name("nightly"),
            on: AlertOn::RunFailed,
            lasting: Duration::ZERO,
            jobs: Some([name("nightly")].into()),
            namespaces: Some(["prod".to_owned()].into()),
            tags: [("team".to_owned(), "etl".to_owned())].into(),
            assets: None,
            to: [name("mail"), name("ops")].into(),
        };
        assert_eq!(*nightly, expected);
        assert_eq!((late.on, late.lasting), (AlertOn::AssetLate, Duration::from_secs(26 * 3600)));
        assert_eq!(late.assets, Some([AssetKey::parse("sales/orders").unwrap()].into()));
        let ops = AlertTarget::Webhook {
            url: Held::Literal("https://hooks.example/x".to_owned()),
            secret: Held::Env("S".to_owned()),
            allow_private: false,
        };
        assert_eq!(settings.alerts.targets[&name("ops")], ops);
        let mail = AlertTarget::Mail {
            to: vec!["ops@example.org".to_owned()],
            from: "c@example.org".to_owned(),
            smtp: "smtps://mail.example.org".to_owned(),
            login: Some(("c".to_owned(), Held::File("p".into()))),
            allow_private: true,
        };
        assert_eq!(settings.alerts.targets[&name("mail")], mail);
    }

    #[test]
    fn h11_rules_and_targets_that_cannot_be_meant_are_refused_with_a_way_out() {
        let cases = [
            "[alerts.a]\nto = [\"ops\"]",
            "[alerts.a]\non = \"run_fails\"\nto = [\"ops\"]",
            "[alerts.a]\non = \"run_failed\"",
            "[alerts.a]\non = \"run_failed\"\nto = [\"opps\"]",
            "[alerts.a]\non = \"run_failed\"\nfor = \"1h\"\nassets = [\"x\"]\nto = [\"ops\"]",
            "[alerts.a]\non = \"asset_late\"\njobs = [\"j\"]\nto = [\"ops\"]",
            "[alerts.a]\non = \"run_waits\"\nfor = \"long\"\nto = [\"ops\"]",
            "[alerts.a]\non = \"check_failed\"\nassets = [\"a//b\"]\nto = [\"ops\"]",
            "[alert_targets.b]",
            "[alert_targets.b]\nwebhook = \"https://x.example\"\nemail = []",
            "[alert_targets.b]\nwebhook = \"https://x.example\"",
            "[alert_targets.b]\nwebhook = \"hooks.example\"\nsecret = { env = \"S\" }\nretries = 3",
            "[alert_targets.b]\nemail = [\"a@b.example\"]\nuser = \"me\"",
            "[alert_targets.b]\nemail = [\"a@b.example\"]\nfrom = \"a@b.example\"\nsmtp = \"mail\"\npassword = { env = \"P\" }",
        ];
        let found: Vec<String> = cases.iter().map(|case| read(&format!("{TARGETS}{case}")).1).collect();
        assert!(found.iter().all(|found| !found.is_empty()), "{found:#?}");
        insta::assert_snapshot!(found.concat());
    }

    #[test]
    fn c_23_a_secret_of_a_target_in_clear_is_refused_and_not_shown() {
        let cases = [
            "[alert_targets.b]\nwebhook = \"https://x.example\"\nsecret = \"hunter2\"",
            "[alert_targets.b]\nwebhook = \"https://me:hunter2@x.example\"\nsecret = { env = \"S\" }",
            "[alert_targets.b]\nwebhook = \"hunter2\"\nsecret = { env = \"S\" }",
            "[alert_targets.b]\nemail = [\"a@b.example\"]\nfrom = \"a@b.example\"\nsmtp = \"smtps://x\"\nuser = \"me\"\npassword = \"hunter2\"",
            "[alert_targets.b]\nemail = [\"a@b.example\"]\nfrom = \"a@b.example\"\nsmtp = \"smtps://me:hunter2@x\"",
        ];
        for case in cases {
            let (_, found) = read(case);
            assert!(!found.is_empty() && !found.contains("hunter2"), "{case}: {found}");
        }
    }
}

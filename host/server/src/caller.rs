//! Who makes a call, and whether it may do what it asks for: workers by their certificate, everybody else by the role and
//! the namespaces of a token. What is refused, and what changes something, is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cofferdam_depot::Signature;
use cofferdam_model::{
    Channel, Grant, Known, KnownStep, NAMESPACE_TAG, Origin, Plan, RunId, Signers, ValueRef, given,
    namespace, not_granted, reused, signers_for,
};
use cofferdam_runlog::{Error, RunLog};
use cofferdam_wire::WORLD;
use cofferdam_wire::tls::Member;
use serde_json::Value;
use tonic::{Extensions, Status};

use crate::access::{Deed, Scope};
use crate::api_tokens::ApiToken;
use crate::audit::Audit;
use crate::{refuse, values};

/// Who makes a call.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) from: IpAddr,
}

#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Knows the cluster's token, over a connection that is not encrypted.
    Open,
    /// Knows the cluster's token: may do everything, and let workers join.
    Holder,
    /// Knows a token that was made for somebody.
    Api(Arc<ApiToken>),
    Worker(Member),
}

/// As people read it.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Open | Who::Holder => f.write_str("the cluster's token"),
            Who::Api(token) => write!(f, "token `{}`", token.name),
            Who::Worker(member) => write!(f, "worker {member}"),
        }
    }
}

impl Who {
    /// The name of the token, if it has one of its own.
    pub(crate) fn name(&self) -> String {
        match self {
            Who::Api(token) => token.name.clone(),
            who => who.to_string(),
        }
    }
}

impl Caller {
    pub(crate) fn of(extensions: &Extensions) -> Caller {
        extensions.get::<Caller>().expect("every service is behind the gate").clone()
    }

    /// Whether no run is hidden from it.
    pub(crate) fn sees_all(&self) -> bool {
        self.scope().is_none_or(|scope| scope.0.is_none())
    }

    /// Whether it may know of a run with these tags.
    pub(crate) fn sees(&self, tags: &BTreeMap<String, String>) -> bool {
        self.scope().is_none_or(|scope| scope.has(namespace(tags)))
    }

    /// Whether it may know of a channel: of its namespaces, or of all.
    pub(crate) fn sees_channel(&self, channel: &Channel) -> bool {
        let has = |scope: &Scope| channel.namespace().is_none_or(|namespace| scope.has(namespace));
        self.scope().is_none_or(has)
    }

    fn scope(&self) -> Option<&Scope> {
        match &self.who {
            Who::Api(token) => Some(&token.namespaces),
            Who::Open | Who::Holder | Who::Worker(_) => None,
        }
    }

    /// Refuses who has a lesser role, and who is for some namespaces only where something is of all.
    fn may(&self, deed: Deed) -> Result<(), Status> {
        let (role, phrase) = (deed.role(), deed.phrase());
        match &self.who {
            Who::Open | Who::Holder => Ok(()),
            Who::Worker(_) => Err(only_clients()),
            Who::Api(token) if token.role < role => Err(Status::permission_denied(format!(
                "{} has the role {} and may not {phrase}: that takes the role {role}",
                self.who, token.role
            ))),
            Who::Api(token) if token.namespaces.0.is_some() && !deed.is_of_a_namespace() => {
                Err(Status::permission_denied(format!(
                    "{} is for {} and may not {phrase}, which are of all namespaces",
                    self.who, token.namespaces
                )))
            }
            Who::Api(_) => Ok(()),
        }
    }

    fn may_in(&self, deed: Deed, namespace: &str) -> Result<(), Status> {
        self.may(deed)?;
        match self.scope() {
            Some(scope) if !scope.has(namespace) => Err(Status::permission_denied(format!(
                "{} is for {scope} and may not {} in `{namespace}`; the tag `{NAMESPACE_TAG}` of a run says in which it is",
                self.who,
                deed.phrase()
            ))),
            _ => Ok(()),
        }
    }

    /// The namespaces that it is for, if not all.
    pub(crate) fn only_for(&self) -> Option<&Scope> {
        self.scope().filter(|scope| scope.0.is_some())
    }

    /// Who is for some namespaces moves their channels, whether those are there yet or not, and no others.
    fn may_move(&self, channel: &Channel) -> Result<(), Status> {
        let deed = Deed::PromoteLibrary;
        self.may(deed)?;
        let has = |scope: &Scope| channel.namespace().is_some_and(|namespace| scope.has(namespace));
        match self.scope() {
            Some(scope) if scope.0.is_some() && !has(scope) => Err(Status::permission_denied(format!(
                "{} is for {scope} and may not {} on `{channel}`: a channel belongs to the namespace before its first `/`, and one without to all",
                self.who,
                deed.phrase()
            ))),
            _ => Ok(()),
        }
    }
}

/// A worker wants what is for clients.
pub(crate) fn only_clients() -> Status {
    Status::permission_denied("the certificate of a worker does not open this: it takes a token")
}

/// Signatures that come with one run.
const SIGNATURES_MAX: usize = 1000;
/// Things that a refusal names.
const LACKS_MAX: usize = 10;

/// Lets callers do what they may.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) log: Arc<dyn RunLog>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) grants: Arc<[Grant]>,
    pub(crate) signers: Arc<[Signers]>,
}

impl Access {
    /// For what belongs to no run.
    pub(crate) fn check(&self, caller: &Caller, deed: Deed) -> Result<(), Status> {
        self.noted(caller, deed, caller.may(deed))
    }

    /// For a run that is to be.
    pub(crate) fn check_in(&self, caller: &Caller, deed: Deed, namespace: &str) -> Result<(), Status> {
        self.noted(caller, deed, caller.may_in(deed, namespace))
    }

    /// For a channel that is to be moved.
    pub(crate) fn check_channel(&self, caller: &Caller, channel: &Channel) -> Result<(), Status> {
        self.noted(caller, Deed::PromoteLibrary, caller.may_move(channel))
    }

    /// For a run. One that this caller may not know of is refused in the words for one that is not there (SAFETY.md,
    /// H-109).
    pub(crate) async fn check_run(&self, caller: &Caller, deed: Deed, run: RunId) -> Result<(), Status> {
        self.check(caller, deed)?;
        if caller.sees_all() {
            return Ok(());
        }
        let found = match self.log.summary(run).await {
            Ok(summary) if caller.sees(&summary.tags) => Ok(()),
            Ok(_) => Err(Error::UnknownRun(run)),
            Err(error) => Err(error),
        };
        self.noted(caller, deed, found.map_err(|error| refuse::log(&error)))
    }

    /// For what is submitted: its namespace, what it was granted, and every run whose values it draws on.
    pub(crate) async fn check_submission(
        &self,
        caller: &Caller,
        (plan, tags): (&Plan, &BTreeMap<String, String>),
        origin: Option<&Origin>,
        known: &Known,
    ) -> Result<(), Status> {
        let deed = Deed::SubmitRun;
        self.check_in(caller, deed, namespace(&plan.tags))?;
        if namespace(tags) != namespace(&plan.tags) {
            return Err(Status::invalid_argument("the run and its plan are in different namespaces"));
        }
        self.noted(caller, deed, self.check_grants(caller, plan, known))?;
        if caller.sees_all() {
            return Ok(());
        }
        for run in drawn_on(plan, origin, known) {
            self.check_run(caller, deed, run).await?;
        }
        Ok(())
    }

    /// Refuses a run with a library for which nobody has signed who must (SAFETY.md, H-088).
    pub(crate) fn check_signatures(
        &self,
        caller: &Caller,
        plan: &Plan,
        signatures: &[String],
    ) -> Result<(), Status> {
        self.noted(caller, Deed::SubmitRun, signed(&self.signers, plan, signatures))
    }

    /// Who has the cluster's token is an operator, whose word is the grant.
    fn check_grants(&self, caller: &Caller, plan: &Plan, known: &Known) -> Result<(), Status> {
        let Who::Api(_) = caller.who else { return Ok(()) };
        let namespace = namespace(&plan.tags);
        let lacks = not_granted(&self.grants, namespace, plan, known);
        if lacks.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = lacks.iter().take(LACKS_MAX).map(ToString::to_string).collect();
        let more = lacks.len().saturating_sub(LACKS_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(Status::permission_denied(format!(
            "a run in `{namespace}` is not granted what it asks for: {}{more}; an operator grants it with `[[grants]]` in the scheduler's instance.toml",
            lines.join("; ")
        )))
    }

    /// Writes down what is about to be done. What cannot be written down is not done.
    pub(crate) async fn record(&self, caller: &Caller, deed: Deed, about: Value) -> Result<(), Status> {
        let done = self.audit.did(&caller.who.to_string(), Some(caller.from), deed.name(), about).await;
        done.map_err(|error| Status::unavailable(refuse::chain(&error)))
    }

    fn noted(&self, caller: &Caller, deed: Deed, checked: Result<(), Status>) -> Result<(), Status> {
        checked.inspect_err(|status| {
            self.audit.refused(&caller.who.to_string(), caller.from, deed.name(), status.message());
        })
    }
}

pub(crate) fn signed(rules: &[Signers], plan: &Plan, signatures: &[String]) -> Result<(), Status> {
    let namespace = namespace(&plan.tags);
    let Some(keys) = signers_for(rules, namespace) else { return Ok(()) };
    if signatures.len() > SIGNATURES_MAX {
        return Err(Status::invalid_argument(format!("at most {SIGNATURES_MAX} signatures come with a run")));
    }
    let held: Vec<Signature> = signatures.iter().filter_map(|text| Signature::read(text).ok()).collect();
    for (name, digest) in &plan.libraries {
        let of_it = held.iter().filter(|one| one.library == *digest && one.world == WORLD);
        let of_it: Vec<&Signature> = of_it.collect();
        if of_it.iter().any(|one| keys.contains(&one.key)) {
            continue;
        }
        let why = Signature::said(&of_it);
        return Err(Status::permission_denied(format!(
            "the library `{name}` ({digest}) has no signature of a key that may sign for `{namespace}`: {why}; `cofferdam library sign {name} --key FILE` signs, and an operator names keys with `[[signers]]` in the scheduler's instance.toml"
        )));
    }
    Ok(())
}

/// The runs that a submission draws on: the one it executes again, and those whose values it names.
fn drawn_on(plan: &Plan, origin: Option<&Origin>, known: &Known) -> BTreeSet<RunId> {
    let steps = known.0.values().filter_map(|step| match step {
        KnownStep::Reused { run, .. } => Some(*run),
        KnownStep::Skipped => None,
    });
    let values = given(plan).chain(reused(known)).filter_map(run_of);
    origin.map(|origin| origin.parent).into_iter().chain(steps).chain(values).collect()
}

fn run_of(value: &ValueRef) -> Option<RunId> {
    values::parse(value.place.key()?).ok()?.run()
}

#[cfg(test)]
mod tests {
    use cofferdam_depot::SigningKey;
    use cofferdam_model::{LibraryDigest, Name};

    use super::*;
    use crate::access::Role;

    fn caller(role: Role, namespaces: &[&str]) -> Caller {
        let names = namespaces.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let scope = Scope((!names.is_empty()).then_some(names));
        let who = Who::Api(Arc::new(ApiToken::for_test("ci", role, scope)));
        Caller { who, from: [127, 0, 0, 1].into() }
    }

    fn tags(namespace: &str) -> BTreeMap<String, String> {
        [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into()
    }

    #[test]
    fn f16_each_role_may_do_what_its_table_says_and_no_more() {
        for role in Role::ALL {
            for deed in Deed::ALL {
                assert_eq!(caller(role, &[]).may(deed).is_ok(), role >= deed.role(), "{role} {deed:?}");
            }
        }
        let refused = caller(Role::Viewer, &[]).may(Deed::SubmitRun).unwrap_err();
        let expected = "token `ci` has the role viewer and may not submit runs: that takes the role launcher";
        assert_eq!(refused.message(), expected);
        let from = [127, 0, 0, 1].into();
        let of = |who| Caller { who, from };
        for deed in Deed::ALL {
            assert!(of(Who::Worker(Member::from_bytes([0; 16]))).may(deed).is_err());
            assert!(of(Who::Holder).may(deed).is_ok() && of(Who::Open).may(deed).is_ok());
        }
    }

    #[test]
    fn a_token_for_some_namespaces_is_for_those_only() {
        let some = caller(Role::Admin, &["a", "b"]);
        for deed in Deed::ALL {
            assert_eq!(some.may(deed).is_ok(), deed.is_of_a_namespace(), "{deed:?}");
        }
        assert!(some.may_in(Deed::SubmitRun, "a").is_ok());
        let refused = some.may_in(Deed::SubmitRun, "c").unwrap_err();
        let expected = "token `ci` is for the namespaces `a`, `b` and may not submit runs in `c`; ";
        assert!(refused.message().starts_with(expected), "{}", refused.message());
        assert!(some.sees(&tags("b")) && !some.sees(&tags("c")) && !some.sees(&BTreeMap::new()));
        let all = caller(Role::Viewer, &[]);
        assert!(all.sees_all() && all.sees(&tags("c")) && all.sees(&BTreeMap::new()));
        assert!(caller(Role::Viewer, &["default"]).sees(&BTreeMap::new()));
    }

    #[test]
    fn h_088_only_the_word_of_a_key_that_counts_for_these_bytes_lets_a_library_run() {
        let key = || SigningKey::generate().unwrap().0;
        let (ours, revoked, stranger) = (key(), key(), key());
        let (library, other) = (LibraryDigest([1; 32]), LibraryDigest([2; 32]));
        let name = |text| Name::new(text).unwrap();
        let plan = Plan { libraries: [(name("l"), library)].into(), ..Plan::new(name("j"), vec![]) };
        // The one that was taken out of the list is not told from one that never was in it.
        let rules = [Signers { namespaces: None, keys: [ours.public()].into() }];
        let texts = |signatures: &[Signature]| signatures.iter().map(Signature::text).collect::<Vec<_>>();
        let good = ours.sign(library, WORLD);
        let changed = good.text().replace(&library.to_string(), &other.to_string());
        let refused = |with: &[String], why: &str| {
            let status = signed(&rules, &plan, with).expect_err("it is refused");
            assert!(status.message().contains(why), "{}", status.message());
        };
        refused(&[], "nobody has signed it");
        refused(&texts(&[stranger.sign(library, WORLD)]), &stranger.public().to_string());
        refused(&texts(&[revoked.sign(library, WORLD)]), &revoked.public().to_string());
        refused(&texts(&[ours.sign(other, WORLD)]), "nobody has signed it");
        refused(&texts(&[ours.sign(library, "cofferdam:op@0.0.1")]), "nobody has signed it");
        refused(&[changed, "no signature".to_owned()], "nobody has signed it");
        assert!(signed(&rules, &plan, &texts(&[stranger.sign(library, WORLD), good])).is_ok());
        assert!(signed(&[], &plan, &[]).is_ok(), "where nobody is named, nothing need be signed");
    }
}

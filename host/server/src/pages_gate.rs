//! In front of the pages: who carries a token, and whether it may do what it asks for there. The rules are those of calls,
//! and what is done or refused stands in the same audit log.

use std::net::IpAddr;
use std::sync::Arc;

use cofferdam_model::Plan;
use cofferdam_scheduler::Submission;
use cofferdam_wire::Token;
use serde_json::Value;
use tonic::{Code, Status};

use crate::access::{Deed, Role};
use crate::admission::Admission;
use crate::caller::{Access, Caller, Who, signed};
use crate::fleet::Fleet;
use crate::runs::about;

/// Lets people in.
#[derive(Clone)]
pub struct PagesGate {
    pub(crate) admission: Arc<Admission>,
    pub(crate) access: Access,
    pub(crate) fleet: Fleet,
}

/// Who was let in. A refusal is for their eyes.
#[derive(Clone)]
pub struct Visitor {
    gate: PagesGate,
    caller: Caller,
}

/// Who was not let in.
#[derive(Debug)]
pub struct NotLetIn {
    /// For their eyes.
    pub why: String,
    /// Too many wrong tokens came from there: this one was not looked at.
    pub is_too_often: bool,
}

impl PagesGate {
    /// Who carries this token. The pages show all namespaces, so that who is for some only is not let in.
    pub fn enter(&self, token: &str, from: IpAddr) -> Result<Visitor, NotLetIn> {
        let who = match token.parse::<Token>() {
            Ok(token) => self.admission.holder(&token.secret.hash(), from),
            Err(error) => Err(Status::unauthenticated(error.to_string())),
        };
        let refused = |who: &str, why: Status| {
            self.access.audit.refused(who, from, "pages.enter", why.message());
            NotLetIn { why: said(&why), is_too_often: why.code() == Code::ResourceExhausted }
        };
        let caller = Caller { who: who.map_err(|why| refused("nobody", why))?, from };
        match caller.only_for() {
            Some(scope) => {
                let why = format!("{} is for {scope}, and the pages show all of them", caller.who);
                Err(refused(&caller.who.to_string(), Status::permission_denied(why)))
            }
            None => Ok(Visitor { gate: self.clone(), caller }),
        }
    }

    /// Refuses a plan with libraries for which nobody has signed who must.
    pub fn check_signatures(&self, plan: &Plan, signatures: &[String]) -> Result<(), String> {
        signed(&self.access.signers, plan, signatures).map_err(|status| said(&status))
    }

    /// What a plan asks for and no worker that has joined offers.
    pub fn unservable(&self, plan: &Plan) -> Option<String> {
        let warnings = self.fleet.warnings(plan);
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}

impl Visitor {
    /// Of the token.
    pub fn name(&self) -> String {
        self.caller.who.name()
    }

    /// Who has the cluster's token may do everything.
    pub fn role(&self) -> Role {
        match &self.caller.who {
            Who::Api(token) => token.role,
            Who::Open | Who::Holder | Who::Worker(_) => Role::Admin,
        }
    }

    /// Whether it may do something that changes nothing for others.
    pub fn may(&self, deed: Deed) -> Result<(), String> {
        self.gate.access.check(&self.caller, deed).map_err(|status| said(&status))
    }

    /// Whether it may do something; if so, it is written down.
    pub async fn does(&self, deed: Deed, about: Value) -> Result<(), String> {
        self.may(deed)?;
        self.gate.access.record(&self.caller, deed, about).await.map_err(|status| said(&status))
    }

    /// Whether it may submit this run; if so, it is written down.
    pub async fn submits(&self, submission: &Submission, signatures: &[String]) -> Result<(), String> {
        let access = &self.gate.access;
        let Submission { plan, tags, origin, known, .. } = submission;
        let checked = async {
            access.check_submission(&self.caller, (plan, tags), origin.as_ref(), known).await?;
            access.check_signatures(&self.caller, plan, signatures)?;
            access.record(&self.caller, Deed::SubmitRun, about(submission)).await
        };
        checked.await.map_err(|status| said(&status))
    }

    /// Ends when it would not be let in any more.
    pub async fn end(&self) {
        self.gate.admission.end(&self.caller.who).await;
    }
}

fn said(status: &Status) -> String {
    status.message().to_owned()
}

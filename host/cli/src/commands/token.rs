//! `cofferdam token`: the tokens of the instance whose state is here.

use cofferdam_scheduler::{system_clock, system_time};
use cofferdam_server::{ApiToken, ApiTokenError, Audit, AuditError, Scope};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::args;
use crate::commands::serve::admission;
use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::project::StateDir;

/// In the audit log: who has the state folder needs no token.
const HERE: &str = "the scheduler's host";

pub(crate) async fn run(args: &args::Token, state: &StateDir, output: Output) -> Result<()> {
    match args {
        args::Token::Rotate => rotate(state, output).await,
        args::Token::Create(args) => create(args, state, output).await,
        args::Token::List => list(state, output),
        args::Token::Revoke { name } => revoke(name, state, output).await,
    }
}

async fn rotate(state: &StateDir, output: Output) -> Result<()> {
    let file = cofferdam_server::rotate_token(state.folder()).map_err(|error| admission(&error))?;
    let file = file.ok_or_else(|| not_served(state))?;
    record(state, "token.rotate", json!({})).await?;
    if output.json {
        return output.document("cofferdam.token/v1", json!({ "file": file }));
    }
    output.answer(&format!("the new token is in {}; the old one is refused from now on", file.display()))
}

async fn create(args: &args::TokenCreate, state: &StateDir, output: Output) -> Result<()> {
    let cluster = cofferdam_server::cluster_token(state.folder()).map_err(|error| admission(&error))?;
    let cluster = cluster.ok_or_else(|| not_served(state))?;
    let names: std::collections::BTreeSet<String> = args.namespaces.iter().cloned().collect();
    let scope = Scope((!names.is_empty()).then_some(names));
    let now = system_time();
    let times = (now, now + args.expires);
    let secret =
        cofferdam_server::create_api_token(state.folder(), &args.name, args.role, scope.clone(), times);
    let secret = secret.map_err(failed)?;
    let about = json!({ "token": args.name, "role": args.role, "namespaces": scope });
    if let Err(unrecorded) = record(state, "token.create", about).await {
        cofferdam_server::revoke_api_token(state.folder(), &args.name).map_err(failed)?;
        return Err(unrecorded);
    }
    let token = cofferdam_server::reveal_api_token(secret, &cluster);
    let (role, expires_at) = (args.role, times.1);
    if output.json {
        let document = json!({ "token": token, "name": args.name, "role": role, "namespaces": scope, "expires_at": expires_at.to_string() });
        return output.document("cofferdam.api_token/v1", document);
    }
    output.say(&format!("token `{}`: {role}, {scope}, until {expires_at}; it is shown this once", args.name));
    output.answer(&token)
}

fn list(state: &StateDir, output: Output) -> Result<()> {
    let tokens = cofferdam_server::list_api_tokens(state.folder()).map_err(failed)?;
    let now = system_time();
    if output.json {
        let tokens: Vec<Value> = tokens.iter().map(|token| document(token, token.has_expired(now))).collect();
        return output.document("cofferdam.api_tokens/v1", json!({ "tokens": tokens }));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "ROLE", "NAMESPACES", "UNTIL"]);
    for token in &tokens {
        let over = if token.has_expired(now) { " (over)" } else { "" };
        let names = token.namespaces.0.as_ref().map(|names| names.iter().cloned().collect::<Vec<_>>());
        let names = names.map_or_else(|| "all".to_owned(), |names| names.join(", "));
        table.add_row([
            token.name.clone(),
            token.role.to_string(),
            names,
            format!("{}{over}", token.expires_at),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    output.answer(&lines.join("\n"))
}

fn document(token: &ApiToken, is_over: bool) -> Value {
    json!({
        "name": token.name,
        "role": token.role,
        "namespaces": token.namespaces,
        "created_at": token.created_at.to_string(),
        "expires_at": token.expires_at.to_string(),
        "expired": is_over,
    })
}

async fn revoke(name: &str, state: &StateDir, output: Output) -> Result<()> {
    let token = cofferdam_server::revoke_api_token(state.folder(), name).map_err(failed)?;
    record(state, "token.revoke", json!({ "token": name, "role": token.role })).await?;
    if output.json {
        return output.document("cofferdam.api_token/v1", document(&token, true));
    }
    output.answer(&format!("token `{name}` is refused from now on"))
}

async fn record(state: &StateDir, did: &str, about: Value) -> Result<()> {
    let audit = Audit::new(state.folder(), system_clock());
    audit.did(HERE, None, did, about).await.map_err(unaudited)
}

fn not_served(state: &StateDir) -> Failed {
    Failed::usage(format!("there is no token in {}", state.folder().display())).hint(
        "`cofferdam serve` makes one on its first start; `--state-dir DIR` names the folder of its state",
    )
}

/// Why the list of tokens stayed as it was.
fn failed(error: ApiTokenError) -> Failed {
    match error {
        ApiTokenError::File(_) | ApiTokenError::Damaged { .. } => admission(&error.into()),
        ApiTokenError::Random(_) => Failed::new(Exit::Internal, "failed to make a token").because(&error),
        _ => Failed::usage(error.to_string()),
    }
}

/// Why nothing is known of what was done, or nothing may be done.
pub(crate) fn unaudited(error: AuditError) -> Failed {
    let exit = match error {
        AuditError::Damaged { .. } | AuditError::Broken { .. } => Exit::Invalid,
        AuditError::Read { .. } | AuditError::Write { .. } => Exit::Unreachable,
    };
    Failed::new(exit, "failed to use the audit log").because(&error)
}

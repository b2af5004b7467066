//! Who may do what, who did what, who was refused, and how the server is.

use std::time::Duration;

use acs_types::Scope;
use serde_json::{Value, json};

use super::client::{ListOptions, Query};
use super::exit::Failure;
use super::output::{Column, NONE, text, time};
use super::{Ctl, duration};

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TokensCommand {
    /// Lists tokens, without their secrets.
    List {
        #[command(flatten)]
        list: ListOptions,
    },
    /// Makes a token and prints it, this once.
    Create {
        /// Who it stands for.
        principal: String,
        /// What it may do: read, write, files, admin.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
        /// After how long it ends; without it: never.
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        expires: Option<Duration>,
    },
    /// Deletes a token; it counts no more.
    Delete {
        /// The token's id, never its secret.
        id: String,
    },
}

fn scope(name: &str) -> Result<Scope, String> {
    let names = Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(name).ok_or_else(|| format!("it is none of {names}"))
}

const TOKENS: [Column; 5] = [
    Column::new("ID", |token| text(token, "id")),
    Column::wrapping("PRINCIPAL", |token| text(token, "principal")),
    Column::wrapping("SCOPES", |token| text(token, "scopes")),
    Column::new("CREATED", |token| time(token, "created_at")),
    Column::new("EXPIRES", |token| time(token, "expires_at")),
];

const REFUSED: [Column; 7] = [
    Column::new("AT", |refused| time(refused, "at")),
    Column::new("REASON", |refused| text(refused, "reason")),
    Column::wrapping("OUI", |refused| text(refused, "oui")),
    Column::wrapping("PRODUCT CLASS", |refused| text(refused, "product_class")),
    Column::wrapping("SERIAL NUMBER", |refused| text(refused, "serial_number")),
    Column::wrapping("USER", |refused| text(refused, "username")),
    Column::wrapping("ADDRESS", |refused| text(refused, "remote_address")),
];

const AUDIT: [Column; 5] = [
    Column::new("AT", |record| time(record, "at")),
    Column::wrapping("BY", |record| text(record, "principal")),
    Column::new("ACTION", |record| text(record, "action")),
    Column::wrapping("OBJECT", |record| text(record, "object")),
    Column::wrapping("DETAIL", |record| text(record, "detail")),
];

const CHECKS: [Column; 4] = [
    Column::new("CHECK", |check| text(check, "name")),
    Column::new("PASSING", |check| text(check, "passing")),
    Column::new("IF IT FAILS", |check| text(check, "impact")),
    Column::wrapping("WHY", |check| text(check, "detail")),
];

/// `tokens`
pub(super) async fn tokens(ctl: &Ctl, command: TokensCommand) -> Result<(), Failure> {
    match command {
        TokensCommand::List { list } => {
            ctl.out.list(&ctl.client.list(&["tokens"], &Query::new(), &list).await?, &TOKENS)
        }
        TokensCommand::Create { principal, scopes, expires } => {
            let token = ctl.client.post(&["tokens"], &new_token(&principal, &scopes, expires)).await?;
            ctl.done(&text(&token, "token"), &token)
        }
        TokensCommand::Delete { id } => {
            ctl.client.delete(&["tokens", &id]).await?;
            ctl.done(&format!("token {id} is deleted"), &json!({"id": id, "deleted": true}))
        }
    }
}

fn new_token(principal: &str, scopes: &[Scope], expires: Option<Duration>) -> Value {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut body = json!({"principal": principal, "scopes": names});
    if let Some(expires) = expires {
        body["expires_in_seconds"] = json!(expires.as_secs());
    }
    body
}

/// `refused`
pub(super) async fn refused(ctl: &Ctl, list: &ListOptions) -> Result<(), Failure> {
    ctl.out.list(&ctl.client.list(&["refused-informs"], &Query::new(), list).await?, &REFUSED)
}

/// `audit`
pub(super) async fn audit(ctl: &Ctl, list: &ListOptions) -> Result<(), Failure> {
    ctl.out.list(&ctl.client.list(&["audit"], &Query::new(), list).await?, &AUDIT)
}

/// `health`
pub(super) async fn health(ctl: &Ctl) -> Result<(), Failure> {
    let mut health = ctl.client.health().await?;
    let (words, result) = judge(&health);
    if ctl.out.is_json() {
        ctl.out.json(&health)?;
    } else {
        ctl.out.text(&words)?;
        if let Value::Array(items) = health["checks"].take()
            && !items.is_empty()
        {
            ctl.out.list(&super::client::Page { items, next: None }, &CHECKS)?;
        }
    }
    result
}

/// The state in words, and whether it is good enough for traffic.
fn judge(health: &Value) -> (String, Result<(), Failure>) {
    let is = |key: &str| health[key] == Value::Bool(true);
    let state = match (is("live"), is("ready"), is("degraded"), is("draining")) {
        (false, ..) => "it has to be restarted",
        (true, false, _, true) => "not ready: it is about to end",
        (true, false, ..) => "not ready",
        (true, true, true, _) => "ready, but something fails",
        (true, true, false, _) => "ready",
    };
    let failing =
        health["checks"].as_array().into_iter().flatten().find(|check| check["passing"] == Value::Bool(false));
    let why = failing.map_or_else(|| NONE.to_owned(), |check| text(check, "detail"));
    let result = match (is("ready"), why.as_str()) {
        (true, _) => Ok(()),
        (false, NONE) => Err(Failure::Server(format!("the server should get no traffic now: {state}"))),
        (false, why) => Err(Failure::Server(format!("the server should get no traffic now: {why}"))),
    };
    (state.to_owned(), result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_ready_is_a_failure() {
        let health = |ready: bool, degraded: bool, checks: Value| {
            judge(&json!({"live": true, "ready": ready, "degraded": degraded, "draining": false, "checks": checks}))
        };
        assert!(health(true, false, json!([])).1.is_ok());
        let (words, result) = health(true, true, json!([{"passing": false, "detail": "slow"}]));
        assert!(words.contains("fails") && result.is_ok());
        let full = json!([{"name": "store", "passing": false, "detail": "the disk is full"}]);
        let failure = health(false, true, full).1.unwrap_err();
        assert_eq!(failure.code(), 5);
        assert!(failure.to_string().contains("the disk is full"));
    }

    #[test]
    fn a_token_is_asked_for_as_the_api_takes_it() {
        let body = new_token("billing", &[Scope::Read, Scope::Files], Some(Duration::from_secs(60)));
        assert_eq!(body, json!({"principal": "billing", "scopes": ["read", "files"], "expires_in_seconds": 60}));
        assert!(new_token("billing", &[Scope::Read], None).get("expires_in_seconds").is_none());
        assert!(scope("root").unwrap_err().contains("admin"));
    }
}

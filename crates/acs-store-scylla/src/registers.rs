//! Registers: the last value under a key, for what is written seldom. Every write is conditional on the revision read before,
//! so that a value that was replaced or deleted is gone whatever the clocks of the nodes say (P23).

use acs_store::Result;
use scylla::statement::prepared::PreparedStatement;

use crate::error::{is_open, store_error};
use crate::statements::Statements;
use crate::store::Shared;

/// Which table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Register {
    Credential,
    Username,
    Model,
    Cursor,
    Token,
    TokenHash,
    File,
}

struct RegisterStatements<'a> {
    read: &'a PreparedStatement,
    insert: &'a PreparedStatement,
    update: &'a PreparedStatement,
    delete: &'a PreparedStatement,
}

impl Register {
    const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Username => "credential_username",
            Self::Model => "model",
            Self::Cursor => "cursor",
            Self::Token => "api_token",
            Self::TokenHash => "api_token_hash",
            Self::File => "file",
        }
    }

    fn statements(self, s: &Statements) -> RegisterStatements<'_> {
        let (read, insert, update, delete) = match self {
            Self::Credential => (&s.credential, &s.credential_insert, &s.credential_update, &s.credential_delete),
            Self::Username => (&s.username, &s.username_insert, &s.username_update, &s.username_delete),
            Self::Model => (&s.model, &s.model_insert, &s.model_update, &s.model_delete),
            Self::Cursor => (&s.cursor, &s.cursor_insert, &s.cursor_update, &s.cursor_delete),
            Self::Token => (&s.token, &s.token_insert, &s.token_update, &s.token_delete),
            Self::TokenHash => (&s.token_hash, &s.token_hash_insert, &s.token_hash_update, &s.token_hash_delete),
            Self::File => (&s.file, &s.file_insert, &s.file_update, &s.file_delete),
        };
        RegisterStatements { read, insert, update, delete }
    }
}

type Stored = Option<(Vec<u8>, i64)>;

impl Shared {
    pub(crate) async fn get(&self, register: Register, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let read = register.statements(&self.s).read;
        Ok(self.cql.row::<(Vec<u8>, i64)>(read, (&self.tenant, key)).await?.map(|(value, _)| value))
    }

    /// The last value set stays.
    pub(crate) async fn set(&self, register: Register, key: &[u8], value: Vec<u8>) -> Result<()> {
        self.change(register, key, |_| Change::Set(value.clone())).await.map(|_| ())
    }

    /// Forgets the value, if it is one that `is` wanted; whether it did.
    pub(crate) async fn unset(&self, register: Register, key: &[u8], is: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let before = self
            .change(register, key, |stored| match stored {
                Some((value, _)) if is(value) => Change::Unset,
                _ => Change::Nothing,
            })
            .await?;
        Ok(before.is_some_and(|(value, _)| is(&value)))
    }

    /// Decides on what is stored and writes that; what was stored. Of unknown outcome it is done again: that sets the same
    /// value, or finds nothing left to unset.
    async fn change(&self, register: Register, key: &[u8], decide: impl Fn(&Stored) -> Change) -> Result<Stored> {
        let Self { cql, tenant, .. } = self;
        let statements = register.statements(&self.s);
        let mut turn = self.turn(register.name(), key).await?;
        let mut open: Option<Stored> = None;
        loop {
            let stored: Stored = match open {
                None => cql.row(statements.read, (tenant, key)).await?,
                Some(_) => cql.row(&Statements::serial(statements.read), (tenant, key)).await?,
            };
            let applied = match (decide(&stored), &stored) {
                (Change::Nothing, _) | (Change::Unset, None) => return Ok(open.take().unwrap_or(stored)),
                (Change::Set(value), None) => cql.conditional(statements.insert, (tenant, key, value)).await?,
                (Change::Set(value), Some((_, revision))) => {
                    cql.conditional(statements.update, (value, revision + 1, tenant, key, revision)).await?
                }
                (Change::Unset, Some((_, revision))) => {
                    cql.conditional(statements.delete, (tenant, key, revision)).await?
                }
            };
            match applied {
                Ok(true) => return Ok(stored),
                Ok(false) => {}
                Err(error) if is_open(&error) => open = Some(stored),
                Err(error) => return Err(store_error(error)),
            }
            turn.again(&register.name()).await?;
        }
    }
}

enum Change {
    Nothing,
    Set(Vec<u8>),
    Unset,
}

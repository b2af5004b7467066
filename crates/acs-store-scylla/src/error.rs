use acs_store::Error;
use scylla::errors::{
    DbError, DeserializationError, ExecutionError, IntoRowsResultError, PrepareError, RequestAttemptError, RowsError,
};

use crate::config::ConfigError;

/// Why a store could not be opened or migrated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The configuration cannot serve.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No node answers, or none lets us in.
    #[error("no CQL node of {contact_points} can be used: {reason}; check addresses, TLS, user and password")]
    Unreachable {
        /// Whom we asked.
        contact_points: String,
        /// What the driver said.
        reason: String,
    },
    /// The cluster has several data centres and none is named.
    #[error("the CQL cluster has the data centres {datacenters}; name the one next to this process as the local one")]
    Datacenter {
        /// Their names.
        datacenters: String,
    },
    /// The keyspace or its tables are not there.
    #[error("the keyspace {keyspace} has no schema of this product; run `lastmile migrate`")]
    NotMigrated {
        /// The keyspace.
        keyspace: String,
    },
    /// The schema is of an older program.
    #[error("the keyspace {keyspace} has schema {found}, this program needs {wanted}; run `lastmile migrate`")]
    Older {
        /// The keyspace.
        keyspace: String,
        /// The version that is there.
        found: i32,
        /// The version that is needed.
        wanted: i32,
    },
    /// The schema is of a newer program. Nothing is written to it.
    #[error(
        "the keyspace {keyspace} has schema {found}, this program knows {known}; use a newer program, or another keyspace for `lastmile migrate`"
    )]
    Newer {
        /// The keyspace.
        keyspace: String,
        /// The version that is there.
        found: i32,
        /// The version this program knows.
        known: i32,
    },
    /// A statement failed. It may be tried again.
    #[error("{doing} failed: {reason}; what is done already stays, try again")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the cluster said.
        reason: String,
    },
}

/// What a failed request means: whether a write happened is not known, unless the cluster says that it cannot be.
pub(crate) fn store_error(error: ExecutionError) -> Error {
    use RequestAttemptError::{CqlRequestSerialization, SerializationError};
    let text = error.to_string();
    match error {
        ExecutionError::BadQuery(_) => Error::Invalid(text),
        ExecutionError::LastAttemptError(SerializationError(_) | CqlRequestSerialization(_)) => Error::Invalid(text),
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid | DbError::SyntaxError, _)) => {
            Error::Invalid(text)
        }
        _ => Error::Unavailable(text),
    }
}

/// Whether a conditional write with this outcome may have happened, or may still happen.
pub(crate) fn is_open(error: &ExecutionError) -> bool {
    matches!(store_error(error.clone()), Error::Unavailable(_))
}

pub(crate) fn rows_error(error: impl Into<RowError>) -> Error {
    Error::Corrupt(error.into().0)
}

/// Why rows cannot be read: they are not what this program writes.
pub(crate) struct RowError(String);

macro_rules! row_errors {
    ($($error:ty),*) => { $(impl From<$error> for RowError {
        fn from(error: $error) -> Self {
            Self(error.to_string())
        }
    })* };
}

row_errors!(IntoRowsResultError, RowsError, DeserializationError);

pub(crate) fn prepare_error(error: PrepareError) -> OpenError {
    OpenError::Statement { doing: "preparing the statements", reason: error.to_string() }
}

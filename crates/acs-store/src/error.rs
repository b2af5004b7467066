/// Why a call to the store failed. Nothing was changed unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached or does not answer; whether a write happened is not known. Try again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// No room left. It works again as soon as there is.
    #[error("the store has no room left: {0}")]
    NoSpace(String),
    /// A stored record cannot be read. Needs a person.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
    /// The call breaks a rule of the trait; a mistake of the caller that repeating does not mend.
    #[error("the store refuses the call: {0}")]
    Invalid(String),
}

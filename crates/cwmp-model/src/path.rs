use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A parameter or object name: a case-sensitive dotted path (CWMP-370).
///
/// An object path ends in `.`, a parameter does not; the empty path is the whole model (CWMP-231). At most
/// [`ParameterPath::CHARS_MAX`] characters (CWMP-084) without control characters. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterPath(Arc<str>);

/// Why a text is no parameter path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Over the limit of CWMP-084.
    #[error("a parameter path has at most 256 characters, this one has {chars}")]
    TooLong {
        /// How many it has.
        chars: usize,
    },
    /// A character that no name has.
    #[error("a parameter path has no control characters or white space, found {found:?}")]
    Character {
        /// The first of them.
        found: char,
    },
    /// Two dots in a row, or a dot in front.
    #[error("`{text}` has an empty segment")]
    EmptySegment {
        /// The text.
        text: String,
    },
}

impl ParameterPath {
    /// CWMP-084.
    pub const CHARS_MAX: usize = 256;

    /// The empty path: the whole data model.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks `text`, as operators and the ACS write it.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if let Some(found) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(PathError::Character { found });
        }
        let chars = text.chars().count();
        if chars > Self::CHARS_MAX {
            return Err(PathError::TooLong { chars });
        }
        if text.starts_with('.') || text.contains("..") {
            return Err(PathError::EmptySegment { text: text.to_owned() });
        }
        Ok(Self(text.into()))
    }

    /// Takes `text` as a device sent it: only what could harm us is refused.
    pub fn from_device(text: &str) -> Result<Self, PathError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > Self::CHARS_MAX {
            return Err(PathError::TooLong { chars });
        }
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(PathError::Character { found });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names an object (ends in `.`) or the whole model.
    pub fn is_object(&self) -> bool {
        self.0.is_empty() || self.0.ends_with('.')
    }

    /// The object that holds this, with its final dot; empty for a root object.
    pub fn parent(&self) -> &str {
        let inner = self.0.strip_suffix('.').unwrap_or(&self.0);
        inner.rfind('.').map_or("", |dot| &inner[..=dot])
    }

    /// The last segment without dot.
    pub fn leaf(&self) -> &str {
        let inner = self.0.strip_suffix('.').unwrap_or(&self.0);
        inner.rfind('.').map_or(inner, |dot| &inner[dot + 1..])
    }

    /// Whether this is `object` itself or lies below it.
    pub fn is_within(&self, object: &ParameterPath) -> bool {
        object.is_object() && self.0.starts_with(&*object.0)
    }
}

impl Borrow<str> for ParameterPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ParameterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

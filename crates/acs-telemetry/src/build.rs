use std::fmt;

/// What runs here: `--version`, the metric `lastmile_build_info`, the first log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, for example `0.1.0`.
    pub version: &'static str,
    /// The source revision (`git describe --always --dirty`), if the build was told.
    pub revision: Option<&'static str>,
}

impl fmt::Display for BuildInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision {
            Some(revision) => write!(f, "{} ({revision})", self.version),
            None => f.write_str(self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_shown_if_known() {
        let build = BuildInfo { version: "0.1.0", revision: Some("3da45c7") };
        assert_eq!(build.to_string(), "0.1.0 (3da45c7)");
        assert_eq!(BuildInfo { revision: None, ..build }.to_string(), "0.1.0");
    }
}

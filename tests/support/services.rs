//! The servers that `cargo xtask services up` starts.

/// Where they are, comma-separated as in the variables.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) kafka: String,
    pub(crate) cql: String,
    pub(crate) redis: String,
}

const NAMED: [&str; 3] = ["LASTMILE_TEST_KAFKA", "LASTMILE_TEST_CQL", "LASTMILE_TEST_REDIS"];

impl Services {
    /// `None`: they are not there, and nobody said that they have to be.
    pub(crate) fn find() -> Option<Self> {
        let address = |variable: &str, default: &str| std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        let [kafka, cql, redis] = NAMED;
        let found = Self {
            kafka: address(kafka, "127.0.0.1:19092"),
            cql: address(cql, "127.0.0.1:19042"),
            redis: address(redis, "127.0.0.1:16379"),
        };
        let answers = |addresses: &str| addresses.split(',').all(|a| std::net::TcpStream::connect(a).is_ok());
        let all = [&found.kafka, &found.cql, &found.redis];
        let missing: Vec<_> = all.into_iter().filter(|addresses| !answers(addresses)).collect();
        if missing.is_empty() {
            return Some(found);
        }
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        let told = format!("nothing answers at {missing:?}; start it with `cargo xtask services up`");
        assert!(!is_ci && !NAMED.map(std::env::var).iter().any(Result::is_ok), "{told}");
        eprintln!("not tested: {told}");
        None
    }

    /// How many copies of everything there can be: as many as there are brokers and CQL servers.
    pub(crate) fn copies(&self) -> (usize, usize) {
        (self.kafka.split(',').count(), self.cql.split(',').count())
    }
}

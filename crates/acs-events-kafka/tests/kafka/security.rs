//! TLS and SASL against a broker that asks for both.

use std::path::PathBuf;

use acs_events::EventSink;
use acs_events::contract::record;
use acs_events_kafka::{KafkaConfig, KafkaLog, KafkaSink, Metrics, Sasl, SaslMechanism, Tls, check_topics};
use acs_types::Secret;

use crate::service::{fresh, read_all};

/// Settings by TLS, with topics that are there; the variables are those of `cargo xtask services`.
async fn secure(mechanism: SaslMechanism, password: Option<&str>) -> Option<KafkaConfig> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(brokers) = variable("LASTMILE_TEST_KAFKA_TLS") else {
        let missing = "LASTMILE_TEST_KAFKA_TLS is not set; `cargo xtask services env` says it";
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
        eprintln!("left out: {missing}");
        return None;
    };
    let plain = fresh(1).await?;
    let username = variable("LASTMILE_TEST_KAFKA_USER").unwrap();
    let password = password.map(str::to_owned).or_else(|| variable("LASTMILE_TEST_KAFKA_PASSWORD")).unwrap();
    let tls = Tls { ca_file: variable("LASTMILE_TEST_CA").map(PathBuf::from), certificate: None };
    let sasl = Sasl { mechanism, username, password: Secret::new(password) };
    Some(KafkaConfig { bootstrap_servers: brokers, tls: Some(tls), sasl: Some(sasl), ..plain })
}

async fn works(mechanism: SaslMechanism) {
    let Some(config) = secure(mechanism, None).await else { return };
    check_topics(&config).await.unwrap();
    let sink = KafkaSink::new(config.clone(), Metrics::default()).unwrap();
    sink.append(vec![record(1, 1)]).await.unwrap();
    let events = read_all(&KafkaLog::new(config).unwrap()).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_over_tls() {
    works(SaslMechanism::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scram_sha_256_over_tls() {
    works(SaslMechanism::ScramSha256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scram_sha_512_over_tls() {
    works(SaslMechanism::ScramSha512).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_no_receipt() {
    let Some(config) = secure(SaslMechanism::ScramSha512, Some("guess")).await else { return };
    let sink = KafkaSink::new(config.clone(), Metrics::default()).unwrap();
    assert!(sink.append(vec![record(1, 1)]).await.is_err() && sink.is_open());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_of_a_strange_authority_gets_nothing() {
    let Some(config) = secure(SaslMechanism::Plain, None).await else { return };
    // Whom the system trusts did not sign the broker of the tests; the deadline is the one that suffices above.
    let config = KafkaConfig { tls: Some(Tls::default()), ..config };
    let sink = KafkaSink::new(config, Metrics::default()).unwrap();
    assert!(sink.append(vec![record(1, 1)]).await.is_err());
}

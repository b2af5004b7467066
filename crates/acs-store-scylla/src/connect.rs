//! The driver's session as this store wants it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::policies::timestamp_generator::MonotonicTimestampGenerator;
use scylla::statement::{Consistency, SerialConsistency};

use crate::config::{ConfigError, CqlTls, ScyllaConfig};
use crate::error::OpenError;

/// A node that does not answer for so long, asked for so long, is left out until it does (P15).
const KEEPALIVE: Duration = Duration::from_secs(2);
/// What may be done twice goes to another node, too, if the first has not answered by then (P15).
const SECOND_TRY_AFTER: Duration = Duration::from_millis(500);

/// Connects, in no keyspace yet.
pub(crate) async fn connect(config: &ScyllaConfig) -> Result<Session, OpenError> {
    config.check()?;
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .request_timeout(Some(config.request_timeout))
        .speculative_execution_policy(Some(Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: SECOND_TRY_AFTER,
        })));
    let profile = match &config.local_datacenter {
        Some(name) => profile
            .load_balancing_policy(DefaultPolicy::builder().prefer_datacenter(name.clone()).token_aware(true).build()),
        None => profile,
    };
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.contact_points)
        .default_execution_profile_handle(profile.build().into_handle())
        .connection_timeout(config.connect_timeout)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        // Plain writes of one process keep their order whichever node they go through.
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        .fetch_schema_metadata(false);
    if let Some(login) = &config.credentials {
        builder = builder.user(&login.username, login.password.reveal());
    }
    if let Some(tls) = &config.tls {
        builder = builder.tls_context(Some(client_config(tls)?));
    }
    let session = builder.build().await.map_err(|error| OpenError::Unreachable {
        contact_points: config.contact_points.join(", "),
        reason: error.to_string(),
    })?;
    check_datacenters(config, &session)?;
    Ok(session)
}

/// A quorum is one of the data centre that is asked: with several of them it must not depend on which node answers first.
fn check_datacenters(config: &ScyllaConfig, session: &Session) -> Result<(), OpenError> {
    let state = session.get_cluster_state();
    let mut names: Vec<&str> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let is_named = config.local_datacenter.as_deref().map_or(names.len() <= 1, |name| names.contains(&name));
    if is_named { Ok(()) } else { Err(OpenError::Datacenter { datacenters: names.join(", ") }) }
}

fn client_config(tls: &CqlTls) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&tls.ca)? {
        roots.add(authority).map_err(|error| unusable(&tls.ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&tls.ca, &error))?
        .with_root_certificates(roots);
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, private).map_err(|error| unusable(certificate, &error))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable(file, &"it has no certificate")),
        Err(error) => Err(unusable(file, &error)),
    }
}

fn unusable(file: &Path, reason: &dyn std::fmt::Display) -> ConfigError {
    ConfigError { field: "tls", problem: format!("cannot use {}: {reason}", file.display()) }
}

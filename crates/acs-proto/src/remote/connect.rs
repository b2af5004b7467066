//! Mutual TLS between the services: both sides show a certificate of one authority, from files that may change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take, its handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a connection is asked whether the other end lives, and how long its answer may take.
pub(super) const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How often the files are looked at.
pub const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(5);

/// What a process proves itself with to the others, and by whom the others are believed.
///
/// The files may change at any time: connections made from then on use the new ones, those that stand end at their age
/// ([`CONNECTION_AGE`](super::CONNECTION_AGE)).
#[derive(Debug)]
pub struct MutualTls {
    files: TlsFiles,
    current: ArcSwap<Configs>,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain of this process, its own first. It is shown as a server and as a client.
    pub certificates: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities whose certificates are believed, in both directions.
    pub authorities: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MutualTlsError {
    /// A file cannot be read or holds no PEM of that kind.
    #[error("no {what} can be read from {}: {why}; give a PEM file", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// They do not belong together, or are of a kind that TLS here does not know.
    #[error("{} with its key and {} cannot serve mutual TLS: {why}", certificates.display(), authorities.display())]
    Unusable {
        /// The certificate file.
        certificates: PathBuf,
        /// The file of the authorities.
        authorities: PathBuf,
        /// Why.
        why: String,
    },
}

#[derive(Debug)]
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl MutualTls {
    /// Reads the files.
    pub fn from_files(files: TlsFiles) -> Result<Arc<Self>, MutualTlsError> {
        let current = ArcSwap::from_pointee(Configs::read(&files)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again. On an error what was read before stays in use.
    pub fn reload(&self) -> Result<(), MutualTlsError> {
        self.current.store(Arc::new(Configs::read(&self.files)?));
        Ok(())
    }

    /// Reloads whenever one of the files has changed; looks every `interval`. Never returns.
    pub async fn watch(&self, interval: Duration) {
        let mut seen = self.modified();
        loop {
            tokio::time::sleep(interval).await;
            let modified = self.modified();
            if modified == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    seen = modified;
                    tracing::info!(certificates = %self.files.certificates.display(), "certificate reloaded");
                }
                // Perhaps not all files are new yet: the next look tries again.
                Err(error) => tracing::warn!(%error, "the changed certificate is not used yet"),
            }
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.load().server).into()
    }

    fn connector(&self) -> TlsConnector {
        Arc::clone(&self.current.load().client).into()
    }

    fn modified(&self) -> [Option<SystemTime>; 3] {
        let modified = |path: &PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let TlsFiles { certificates, key, authorities } = &self.files;
        [certificates, key, authorities].map(modified)
    }
}

impl Configs {
    fn read(files: &TlsFiles) -> Result<Self, MutualTlsError> {
        let chain = certificates("certificate", &files.certificates)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| no_file("private key", &files.key, &e))?;
        let mut roots = RootCertStore::empty();
        let unusable = |why: String| MutualTlsError::Unusable {
            certificates: files.certificates.clone(),
            authorities: files.authorities.clone(),
            why,
        };
        for authority in certificates("certificate of an authority", &files.authorities)? {
            roots.add(authority).map_err(|e| unusable(e.to_string()))?;
        }
        let server = server(chain.clone(), key.clone_key(), roots.clone()).map_err(unusable)?;
        let client = client(chain, key, roots).map_err(|e| unusable(e.to_string()))?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, MutualTlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| no_file(what, path, &e))?;
    if chain.is_empty() { Err(no_file(what, path, &"it holds none")) } else { Ok(chain) }
}

fn no_file(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> MutualTlsError {
    MutualTlsError::File { what, path: path.to_owned(), why: why.to_string() }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.build().map_err(|e| e.to_string())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| e.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|e| e.to_string())?;
    // Not resumed: a certificate is looked at in each handshake.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn client(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// A connection to one process, made when it is first needed and again whenever it is lost.
pub(super) fn channel(address: SocketAddr, host: &str, tls: Arc<MutualTls>) -> Channel {
    // The connector makes TLS itself, with the certificate of the moment, so HTTP/2 sees a plain stream.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address is an authority");
    let host = host.to_owned();
    let connector = tower::service_fn(move |_| {
        let (tls, host) = (Arc::clone(&tls), host.clone());
        async move {
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connector().connect(name, stream).await?))
        }
    });
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector)
}

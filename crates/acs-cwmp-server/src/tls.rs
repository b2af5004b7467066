use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The certificate of a listener, replaceable while it serves: connections that stand keep the one they began with.
///
/// TLS 1.2 and 1.3 (CWMP-035), no client certificate and no SNI needed (CWMP-037). Handshakes are not resumed: a resumed
/// one costs as much as a full one with an ECDSA key (`design.md` §4.1).
#[derive(Debug)]
pub struct TlsIdentity {
    certificates: PathBuf,
    key: PathBuf,
    current: Arc<CurrentCertificate>,
    config: Arc<ServerConfig>,
}

/// What each handshake is answered with.
#[derive(Debug)]
struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
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
    /// The two do not belong together, or the key is of a kind that TLS here does not know.
    #[error("the certificate in {} and its key cannot serve TLS: {why}", certificates.display())]
    Unusable {
        /// The certificate file.
        certificates: PathBuf,
        /// Why.
        why: rustls::Error,
    },
}

impl TlsIdentity {
    /// Reads a PEM chain, the server's certificate first, and its PEM key.
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = Arc::new(CurrentCertificate(ArcSwap::from_pointee(read(certificates, key)?)));
        let config = server_config(current.clone())
            .map_err(|why| TlsError::Unusable { certificates: certificates.to_owned(), why })?;
        let (certificates, key) = (certificates.to_owned(), key.to_owned());
        Ok(Arc::new(Self { certificates, key, current, config: Arc::new(config) }))
    }

    /// Reads the files again. On an error the old certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.0.store(Arc::new(read(&self.certificates, &self.key)?));
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
                    tracing::info!(certificates = %self.certificates.display(), "certificate reloaded");
                }
                // Perhaps only one of the two files is new yet: the next look tries again.
                Err(error) => tracing::warn!(%error, "the changed certificate is not used yet"),
            }
        }
    }

    /// An acceptor for any number of listeners; each handshake gets the certificate of its moment.
    pub fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        [modified(&self.certificates), modified(&self.key)]
    }
}

fn read(certificates: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let no_file = |what, path: &Path, why: String| TlsError::File { what, path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| no_file("certificate", certificates, e.to_string()))?;
    if chain.is_empty() {
        return Err(no_file("certificate", certificates, "it holds none".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| no_file("private key", key, e.to_string()))?;
    let unusable = |why| TlsError::Unusable { certificates: certificates.to_owned(), why };
    // Checks that the two belong together.
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).map_err(unusable)
}

fn server_config(certificate: Arc<CurrentCertificate>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    Ok(config)
}

/// What TLS here may use, the preferred first: of the suites of TLS 1.3 the one with AES-128 and SHA-256. It is as good as
/// the others for what is served here, every peer has to have it (RFC 8446 §9.1), and both ends have instructions for
/// SHA-256 where they have any; a handshake with SHA-384 costs a tenth more.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

//! One certificate for all servers of a set and one for a client, both of an authority made for the set.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

use super::Variable;

/// The authority.
pub(crate) const CA: &str = "ca.pem";
/// The servers' certificate.
pub(crate) const SERVER: &str = "server.pem";
/// Its key, PKCS #8.
pub(crate) const SERVER_KEY: &str = "server.key";
/// Key and certificate in one file, as Kafka wants them.
pub(super) const SERVER_BOTH: &str = "server-both.pem";
const CLIENT: &str = "client.pem";
const CLIENT_KEY: &str = "client.key";

/// Writes the files into `folder`, unless they are there: servers that run have read them.
pub(crate) fn write(folder: &Path) -> Result<()> {
    if folder.join(CA).exists() {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "Lastmile test authority");
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);

    // The servers are clients of each other.
    let (server, server_key) = signed("localhost", vec![ServerAuth, ClientAuth], &issuer)?;
    let (client, client_key) = signed("lastmile-test", vec![ClientAuth], &issuer)?;
    let files = [
        (SERVER, &server),
        (SERVER_KEY, &server_key),
        (SERVER_BOTH, &format!("{server_key}{server}")),
        (CLIENT, &client),
        (CLIENT_KEY, &client_key),
        // Last: it says that all are there.
        (CA, &authority),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name} in {}", folder.display()))?;
    }
    Ok(())
}

pub(super) fn variables(folder: &Path) -> Vec<Variable> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        ("LASTMILE_TEST_CA", path(CA)),
        ("LASTMILE_TEST_CLIENT_CERT", path(CLIENT)),
        ("LASTMILE_TEST_CLIENT_KEY", path(CLIENT_KEY)),
    ]
}

/// A certificate for `name` and each loopback address in use, and its key.
fn signed(name: &str, usages: Vec<ExtendedKeyUsagePurpose>, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    let hosts = (1..=3).map(|host| SanType::IpAddress(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host))));
    params.subject_alt_names.extend(hosts);
    params.extended_key_usages = usages;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let read = || fs::read_to_string(folder.path().join(SERVER)).unwrap();
        write(folder.path()).unwrap();
        let first = read();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
        write(folder.path()).unwrap();
        assert_eq!(read(), first);
        for (_, file) in variables(folder.path()) {
            assert!(Path::new(&file).exists(), "{file}");
        }
    }
}

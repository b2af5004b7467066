use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a host name, which has no dot at its end.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The dot makes the name absolute: search domains (in a cluster: those of its services) are not tried.
        let absolute = format!("{name}.");
        Ok(tokio::net::lookup_host((absolute.as_str(), 0)).await?.map(|a| a.ip()).collect())
    }
}

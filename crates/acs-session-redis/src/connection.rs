//! How a connection comes about, for each kind of Redis.

use std::path::Path;
use std::sync::Arc;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, TlsMode, Value,
};

use crate::config::{Addresses, RedisConfig, RedisCredentials, RedisMode};

/// Calls that wait for their answer on one connection; further ones wait for these.
const IN_FLIGHT_MAX: usize = 4096;
/// Calls that wait to be written.
const UNWRITTEN_MAX: usize = 1024;
/// Redirections and reconnects of one call within a Cluster; the time budget ends it sooner.
const CLUSTER_RETRIES: u32 = 3;
/// Milliseconds between them.
const CLUSTER_RETRY_WAIT: (u64, u64) = (1, 10);

/// A connection that many calls share; clones are the same one.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(cmd, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Why no connection came about.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot read the file {0} for TLS: {1}")]
    File(String, Arc<std::io::Error>),
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("no connection within {0} ms")]
    Slow(u128),
    #[error("the driver broke")]
    Panic,
}

/// Connects as the configuration says.
#[derive(Debug)]
pub(crate) struct Connector {
    config: RedisConfig,
    addresses: Addresses,
}

impl Connector {
    pub(crate) fn new(config: RedisConfig, addresses: Addresses) -> Self {
        if addresses.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // The driver takes the process's provider. If another one came in between, that is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Self { config, addresses }
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        let time = self.config.connect_timeout;
        let connecting = async {
            match &self.config.mode {
                RedisMode::Single => self.single().await.map(Connection::Server),
                RedisMode::Sentinel { master } => self.sentinel(master).await.map(Connection::Server),
                RedisMode::Cluster => self.cluster().await.map(Connection::Cluster),
            }
        };
        tokio::time::timeout(time, connecting).await.unwrap_or(Err(ConnectError::Slow(time.as_millis())))
    }

    async fn single(&self) -> Result<MultiplexedConnection, ConnectError> {
        let infos = self.infos(&self.config.credentials)?;
        let info = infos.into_iter().next().expect("the configuration was checked: there is one");
        let client = match self.certificates().await? {
            Some(certificates) => Client::build_with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        Ok(client.get_multiplexed_async_connection_with_config(&self.shared()).await?)
    }

    /// Asks the Sentinels for the master each time, and the master whether it is one.
    async fn sentinel(&self, master: &str) -> Result<MultiplexedConnection, ConnectError> {
        let mut builder = SentinelClientBuilder::new(self.addrs(), master, SentinelServerType::Master)?
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(RedisCredentials { username, password }) = &self.config.credentials {
            builder = builder.set_client_to_redis_password(password.reveal());
            if let Some(username) = username {
                builder = builder.set_client_to_redis_username(username);
            }
        }
        if let Some(RedisCredentials { username, password }) = &self.config.sentinel_credentials {
            builder = builder.set_client_to_sentinel_password(password.reveal());
            if let Some(username) = username {
                builder = builder.set_client_to_sentinel_username(username);
            }
        }
        if let Some(certificates) = self.certificates().await? {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        Ok(builder.build()?.get_async_connection_with_config(&self.shared()).await?)
    }

    async fn cluster(&self) -> Result<ClusterConnection, ConnectError> {
        let (shortest, longest) = CLUSTER_RETRY_WAIT;
        let mut builder = ClusterClientBuilder::new(self.infos(&None)?)
            .connection_timeout(self.config.connect_timeout)
            .response_timeout(self.config.time_budget)
            // The budget of the call is kept by its caller, over all retries.
            .overall_response_timeout(None)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(shortest)
            .max_retry_wait(longest)
            .connection_concurrency_limit(IN_FLIGHT_MAX)
            .tcp_settings(tcp());
        if let Some(RedisCredentials { username, password }) = &self.config.credentials {
            builder = builder.password(password.reveal());
            if let Some(username) = username {
                builder = builder.username(username);
            }
        }
        if let Some(certificates) = self.certificates().await? {
            builder = builder.certs(certificates);
        }
        Ok(builder.build()?.get_async_connection().await?)
    }

    /// The time-out of answers is that of connecting, of which the log-in is a part; calls have their own.
    fn shared(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(Some(self.config.connect_timeout))
            .set_pipeline_buffer_size(UNWRITTEN_MAX)
            .set_concurrency_limit(IN_FLIGHT_MAX)
    }

    fn addrs(&self) -> Vec<ConnectionAddr> {
        let addr = |(host, port): &(String, u16)| match self.addresses.tls {
            true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host.clone(), *port),
        };
        self.addresses.hosts.iter().map(addr).collect()
    }

    fn infos(&self, credentials: &Option<RedisCredentials>) -> Result<Vec<ConnectionInfo>, RedisError> {
        let mut login = RedisConnectionInfo::default();
        if let Some(RedisCredentials { username, password }) = credentials {
            login = login.set_password(password.reveal());
            if let Some(username) = username {
                login = login.set_username(username);
            }
        }
        let info = |addr: ConnectionAddr| {
            Ok(addr.into_connection_info()?.set_redis_settings(login.clone()).set_tcp_settings(tcp()))
        };
        self.addrs().into_iter().map(info).collect()
    }

    /// What TLS needs; `None`: no TLS.
    async fn certificates(&self) -> Result<Option<TlsCertificates>, ConnectError> {
        if !self.addresses.tls {
            return Ok(None);
        }
        let root_cert = match &self.config.tls.ca {
            Some(ca) => Some(read(ca).await?),
            None => None,
        };
        let client_tls = match &self.config.tls.client {
            Some((certificate, key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate).await?, client_key: read(key).await? })
            }
            None => None,
        };
        Ok(Some(TlsCertificates { client_tls, root_cert }))
    }
}

/// Small messages must not wait for each other.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

async fn read(file: &Path) -> Result<Vec<u8>, ConnectError> {
    tokio::fs::read(file).await.map_err(|error| ConnectError::File(file.display().to_string(), Arc::new(error)))
}

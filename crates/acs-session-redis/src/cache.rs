use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use acs_store::{CachedSession, END_KEPT, Error, ReplayWindow, Result, SessionCache, check_nonce};
use acs_types::{DeviceId, SessionId, SessionStamp};
use async_trait::async_trait;
use futures::future::{join_all, try_join};
use redis::RedisResult;

use crate::breaker::Breaker;
use crate::config::{ConfigError, Lives, RedisConfig};
use crate::connection::{Connection, Connector};
use crate::gate::Gate;
use crate::keys::{Keys, SHARDS};
use crate::link::Link;
use crate::lua;
use crate::metrics::Metrics;

/// The session cache, and the replay window, of all front-ends together.
///
/// It connects when it is first used, so a process starts without Redis. Each call ends within the time budget; while the
/// breaker is open it ends at once. It needs to be used within a tokio runtime.
pub struct RedisSessionCache {
    gate: Gate,
    keys: Keys,
    lives: Lives,
    snapshot_bytes_max: usize,
    metrics: Arc<Metrics>,
}

impl RedisSessionCache {
    /// A cache that will connect as `config` says.
    ///
    /// # Errors
    /// What is wrong with the configuration. A Redis that cannot be reached is no error here.
    pub fn new(config: RedisConfig, metrics: Metrics) -> Result<Self, ConfigError> {
        config.check()?;
        let metrics = Arc::new(metrics);
        let (keys, lives, snapshot_bytes_max) = (Keys::new(&config), config.lives, config.snapshot_bytes_max);
        let (breaker, time_budget) = (Breaker::new(config.breaker), config.time_budget);
        let addresses = config.addresses()?;
        let link = Link::new(Connector::new(config, addresses), Arc::clone(&metrics));
        let gate = Gate::new(link, breaker, Arc::clone(&metrics), time_budget);
        Ok(Self { gate, keys, lives, snapshot_bytes_max, metrics })
    }

    /// Whether Redis answers, for a readiness that tells of it (it must not depend on it: P14). Connects if need be.
    ///
    /// # Errors
    /// `Unavailable`, as any call.
    pub async fn ping(&self) -> Result<()> {
        self.gate
            .call("ping", |mut connection| async move { redis::cmd("PING").exec_async(&mut connection).await })
            .await
    }

    fn kept<'a>(&self, snapshot: &'a [u8]) -> &'a [u8] {
        if snapshot.len() <= self.snapshot_bytes_max {
            return snapshot;
        }
        self.metrics.snapshot_too_large();
        &[]
    }

    /// The fields of a session that is there, as its script gives them; perhaps with a new snapshot. Touches its device, too,
    /// when it is time.
    async fn touch(
        &self,
        connection: &mut Connection,
        session: &SessionId,
        snapshot: Option<&[u8]>,
    ) -> RedisResult<Option<Vec<Vec<u8>>>> {
        let (id, life) = (session.to_string(), millis(self.lives.session));
        let mut arguments = vec![id.as_bytes(), life.as_bytes()];
        arguments.extend(snapshot);
        let found: Option<Vec<Vec<u8>>> =
            lua::SESSION_TOUCH.run(connection, &self.keys.session(session), &arguments).await?;
        if let Some([touched, device, ..]) = found.as_deref()
            && touched == b"1"
            && let Ok(device) = read("device id", device)
        {
            let [current, _] = self.keys.device(&device);
            let arguments = [id.as_bytes(), life.as_bytes()];
            lua::DEVICE_TOUCH.run::<()>(connection, &[current], &arguments).await?;
        }
        Ok(found)
    }
}

#[async_trait]
impl SessionCache for RedisSessionCache {
    /// Two steps side by side: the device's, which is one step with `end` and `hint_work`, and the session's.
    async fn begin(&self, session: &CachedSession) -> Result<Option<SessionId>> {
        let (id, stamp) = (session.session.to_string(), session.stamp.as_micros().to_string());
        let (session_life, device_life) = (millis(self.lives.session), millis(self.lives.device));
        let (id, stamp, session_life) = (id.as_bytes(), stamp.as_bytes(), session_life.as_bytes());
        let front_end = session.front_end.as_str().as_bytes();
        let device = session.device.as_str().as_bytes();
        let of_device = [id, stamp, session_life, device_life.as_bytes()];
        let of_session = [id, device, stamp, front_end, self.kept(&session.snapshot), session_life];
        let device_keys = self.keys.device(&session.device);
        let session_keys = self.keys.session(&session.session);
        let before: Option<Vec<u8>> = self
            .gate
            .call("begin", |mut connection| async move {
                let mut other = connection.clone();
                let device = lua::DEVICE_BEGIN.run(&mut connection, &device_keys, &of_device);
                let session = lua::SESSION_BEGIN.run::<()>(&mut other, &session_keys, &of_session);
                Ok(try_join(device, session).await?.0)
            })
            .await?;
        before.map(|before| read("session id", &before)).transpose()
    }

    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> Result<()> {
        let snapshot = self.kept(&snapshot);
        self.gate
            .call("put_snapshot", |mut connection| async move {
                self.touch(&mut connection, session, Some(snapshot)).await.map(|_| ())
            })
            .await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<CachedSession>> {
        let found = self
            .gate
            .call("session", |mut connection| async move { self.touch(&mut connection, session, None).await })
            .await?;
        let Some(found) = found else { return Ok(None) };
        let [_, device, stamp, front_end, snapshot] = <[_; 5]>::try_from(found)
            .map_err(|found| Error::Corrupt(format!("a session in redis has {} fields", found.len())))?;
        Ok(Some(CachedSession {
            session: *session,
            device: read("device id", &device)?,
            stamp: SessionStamp::from_micros(read("stamp", &stamp)?),
            front_end: read("front-end", &front_end)?,
            snapshot,
        }))
    }

    async fn current(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        let [current, _] = self.keys.device(device);
        let current: Option<Vec<u8>> = self
            .gate
            .call("current", |mut connection| async move {
                redis::cmd("GET").arg(current).query_async(&mut connection).await
            })
            .await?;
        current.map(|current| read("session id", &current)).transpose()
    }

    async fn last_stamp(&self, device: &DeviceId) -> Result<SessionStamp> {
        let [_, device] = self.keys.device(device);
        let stamp: Option<Vec<u8>> = self
            .gate
            .call("last_stamp", |mut connection| async move {
                redis::cmd("HGET").arg(device).arg("stamp").query_async(&mut connection).await
            })
            .await?;
        let micros = stamp.map(|stamp| read("stamp", &stamp)).transpose()?;
        Ok(micros.map(SessionStamp::from_micros).unwrap_or_default())
    }

    async fn end(&self, device: &DeviceId, session: &SessionId) -> Result<bool> {
        let (id, kept) = (session.to_string(), millis(END_KEPT));
        let (device_keys, session_keys) = (self.keys.device(device), self.keys.session_end(session));
        self.gate
            .call("end", |mut connection| async move {
                let mut other = connection.clone();
                let (of_device, of_session) = ([id.as_bytes()], [id.as_bytes(), kept.as_bytes()]);
                let device = lua::DEVICE_END.run(&mut connection, &device_keys, &of_device);
                let session = lua::SESSION_END.run::<()>(&mut other, &session_keys, &of_session);
                Ok(try_join(device, session).await?.0)
            })
            .await
    }

    async fn has_ended(&self, session: &SessionId) -> Result<bool> {
        let [.., ended] = self.keys.session_end(session);
        self.gate
            .call("has_ended", |mut connection| async move {
                redis::cmd("EXISTS").arg(ended).query_async(&mut connection).await
            })
            .await
    }

    async fn hint_work(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        let (keys, life) = (self.keys.device(device), millis(self.lives.device));
        let current: Option<Vec<u8>> = self
            .gate
            .call("hint_work", |mut connection| async move {
                lua::DEVICE_HINT.run(&mut connection, &keys, &[life.as_bytes()]).await
            })
            .await?;
        current.map(|current| read("session id", &current)).transpose()
    }

    async fn take_hint(&self, device: &DeviceId) -> Result<bool> {
        let [_, device] = self.keys.device(device);
        self.gate
            .call("take_hint", |mut connection| async move {
                redis::cmd("HDEL").arg(device).arg("hint").query_async(&mut connection).await
            })
            .await
    }

    /// Exact but for sessions that are counted until their life is over: those whose `end` Redis was not told.
    async fn live_sessions(&self) -> Result<u64> {
        let shards: Vec<String> = (0..SHARDS).map(|shard| self.keys.live(shard)).collect();
        self.gate
            .call("live_sessions", |connection| async move {
                let count = |live: String| {
                    let mut connection = connection.clone();
                    async move { lua::LIVE_COUNT.run::<u64>(&mut connection, &[live], &[]).await }
                };
                join_all(shards.into_iter().map(count)).await.into_iter().sum()
            })
            .await
    }
}

#[async_trait]
impl ReplayWindow for RedisSessionCache {
    async fn first_use(&self, nonce: &str, nc: u32) -> Result<bool> {
        check_nonce(nonce)?;
        let (key, life) = (self.keys.nonce(nonce, nc), millis(self.lives.nonce));
        // `OK`, or nothing if the key was there.
        let set: Option<String> = self
            .gate
            .call("first_use", |mut connection| async move {
                redis::cmd("SET").arg(key).arg("1").arg("NX").arg("PX").arg(life).query_async(&mut connection).await
            })
            .await?;
        Ok(set.is_some())
    }
}

impl fmt::Debug for RedisSessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessionCache").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn millis(life: std::time::Duration) -> String {
    life.as_millis().to_string()
}

fn read<T: FromStr<Err: fmt::Display>>(what: &str, stored: &[u8]) -> Result<T> {
    let text = String::from_utf8_lossy(stored);
    text.parse().map_err(|error| Error::Corrupt(format!("the {what} in redis: {error}")))
}

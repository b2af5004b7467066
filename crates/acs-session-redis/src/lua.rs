//! The scripts: each is one step on keys of one hash slot.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind};

use crate::connection::Connection;

pub(crate) static DEVICE_BEGIN: Lua = Lua::new(include_str!("lua/device_begin.lua"));
pub(crate) static DEVICE_END: Lua = Lua::new(include_str!("lua/device_end.lua"));
pub(crate) static DEVICE_HINT: Lua = Lua::new(include_str!("lua/device_hint.lua"));
pub(crate) static DEVICE_TOUCH: Lua = Lua::new(include_str!("lua/device_touch.lua"));
pub(crate) static SESSION_BEGIN: Lua = Lua::new(include_str!("lua/session_begin.lua"));
pub(crate) static SESSION_END: Lua = Lua::new(include_str!("lua/session_end.lua"));
pub(crate) static SESSION_TOUCH: Lua = Lua::new(include_str!("lua/session_touch.lua"));
pub(crate) static LIVE_COUNT: Lua = Lua::new(include_str!("lua/live_count.lua"));

/// A script. A server that has run it knows it by its hash.
pub(crate) struct Lua {
    code: &'static str,
    hash: OnceLock<String>,
}

impl Lua {
    const fn new(code: &'static str) -> Self {
        Self { code, hash: OnceLock::new() }
    }

    /// Runs it where its keys are. To a server that does not know it (any more) it is sent whole, which needs no other node
    /// of a Cluster, unlike `SCRIPT LOAD`.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut Connection,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> RedisResult<T> {
        let by_hash = command("EVALSHA", self.hash(), keys, arguments);
        match by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.code, keys, arguments).query_async(connection).await
            }
            told => told,
        }
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| Script::new(self.code).get_hash().to_owned())
    }
}

fn command(name: &str, script: &str, keys: &[String], arguments: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}

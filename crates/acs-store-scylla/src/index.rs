//! The indexes of devices: in order of their id within a shard, merged here.

use acs_store::{Result, timer_shard};
use acs_types::DeviceId;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use scylla::statement::prepared::PreparedStatement;

use crate::place;
use crate::store::Shared;

/// Partitions of each index: a fleet of ten million devices has some 600,000 small rows in each. In keys, for ever.
const SHARDS: i16 = 16;

/// Which one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Index {
    /// Devices that are known, but for those whose deletion was interrupted.
    Devices,
    /// Devices that may have open tasks.
    OpenTasks,
}

impl Index {
    fn after(self, shared: &Shared) -> &PreparedStatement {
        match self {
            Self::Devices => &shared.s.device_index_after,
            Self::OpenTasks => &shared.s.open_index_after,
        }
    }

    fn write(self, shared: &Shared) -> &PreparedStatement {
        match self {
            Self::Devices => &shared.s.device_index_write,
            Self::OpenTasks => &shared.s.open_index_write,
        }
    }

    fn delete(self, shared: &Shared) -> &PreparedStatement {
        match self {
            Self::Devices => &shared.s.device_index_delete,
            Self::OpenTasks => &shared.s.open_index_delete,
        }
    }
}

/// An entry, with a logical time.
pub(crate) async fn write(shared: &Shared, index: Index, device: &DeviceId, time: i64) -> Result<()> {
    shared.cql.write(index.write(shared), (&shared.tenant, shard(device), device.as_str(), time)).await
}

/// Takes an entry of this time or an earlier one away.
pub(crate) async fn delete(shared: &Shared, index: Index, device: &DeviceId, time: i64) -> Result<()> {
    shared.cql.write(index.delete(shared), (time, &shared.tenant, shard(device), device.as_str())).await
}

/// The first `limit` entries after a device, in order.
pub(crate) async fn after(
    shared: &Shared,
    index: Index,
    after: Option<&DeviceId>,
    limit: usize,
) -> Result<Vec<DeviceId>> {
    let after = after.map_or("", DeviceId::as_str);
    let rows = i32::try_from(limit).unwrap_or(i32::MAX);
    let of_shards: Vec<Vec<(String,)>> = stream::iter(0..SHARDS)
        .map(|shard| shared.cql.rows::<(String,)>(index.after(shared), (&shared.tenant, shard, after, rows)))
        .buffer_unordered(usize::from(SHARDS.unsigned_abs()))
        .try_collect()
        .await?;
    let mut ids = of_shards.into_iter().flatten().map(|(id,)| place::stored(&id)).collect::<Result<Vec<DeviceId>>>()?;
    ids.sort_unstable();
    ids.truncate(limit);
    Ok(ids)
}

/// How many entries the index of devices has.
pub(crate) async fn count(shared: &Shared) -> Result<u64> {
    stream::iter(0..SHARDS)
        .map(|shard| shared.cql.row::<(i64,)>(&shared.s.device_index_count, (&shared.tenant, shard)))
        .buffer_unordered(usize::from(SHARDS.unsigned_abs()))
        .try_fold(0, |sum, count| async move { Ok(sum + count.map_or(0, |(count,)| count.unsigned_abs())) })
        .await
}

fn shard(device: &DeviceId) -> i16 {
    i16::try_from(timer_shard(device)).unwrap_or(0) % SHARDS
}

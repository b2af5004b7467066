//! [`crate::Outbox`].

use acs_types::{DeviceChange, EventBody, EventId, EventRecord, Position, Tenant};
use cwmp_model::Timestamp;

use crate::{Kept, Outbox, outbox_shard};

fn record(device: &str, seq: u32) -> EventRecord {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&seq.to_be_bytes());
    id[4..].iter_mut().zip(device.bytes().rev()).for_each(|(to, from)| *to = from);
    EventRecord {
        event_id: EventId::from_bytes(id),
        device: Some(device.parse().unwrap()),
        tenant: Tenant::default(),
        subscriber_id: "s".into(),
        session: None,
        position: Position { seq, ..Position::default() },
        occurred_at: Timestamp::from_seconds(1),
        emitter: "front-1".parse().unwrap(),
        emitter_seq: u64::from(seq),
        late: false,
        body: EventBody::Device(DeviceChange::Booted),
    }
}

fn seqs(kept: &[Kept]) -> Vec<u32> {
    kept.iter().map(|kept| kept.record.position.seq).collect()
}

pub async fn records_of_a_device_come_back_in_order(outbox: &impl Outbox) {
    assert_eq!(outbox.outbox_shards().await.unwrap(), Vec::<u16>::new());
    outbox.put_outbox((1..=3).map(|seq| record("00AABB-IGD-1", seq)).collect()).await.unwrap();
    outbox.put_outbox(vec![record("00AABB-IGD-1", 4), record("00AABB-IGD-2", 9)]).await.unwrap();
    let shard = outbox_shard(&record("00AABB-IGD-1", 1));
    let kept = outbox.outbox(shard, 100).await.unwrap();
    assert_eq!(seqs(&kept), [1, 2, 3, 4], "P9");
    assert_eq!(kept[0].record, record("00AABB-IGD-1", 1), "whole");
    assert_eq!(seqs(&outbox.outbox(shard, 2).await.unwrap()), [1, 2]);
    let mut shards = vec![shard, outbox_shard(&record("00AABB-IGD-2", 9))];
    shards.sort_unstable();
    assert_eq!(outbox.outbox_shards().await.unwrap(), shards);
}

pub async fn what_is_relayed_is_forgotten(outbox: &impl Outbox) {
    outbox.put_outbox((1..=3).map(|seq| record("00AABB-IGD-1", seq)).collect()).await.unwrap();
    let shard = outbox_shard(&record("00AABB-IGD-1", 1));
    let kept = outbox.outbox(shard, 2).await.unwrap();
    outbox.forget_outbox(&kept).await.unwrap();
    outbox.forget_outbox(&kept).await.unwrap();
    assert_eq!(seqs(&outbox.outbox(shard, 100).await.unwrap()), [3], "P7: and nothing else");
    outbox.put_outbox(vec![record("00AABB-IGD-1", 1)]).await.unwrap();
    let mut again = seqs(&outbox.outbox(shard, 100).await.unwrap());
    again.sort_unstable();
    assert_eq!(again, [1, 3], "one that comes again is kept again");
}

pub async fn records_of_no_device_are_kept(outbox: &impl Outbox) {
    let alone = EventRecord { device: None, ..record("00AABB-IGD-1", 1) };
    outbox.put_outbox(vec![alone.clone()]).await.unwrap();
    assert_eq!(outbox.outbox(0, 10).await.unwrap().into_iter().map(|kept| kept.record).collect::<Vec<_>>(), [alone]);
}

pub async fn what_is_put_at_once_is_all_there(outbox: &impl Outbox) {
    let puts = (1..=20).map(|seq| outbox.put_outbox(vec![record("00AABB-IGD-1", seq)]));
    futures::future::try_join_all(puts).await.unwrap();
    let shard = outbox_shard(&record("00AABB-IGD-1", 1));
    let mut all = seqs(&outbox.outbox(shard, 100).await.unwrap());
    all.sort_unstable();
    assert_eq!(all, (1..=20).collect::<Vec<u32>>(), "P7");
}

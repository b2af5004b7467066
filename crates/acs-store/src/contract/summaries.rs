//! [`crate::Devices::patch_summary`].

use std::future::Future;

use acs_types::{DeviceSummary, Presence, SummaryPatch, Tenant};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Made;
use super::sample::{at, device, first_patch, identity, path, presence, session, stamp};
use crate::Store;

async fn known(store: &impl Store, n: u32) -> DeviceSummary {
    store.summary(&device(n)).await.unwrap().expect("the device is known")
}

async fn patch(store: &impl Store, patch: SummaryPatch) {
    store.patch_summary(&device(1), patch).await.unwrap();
}

pub async fn larger_stamp_wins_field_by_field(store: &impl Store) {
    patch(store, first_patch(1, 10)).await;
    let newer = SummaryPatch { stamp: stamp(30), software_version: Some("3".into()), ..SummaryPatch::default() };
    let older = SummaryPatch {
        stamp: stamp(20),
        software_version: Some("2".into()),
        hardware_version: Some("B".into()),
        provisioning_code: Some("code".into()),
        connection_request_url: Some("http://192.0.2.1/".into()),
        parameter_key: Some("key".into()),
        subscriber_id: Some("sub".into()),
        tenant: Some("other".parse::<Tenant>().unwrap()),
        root: Some(path("Device.")),
        discovered_at: Some(at(5)),
        ..SummaryPatch::default()
    };
    patch(store, newer).await;
    patch(store, older).await;
    let summary = known(store, 1).await;
    assert_eq!(summary.software_version, "3", "the older patch came later and must not win");
    assert_eq!(summary.hardware_version, "B", "what the newer one does not name comes from the older one");
    assert_eq!(summary.provisioning_code, "code");
    assert_eq!(summary.connection_request_url, "http://192.0.2.1/");
    assert_eq!(summary.parameter_key, "key");
    assert_eq!(summary.subscriber_id, "sub");
    assert_eq!(summary.tenant.as_str(), "other");
    assert_eq!(summary.root, path("Device."));
    assert_eq!(summary.discovered_at, Some(at(5)));
    assert_eq!(summary.identity, identity(1));
    assert_eq!(summary.id, device(1));
}

pub async fn a_patch_twice_is_as_once(store: &impl Store) {
    patch(store, first_patch(1, 10)).await;
    let once = known(store, 1).await;
    patch(store, first_patch(1, 10)).await;
    assert_eq!(known(store, 1).await, once);
    assert_eq!(store.count_devices().await.unwrap(), 1);
}

pub async fn unknown_until_an_identity_comes(store: &impl Store) {
    let early = SummaryPatch { stamp: stamp(20), software_version: Some("2".into()), ..SummaryPatch::default() };
    patch(store, early).await;
    assert_eq!(store.summary(&device(1)).await.unwrap(), None);
    assert_eq!(store.partition(&device(1)).await.unwrap().summary, None);
    assert_eq!(store.count_devices().await.unwrap(), 0);
    let page = store.list_devices(&Default::default(), &acs_types::PageRequest::first(10)).await.unwrap();
    assert_eq!(page.items, []);
    patch(store, SummaryPatch { software_version: Some("1".into()), ..first_patch(1, 10) }).await;
    assert_eq!(known(store, 1).await.software_version, "2", "what came before the identity counts");
    assert_eq!(store.count_devices().await.unwrap(), 1);
}

pub async fn presence_is_one_field(store: &impl Store) {
    patch(store, first_patch(1, 10)).await;
    let newer = Presence {
        events: vec!["1 BOOT".into(), "4 VALUE CHANGE".into()],
        cwmp_version: "1.4".into(),
        remote: None,
        auth: acs_types::AuthLevel::Certificate,
        session: session(9),
        ..presence(30)
    };
    patch(store, SummaryPatch { stamp: stamp(30), presence: Some(newer), ..SummaryPatch::default() }).await;
    patch(store, SummaryPatch { stamp: stamp(20), presence: Some(presence(20)), ..SummaryPatch::default() }).await;
    let summary = known(store, 1).await;
    assert_eq!((summary.last_inform, summary.last_session, summary.last_stamp), (at(30), session(9), stamp(30)));
    assert_eq!(summary.last_events, ["1 BOOT", "4 VALUE CHANGE"]);
    assert_eq!((summary.cwmp_version.as_str(), summary.remote), ("1.4", None));
    assert_eq!(summary.auth, acs_types::AuthLevel::Certificate);
}

pub async fn boots_come_from_the_latest_boot(store: &impl Store) {
    let with = |micros, boot, bootstrap| SummaryPatch {
        stamp: stamp(micros),
        identity: Some(identity(1)),
        presence: Some(Presence { boot, bootstrap, ..presence(micros) }),
        ..SummaryPatch::default()
    };
    patch(store, with(30, true, false)).await;
    patch(store, with(40, false, false)).await;
    patch(store, with(20, true, true)).await;
    let summary = known(store, 1).await;
    assert_eq!((summary.last_boot, summary.last_bootstrap), (Some(at(30)), Some(at(20))));
    assert_eq!(summary.last_inform, at(40));
}

pub async fn first_seen_is_the_earliest(store: &impl Store) {
    for micros in [30, 10, 20] {
        patch(store, first_patch(1, micros)).await;
    }
    assert_eq!(known(store, 1).await.first_seen, at(10));
}

pub async fn equal_stamps_do_not_depend_on_order(store: &impl Store) {
    let version =
        |text: &str| SummaryPatch { stamp: stamp(10), software_version: Some(text.into()), ..SummaryPatch::default() };
    for (n, order) in [(1, ["a", "b"]), (2, ["b", "a"])] {
        store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
        for text in order {
            store.patch_summary(&device(n), version(text)).await.unwrap();
        }
        assert_eq!(known(store, n).await.software_version, "b");
    }
}

pub async fn many_patches_at_once(store: &impl Store) {
    let mut patches: Vec<_> = (0..50).map(|n| (device(n), first_patch(n, 10))).collect();
    let last = SummaryPatch { stamp: stamp(20), software_version: Some("2".into()), ..SummaryPatch::default() };
    patches.push((device(7), last));
    store.patch_summaries(patches).await.unwrap();
    assert_eq!(store.count_devices().await.unwrap(), 50);
    assert_eq!(known(store, 7).await.software_version, "2", "two patches of one device in one call");
}

pub async fn concurrent_patches_are_all_kept(store: &impl Store) {
    let one = async |field: usize| {
        let mut news = SummaryPatch { stamp: stamp(10), ..SummaryPatch::default() };
        let text = Some(format!("v{field}"));
        match field {
            0 => news.software_version = text,
            1 => news.hardware_version = text,
            2 => news.provisioning_code = text,
            3 => news.parameter_key = text,
            4 => news.subscriber_id = text,
            _ => news.identity = Some(identity(1)),
        }
        patch(store, news).await;
    };
    futures::future::join_all((0..6).map(one)).await;
    let summary = known(store, 1).await;
    let fields = [&summary.software_version, &summary.hardware_version, &summary.provisioning_code];
    assert_eq!(fields, ["v0", "v1", "v2"], "no patch overwrites what another wrote at the same time");
    assert_eq!((summary.parameter_key.as_str(), summary.subscriber_id.as_str()), ("v3", "v4"));
}

/// Any order of any patches gives the same summary.
pub fn patches_commute<S: Store, M: Made<Backend = S>, F: Future<Output = M>>(make: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Some((store, _guard)) = runtime.block_on(make()).made() else { return };
    let next_device = std::cell::Cell::new(0);
    let orders = prop::collection::vec(arbitrary_patch(), 1..8)
        .prop_flat_map(|patches| (Just(patches.clone()), Just(patches).prop_shuffle()));
    let mut runner = TestRunner::new(Config { failure_persistence: None, cases: 64, ..Config::default() });
    let outcome = runner.run(&orders, |(one, other)| {
        let n = next_device.replace(next_device.get() + 2);
        let summaries = [(n, one), (n + 1, other)].map(|(n, patches)| {
            runtime.block_on(async {
                for patch in patches {
                    store.patch_summary(&device(n), patch).await.unwrap();
                }
                let summary = store.summary(&device(n)).await.unwrap();
                summary.map(|s| DeviceSummary { id: device(0), ..s })
            })
        });
        prop_assert_eq!(&summaries[0], &summaries[1]);
        Ok(())
    });
    outcome.unwrap();
}

fn arbitrary_patch() -> impl Strategy<Value = SummaryPatch> {
    let text = || prop::option::of("[ab]");
    let presence = prop::option::of((1_i64..4, any::<bool>(), any::<bool>(), "[12]", 0_u8..2).prop_map(
        |(micros, boot, bootstrap, version, id)| Presence {
            boot,
            bootstrap,
            cwmp_version: version,
            session: session(id),
            ..presence(micros)
        },
    ));
    let time = prop::option::of((1_i64..3).prop_map(at));
    (1_i64..4, any::<bool>(), [text(), text(), text(), text()], presence, time).prop_map(
        |(micros, known, [software, hardware, key, url], presence, discovered_at)| SummaryPatch {
            stamp: stamp(micros),
            identity: known.then(|| identity(1)),
            software_version: software,
            hardware_version: hardware,
            parameter_key: key,
            connection_request_url: url,
            presence,
            discovered_at,
            ..SummaryPatch::default()
        },
    )
}

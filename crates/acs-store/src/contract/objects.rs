//! [`crate::Objects`].

use acs_types::ObjectRecord;
use cwmp_model::Value;

use super::sample::{at, device, object, parameter, path, stamp};
use crate::{ObjectsPatch, Store, UpsertObject};

async fn upsert(store: &impl Store, upsert: Vec<UpsertObject>) {
    let patch = ObjectsPatch { stamp: stamp(10), upsert, ..ObjectsPatch::default() };
    store.patch_objects(&device(1), patch).await.unwrap();
}

async fn paths(store: &impl Store, within: &str) -> Vec<String> {
    let objects = store.objects(&device(1), &path(within)).await.unwrap();
    objects.into_iter().map(|o| o.path.to_string()).collect()
}

async fn one(store: &impl Store, text: &str) -> ObjectRecord {
    store.object(&device(1), &path(text)).await.unwrap().expect("the object is there")
}

pub async fn read_back_in_order(store: &impl Store) {
    let texts = ["Device.", "Device.WiFi.", "Device.WiFi.SSID.10.", "Device.WiFi.SSID.9."];
    upsert(store, texts.iter().rev().map(|t| object(t, &[("B", "2"), ("A", "1")], true)).collect()).await;
    assert_eq!(paths(store, "").await, texts);
    let names: Vec<_> = one(store, "Device.").await.parameters.into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(store.object(&device(1), &path("Device.DNS.")).await.unwrap(), None);
}

pub async fn within_an_object(store: &impl Store) {
    let texts = ["Device.", "Device.A.1.", "Device.A.10.", "Device.A.1.B.", "Device.AB."];
    upsert(store, texts.iter().map(|t| object(t, &[], false)).collect()).await;
    assert_eq!(paths(store, "Device.A.1.").await, ["Device.A.1.", "Device.A.1.B."]);
    assert_eq!(paths(store, "Device.A.").await, ["Device.A.1.", "Device.A.1.B.", "Device.A.10."]);
    assert_eq!(paths(store, "Device.A").await, Vec::<String>::new(), "no object, so nothing is within");
}

pub async fn parameters_merge_by_name(store: &impl Store) {
    let mut first = object("Device.", &[("A", "1"), ("B", "2")], false);
    first.object.writable = Some(true);
    first.object.named_at = Some(at(3));
    first.object.parameters[0].writable = Some(true);
    first.object.parameters[0].secret = true;
    upsert(store, vec![first]).await;

    let mut second = object("Device.", &[], false);
    second.object.parameters = vec![parameter("A", None), parameter("C", Some("3"))];
    second.object.parameters[0].value_at = at(9);
    let mut b = parameter("B", Some("new"));
    (b.value_at, b.writable) = (at(7), Some(false));
    second.object.parameters.push(b);
    upsert(store, vec![second]).await;

    let merged = one(store, "Device.").await;
    assert_eq!((merged.writable, merged.named_at), (Some(true), Some(at(3))), "not told, so it stays");
    let [a, b, c] = &merged.parameters[..] else { panic!("{merged:?}") };
    assert_eq!(
        (a.value.as_ref(), a.value_at, a.writable, a.secret),
        (Some(&Value::string("1")), at(1), Some(true), true)
    );
    assert_eq!((b.value.as_ref(), b.value_at, b.writable), (Some(&Value::string("new")), at(7), Some(false)));
    assert_eq!((c.name.as_str(), c.value.as_ref()), ("C", Some(&Value::string("3"))));
}

pub async fn late_news_keep_what_is_newer(store: &impl Store) {
    let mut read = object("Device.", &[("A", "set in the session"), ("B", "old")], false);
    read.object.parameters[0].value_at = at(9);
    upsert(store, vec![read]).await;
    let mut told = object("Device.", &[("A", "of the Inform"), ("B", "of the Inform"), ("C", "of the Inform")], false);
    for parameter in &mut told.object.parameters {
        parameter.value_at = at(5);
    }
    let late = ObjectsPatch { stamp: stamp(10), upsert: vec![told.clone()], late: true, ..ObjectsPatch::default() };
    store.patch_objects(&device(1), late).await.unwrap();
    let values = || async {
        let texts = one(store, "Device.").await.parameters.into_iter().map(|p| p.value.unwrap().text);
        texts.collect::<Vec<_>>()
    };
    assert_eq!(values().await, ["set in the session", "of the Inform", "of the Inform"]);
    // News that are not late count whatever their time: clocks go back.
    upsert(store, vec![told]).await;
    assert_eq!(values().await, ["of the Inform", "of the Inform", "of the Inform"]);
}

pub async fn complete_drops_the_rest(store: &impl Store) {
    upsert(store, vec![object("Device.", &[("A", "1"), ("B", "2")], false)]).await;
    let mut names = object("Device.", &[("C", "3")], true);
    names.object.parameters.push(parameter("B", None));
    upsert(store, vec![names]).await;
    let merged = one(store, "Device.").await;
    let names: Vec<_> = merged.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["B", "C"]);
    assert_eq!(merged.parameters[0].value, Some(Value::string("2")), "what stays keeps its value");
}

pub async fn remove_takes_all_below(store: &impl Store) {
    let texts = ["Device.A.1.", "Device.A.1.B.", "Device.A.10.", "Device.A.2."];
    upsert(store, texts.iter().map(|t| object(t, &[], false)).collect()).await;
    let remove = vec![path("Device.A.1."), path("Device.Unknown.")];
    let patch = ObjectsPatch { stamp: stamp(10), remove, ..ObjectsPatch::default() };
    store.patch_objects(&device(1), patch).await.unwrap();
    assert_eq!(paths(store, "").await, ["Device.A.10.", "Device.A.2."]);
}

pub async fn forget_once_per_stamp(store: &impl Store) {
    upsert(store, vec![object("Device.Old.", &[], false)]).await;
    let forget = |micros, text| ObjectsPatch {
        stamp: stamp(micros),
        forget: true,
        upsert: vec![object(text, &[], false)],
        ..ObjectsPatch::default()
    };
    store.patch_objects(&device(1), forget(20, "Device.New.")).await.unwrap();
    assert_eq!(paths(store, "").await, ["Device.New."], "CWMP-185");
    let later =
        ObjectsPatch { stamp: stamp(20), upsert: vec![object("Device.Later.", &[], false)], ..ObjectsPatch::default() };
    store.patch_objects(&device(1), later).await.unwrap();
    store.patch_objects(&device(1), forget(20, "Device.New.")).await.unwrap();
    assert_eq!(paths(store, "").await, ["Device.Later.", "Device.New."], "the same patch again forgets nothing more");
    store.patch_objects(&device(1), forget(30, "Device.Third.")).await.unwrap();
    assert_eq!(paths(store, "").await, ["Device.Third."]);
}

pub async fn older_than_forget_changes_nothing(store: &impl Store) {
    let patch = |micros, forget, text| ObjectsPatch {
        stamp: stamp(micros),
        forget,
        remove: vec![path("Device.New.")],
        upsert: vec![object(text, &[], false)],
        late: false,
    };
    store.patch_objects(&device(1), patch(20, true, "Device.New.")).await.unwrap();
    store.patch_objects(&device(1), patch(19, false, "Device.Old.")).await.unwrap();
    store.patch_objects(&device(1), patch(19, true, "Device.Old.")).await.unwrap();
    assert_eq!(paths(store, "").await, ["Device.New."]);
}

pub async fn forget_remove_upsert_in_this_order(store: &impl Store) {
    upsert(store, vec![object("Device.A.", &[("Old", "1")], false)]).await;
    let patch = ObjectsPatch {
        stamp: stamp(10),
        forget: false,
        remove: vec![path("Device.A.")],
        upsert: vec![object("Device.A.", &[("New", "1")], false), object("Device.A.", &[("More", "1")], false)],
        late: false,
    };
    store.patch_objects(&device(1), patch).await.unwrap();
    let names: Vec<_> = one(store, "Device.A.").await.parameters.into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["More", "New"], "removed first, then written; one object twice in a patch is merged");
}

pub async fn similar_device_ids_do_not_mix(store: &impl Store) {
    let short = "00AABB-IGD-1".parse().unwrap();
    let long = "00AABB-IGD-10".parse().unwrap();
    for device in [&short, &long] {
        let upsert = vec![object("Device.", &[("Id", device)], true)].into_iter().collect();
        let patch = ObjectsPatch { stamp: stamp(10), upsert, ..ObjectsPatch::default() };
        store.patch_objects(device, patch).await.unwrap();
    }
    fn object(text: &str, parameters: &[(&str, &acs_types::DeviceId)], complete: bool) -> UpsertObject {
        let texts: Vec<_> = parameters.iter().map(|(name, id)| (*name, id.as_str())).collect();
        super::sample::object(text, &texts, complete)
    }
    let found = store.objects(&short, &path("")).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].parameters[0].value, Some(Value::string("00AABB-IGD-1")));
    let gone = ObjectsPatch { stamp: stamp(20), forget: true, ..ObjectsPatch::default() };
    store.patch_objects(&short, gone).await.unwrap();
    assert_eq!(store.objects(&short, &path("")).await.unwrap(), []);
    assert_eq!(store.objects(&long, &path("")).await.unwrap().len(), 1);
}

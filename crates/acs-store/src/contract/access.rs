//! [`crate::AccessRecords`], [`crate::AuditLog`], [`crate::Credentials`], [`crate::Models`], [`crate::Files`].

use acs_types::{
    ApiToken, AuditRecord, CpeCredential, FileId, FileRecord, FileType, ModelKey, ModelNotes, PageRequest, Scope,
    SessionStamp, Tenant,
};

use super::sample::{at, device, path};
use crate::Store;

fn token(id: &str, hash: u8) -> ApiToken {
    ApiToken {
        id: id.parse().unwrap(),
        principal: format!("principal of {id}"),
        sha256: [hash; 32],
        scopes: vec![Scope::Read, Scope::Admin],
        created_at: at(5),
        expires_at: Some(at(9)),
    }
}

pub async fn token_by_its_hash(store: &impl Store) {
    store.put_token(token("b", 2)).await.unwrap();
    store.put_token(token("a", 1)).await.unwrap();
    assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), Some(token("a", 1)));
    assert_eq!(store.token_by_hash(&[3; 32]).await.unwrap(), None);
    let mut all = store.tokens().await.unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(all, [token("a", 1), token("b", 2)]);
    assert!(store.delete_token(&"a".parse().unwrap()).await.unwrap());
    assert!(!store.delete_token(&"a".parse().unwrap()).await.unwrap());
    assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), None, "P23: a deleted token opens nothing");
    assert_eq!(store.tokens().await.unwrap(), [token("b", 2)]);
}

pub async fn token_is_replaced(store: &impl Store) {
    store.put_token(token("a", 1)).await.unwrap();
    store.put_token(token("a", 2)).await.unwrap();
    assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), None, "P23: the old secret opens nothing");
    assert_eq!(store.token_by_hash(&[2; 32]).await.unwrap(), Some(token("a", 2)));
    assert_eq!(store.tokens().await.unwrap().len(), 1);
}

pub async fn audit_is_newest_first(store: &impl Store) {
    let record = |i: i64| AuditRecord {
        at: at(5),
        tenant: Tenant::default(),
        principal: "alice".into(),
        token: None,
        action: "task.create".into(),
        object: i.to_string(),
        detail: String::new(),
    };
    for i in 0..7 {
        store.append_audit(record(i)).await.unwrap();
    }
    for limit in [1, 3, 100] {
        let (mut found, mut request) = (Vec::new(), PageRequest::first(limit));
        loop {
            let page = store.audit(&request).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, (0..7).rev().map(record).collect::<Vec<_>>(), "P27, {limit} a page");
    }
}

fn credential(username: &str) -> CpeCredential {
    CpeCredential {
        username: username.into(),
        password: "secret".to_owned().into(),
        connection_request_username: "acs".into(),
        connection_request_password: "wake".to_owned().into(),
        pending_connection_request_password: "next".to_owned().into(),
        connection_request_stamp: SessionStamp::from_micros(7),
    }
}

pub async fn credential_by_username(store: &impl Store) {
    assert_eq!(store.credential(&device(1)).await.unwrap(), None);
    store.put_credential(&device(1), Some(credential("one"))).await.unwrap();
    store.put_credential(&device(2), Some(credential(""))).await.unwrap();
    assert_eq!(store.credential(&device(1)).await.unwrap(), Some(credential("one")));
    assert_eq!(store.credential(&device(2)).await.unwrap(), Some(credential("")));
    assert_eq!(store.credential_by_username("one").await.unwrap(), Some((device(1), credential("one"))));
    assert_eq!(store.credential_by_username("").await.unwrap(), None, "no user name of its own");
    assert_eq!(store.credential_by_username("two").await.unwrap(), None);
}

pub async fn username_moves(store: &impl Store) {
    store.put_credential(&device(1), Some(credential("one"))).await.unwrap();
    store.put_credential(&device(1), Some(credential("new"))).await.unwrap();
    assert_eq!(store.credential_by_username("one").await.unwrap(), None, "the old name opens nothing");
    store.put_credential(&device(2), Some(credential("new"))).await.unwrap();
    store.put_credential(&device(1), None).await.unwrap();
    assert_eq!(store.credential_by_username("new").await.unwrap(), Some((device(2), credential("new"))));
}

pub async fn credential_is_forgotten(store: &impl Store) {
    store.put_credential(&device(1), Some(credential("one"))).await.unwrap();
    store.put_credential(&device(1), None).await.unwrap();
    store.put_credential(&device(1), None).await.unwrap();
    assert_eq!(store.credential(&device(1)).await.unwrap(), None);
    assert_eq!(store.credential_by_username("one").await.unwrap(), None);
}

pub async fn model_notes_are_kept(store: &impl Store) {
    let model = |manufacturer: &str, oui: &str| ModelKey {
        manufacturer: manufacturer.into(),
        oui: oui.into(),
        product_class: "IGD".into(),
        software_version: "1.0".into(),
    };
    assert_eq!(store.model_notes(&model("Acme", "A")).await.unwrap(), ModelNotes::default());
    let notes = ModelNotes {
        names_per_object: true,
        fragile_objects: vec![path("Device.WiFi.")],
        values_per_request: 16,
        unsupported_methods: vec!["FactoryReset".into()],
    };
    store.put_model_notes(&model("Acme", "A"), notes.clone()).await.unwrap();
    assert_eq!(store.model_notes(&model("Acme", "A")).await.unwrap(), notes);
    assert_eq!(
        store.model_notes(&model("AcmeA", "")).await.unwrap(),
        ModelNotes::default(),
        "fields do not run together"
    );
}

pub async fn files_are_newest_first(store: &impl Store) {
    let file = |name: &str, micros| FileRecord {
        id: FileId::of(&[1; 32], name),
        tenant: Tenant::default(),
        name: name.into(),
        file_type: FileType::Firmware,
        version: "1".into(),
        size: 3,
        sha256: [1; 32],
        created_at: at(micros),
        created_by: "alice".into(),
    };
    for (name, micros) in [("a", 2), ("b", 3), ("c", 1)] {
        store.put_file(file(name, micros)).await.unwrap();
    }
    store.put_file(file("c", 4)).await.unwrap();
    let first = store.files(&PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items, [file("c", 4), file("b", 3)]);
    let rest = store.files(&PageRequest { after: first.next, limit: 2 }).await.unwrap();
    assert_eq!((rest.items, rest.next), (vec![file("a", 2)], None));
    let id = file("b", 3).id;
    assert_eq!(store.file(&id).await.unwrap(), Some(file("b", 3)));
    assert!(store.delete_file(&id).await.unwrap());
    assert!(!store.delete_file(&id).await.unwrap());
    assert_eq!(store.file(&id).await.unwrap(), None);
    assert_eq!(store.files(&PageRequest::first(9)).await.unwrap().items.len(), 2);
}

use acs_store::AccessRecords;
use acs_types::Scope;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::bench::{Bench, Reply, request};

async fn create(bench: &Bench, body: &Value) -> Reply {
    bench.send_json(Method::POST, "/tokens", Scope::Admin, &body.to_string()).await
}

async fn status_with(bench: &Bench, token: &str) -> u16 {
    let request = Request::builder().uri("/api/v1/devices").header("Authorization", format!("Bearer {token}"));
    bench.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn a_token_is_made_used_and_deleted() {
    let bench = Bench::new().await;
    let reply = create(&bench, &json!({"principal": "billing", "scopes": ["read", "read"]})).await;
    assert_eq!(reply.status, 201);
    assert_eq!((&reply.json["scopes"], &reply.json["expires_at"]), (&json!(["read"]), &json!(null)));
    let (id, text) = (reply.json["id"].as_str().unwrap(), reply.json["token"].as_str().unwrap());
    assert!(text.starts_with(&format!("lm_{id}_")));
    assert_eq!(status_with(&bench, text).await, 200);
    let list = bench.get_as(Scope::Admin, "/tokens").await;
    assert!(list.text.contains(id) && !list.text.contains(text), "the secret is shown once");
    let kept = bench.store.tokens().await.unwrap();
    assert!(!format!("{kept:?}").contains(text), "only the hash is kept");
    let delete = async || bench.send(request(Method::DELETE, &format!("/tokens/{id}"), Some(Scope::Admin))).await;
    assert_eq!(delete().await.status, 204);
    // P26: the secret in place of the id is not repeated.
    let secret = bench.send(request(Method::DELETE, &format!("/tokens/{text}"), Some(Scope::Admin))).await;
    assert!(secret.status == 404 && !secret.text.contains(text));
    assert_eq!(status_with(&bench, text).await, 401, "from the next request on");
    assert_eq!(delete().await.status, 404);
    let actions: Vec<_> = bench.audit().await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(actions, ["token.create", "token.delete"]); // P27
}

#[tokio::test]
async fn a_token_ends_in_time() {
    let bench = Bench::new().await;
    let reply = create(&bench, &json!({"principal": "p", "scopes": ["read"], "expires_in_seconds": 1})).await;
    let text = reply.json["token"].as_str().unwrap().to_owned();
    assert_eq!(status_with(&bench, &text).await, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(status_with(&bench, &text).await, 401);
}

#[tokio::test]
async fn bad_tokens_are_refused() {
    let bench = Bench::new().await;
    for (body, field) in [
        (json!({"principal": "", "scopes": ["read"]}), "principal"),
        (json!({"principal": "x".repeat(129), "scopes": ["read"]}), "principal"),
        (json!({"principal": "p", "scopes": []}), "scopes"),
        (json!({"principal": "p", "scopes": ["read", "read", "read", "read", "read"]}), "scopes"),
        (json!({"principal": "p", "scopes": ["read"], "expires_in_seconds": 0}), "expires_in_seconds"),
        (json!({"principal": "p", "scopes": ["read"], "expires_in_seconds": 315_360_001}), "expires_in_seconds"),
        (json!({"principal": "p", "scopes": ["root"]}), ""),
    ] {
        let reply = create(&bench, &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
}

#[tokio::test]
async fn tokens_are_paged() {
    let bench = Bench::new().await;
    let page = bench.get_as(Scope::Admin, "/tokens?limit=3").await;
    let rest = bench.get_as(Scope::Admin, &format!("/tokens?after={}", page.json["next"].as_str().unwrap())).await;
    assert_eq!(page.json["items"].as_array().unwrap().len() + rest.json["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_configured_token_replaces_the_one_before() {
    let bench = Bench::new().await;
    let [old, new] = ["old-configured-token", "new-configured-token"];
    bench.service.ensure_token("root", old, &Scope::ALL).await.unwrap();
    assert_eq!(status_with(&bench, old).await, 200);
    bench.service.ensure_token("root", new, &Scope::ALL).await.unwrap();
    assert_eq!((status_with(&bench, old).await, status_with(&bench, new).await), (401, 200));
    let weak = bench.service.ensure_token("root", "admin", &Scope::ALL).await.unwrap_err();
    assert!(weak.to_string().contains("5 characters"), "{weak}"); // P23
    assert_eq!(status_with(&bench, new).await, 200);
}

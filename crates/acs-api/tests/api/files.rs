use acs_events::MemoryEventLog;
use acs_types::Scope;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use acs_api::Limits;

use crate::bench::{Bench, Reply, request};

fn upload(query: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = request(Method::POST, &format!("/files?{query}"), Some(Scope::Files));
    request.headers_mut().insert("Content-Type", "application/octet-stream".parse().unwrap());
    *request.body_mut() = body.into();
    request
}

#[tokio::test]
async fn a_file_is_uploaded_listed_used_and_deleted() {
    let bench = Bench::new().await;
    let reply = bench.send(upload("name=fw-2.bin&file_type=firmware&version=2", "bytes")).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!((&reply.json["size"], &reply.json["file_type"]), (&json!(5), &json!("1 Firmware Upgrade Image")));
    assert_eq!(reply.json["created_by"], "files");
    let id = reply.json["id"].as_str().unwrap();
    assert_eq!(reply.header("location"), format!("/api/v1/files/{id}"));
    assert_eq!(bench.get("/files").await.json["items"][0]["id"], id);
    assert_eq!(bench.get(&format!("/files/{id}")).await.json["name"], "fw-2.bin");
    let device = bench.add_device(2).await;
    let task = bench.post(&format!("/devices/{device}/tasks"), &json!({"kind": "download", "file_id": id})).await;
    assert_eq!((task.status.as_u16(), &task.json["file_id"]), (202, &json!(id)));
    assert_eq!(task.json["file_type"], "1 Firmware Upgrade Image", "that of the file");
    let delete = async || bench.send(request(Method::DELETE, &format!("/files/{id}"), Some(Scope::Files))).await;
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.status, 404);
    assert_eq!(bench.get(&format!("/files/{id}")).await.status, 404);
    assert_eq!(*bench.files.audits.lock().unwrap(), ["file.create", "file.delete"]); // P27
}

#[tokio::test]
async fn bad_uploads_are_refused() {
    let bench = Bench::new().await;
    for (query, field) in [
        ("name=&file_type=firmware", "name"),
        ("name=a/b&file_type=firmware", "name"),
        ("name=a%0Ab&file_type=firmware", "name"),
        (&format!("name={}&file_type=firmware", "x".repeat(129)), "name"),
        ("name=a&file_type=unknown", "file_type"),
        (&format!("name=a&file_type=config&version={}", "x".repeat(129)), "version"),
    ] {
        let reply = bench.send(upload(query, "x")).await;
        assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (400, &json!(field)), "{query}");
    }
    assert_eq!(bench.send(upload("name=a", "x")).await.status, 400);
    assert_eq!(bench.send(upload("name=a&file_type=firmware", "")).await.status, 422, "no bytes");
    for form in ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"] {
        let mut request = upload("name=a&file_type=firmware", "x");
        request.headers_mut().insert("Content-Type", form.parse().unwrap());
        assert_eq!(bench.send(request).await.status, 415, "{form}");
    }
    assert_eq!(bench.audit().await, []);
}

#[tokio::test]
async fn an_upload_holds_at_the_limit() {
    // P19
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    let bench = Bench::with(limits, MemoryEventLog::new()).await;
    let send = async |body: Body, length: Option<&str>| -> Reply {
        let mut request = upload("name=a&file_type=firmware", body);
        if let Some(length) = length {
            request.headers_mut().insert("Content-Length", length.parse().unwrap());
        }
        bench.send(request).await
    };
    assert_eq!(send(Body::from(vec![0; 10]), None).await.status, 201);
    let announced = send(Body::from(vec![0; 11]), Some("11")).await;
    assert_eq!((announced.status.as_u16(), announced.code()), (413, "body_too_large"));
    let chunks = |count: usize| {
        Body::from_stream(futures::stream::iter(vec![
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"12345"));
            count
        ]))
    };
    assert_eq!(send(chunks(2), None).await.status, 201);
    let streamed = send(chunks(3), None).await;
    assert_eq!((streamed.status.as_u16(), streamed.code()), (413, "body_too_large"));
}

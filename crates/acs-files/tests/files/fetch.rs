use acs_keyring::{KeyRing, Purpose};
use acs_proto::FileServer;
use acs_store::Error;
use axum::body::Body;
use cwmp_model::Timestamp;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::{Bench, device_id, pattern};

impl Bench {
    async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Vec<u8>) {
        let response = self.request(Method::GET, path, headers).await;
        (response.status(), response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    fn downloads(&self, outcome: &str) -> u64 {
        let line = format!("lastmile_files_downloads_total{{outcome=\"{outcome}\"}} ");
        let text = self.metrics.exposition();
        text.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |v| v.to_str().unwrap())
}

// CWMP-351
#[tokio::test]
async fn a_signed_url_gives_the_file() {
    let bench = Bench::new().await;
    let content = pattern(200_000);
    let file = bench.put("fw 1.bin", &content).await;
    let path = bench.signed("00AABB-IGD-1", &file).await;
    assert!(path.starts_with("/f/") && path.ends_with("/fw%201.bin"), "{path}");
    let response = bench.request(Method::GET, &path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-length"), "200000");
    assert_eq!(header(&response, "accept-ranges"), "bytes");
    assert_eq!(header(&response, "etag").len(), 66);
    assert!(header(&response, "last-modified").ends_with(" GMT"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), content);
    // The name at the end is for the device only.
    let token = path.rsplit_once('/').unwrap().0;
    assert_eq!(bench.get(token, &[]).await, (StatusCode::OK, content.clone()));
    assert_eq!(bench.get(&format!("{token}/..%2F..%2Fetc%2Fpasswd"), &[]).await.1, content);
    assert_eq!(bench.downloads("complete"), 3);
    assert!(bench.metrics.exposition().contains("lastmile_files_sent_bytes_total 600000"));
}

#[tokio::test]
async fn head_tells_the_same_without_bytes_and_other_methods_are_refused() {
    let bench = Bench::with(|c| c.max_transfers = 0).await;
    let path = bench.signed("00AABB-IGD-1", &bench.put("a", b"12345").await).await;
    let response = bench.request(Method::HEAD, &path, &[("range", "bytes=1-2")]).await;
    assert_eq!((response.status(), header(&response, "content-length")), (StatusCode::OK, "5"), "no range, no budget");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(bench.request(method, &path, &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

// CWMP-351
#[tokio::test]
async fn a_download_that_broke_off_is_resumed() {
    let bench = Bench::new().await;
    let content = pattern(150_000);
    let path = bench.signed("00AABB-IGD-1", &bench.put("a", &content).await).await;
    let whole = bench.request(Method::GET, &path, &[]).await;
    let etag = header(&whole, "etag").to_owned();
    drop(whole);
    assert_eq!(bench.downloads("aborted"), 1);

    let rest = bench.request(Method::GET, &path, &[("range", "bytes=70000-"), ("if-range", &etag)]).await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&rest, "content-range"), "bytes 70000-149999/150000");
    assert_eq!(header(&rest, "content-length"), "80000");
    assert_eq!(rest.into_body().collect().await.unwrap().to_bytes(), content[70_000..]);

    let changed = bench.get(&path, &[("range", "bytes=70000-"), ("if-range", "\"other\"")]).await;
    assert_eq!(changed, (StatusCode::OK, content.clone()), "bytes of another file are not joined");
    assert_eq!(
        bench.get(&path, &[("range", "bytes=-1")]).await,
        (StatusCode::PARTIAL_CONTENT, content[149_999..].to_vec())
    );
    let past = bench.request(Method::GET, &path, &[("range", "bytes=150000-")]).await;
    assert_eq!((past.status(), header(&past, "content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */150000"));
    let known = bench.request(Method::GET, &path, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status(), header(&known, "etag")), (StatusCode::NOT_MODIFIED, etag.as_str()));
    assert_eq!((bench.downloads("partial"), bench.downloads("unsatisfiable"), bench.downloads("no_body")), (2, 1, 1));
}

#[tokio::test]
async fn a_range_of_an_empty_file_cannot_be_satisfied() {
    let bench = Bench::new().await;
    let path = bench.signed("00AABB-IGD-1", &bench.put("a", b"").await).await;
    assert_eq!(bench.get(&path, &[]).await, (StatusCode::OK, Vec::new()));
    assert_eq!(bench.get(&path, &[("range", "bytes=0-")]).await.0, StatusCode::RANGE_NOT_SATISFIABLE);
}

// P23
#[tokio::test]
async fn nothing_is_served_without_a_token_of_ours() {
    let bench = Bench::new().await;
    let file = bench.put("a", b"secret bytes").await;
    let path = bench.signed("00AABB-IGD-1", &file).await;
    let other =
        KeyRing::from_key("test", &[1; 32]).seal_text(Purpose::Url, b"\xff\xff\xff\xff\x01a", b"acs-files download 1");
    let mut last = path.clone().into_bytes();
    last[10] = if last[10] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(last).unwrap();
    for path in [
        changed,
        format!("/f/{other}"),
        format!("/f/{}", file.id),
        "/f/x/../../a".into(),
        "/f/%2e%2e%2fa".into(),
        format!("/f/{}", "A".repeat(5000)),
    ] {
        let (status, body) = bench.get(&path, &[]).await;
        assert_eq!((status, body), (StatusCode::NOT_FOUND, Vec::new()), "{path}");
    }
    assert!(bench.downloads("forged") >= 5);
    for path in ["/", "/f", "/f/", "/files", "/metrics"] {
        assert_eq!(bench.get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_token_of_the_past_or_of_a_removed_file_is_refused() {
    let bench = Bench::new().await;
    let file = bench.put("a", b"a").await;
    let url =
        bench.server.sign(&device_id("00AABB-1"), &file.id, Timestamp::from_seconds(1_600_000_000)).await.unwrap().url;
    assert_eq!(bench.get(url.strip_prefix("http://127.0.0.1:7567").unwrap(), &[]).await.0, StatusCode::FORBIDDEN);
    let path = bench.signed("00AABB-1", &file).await;
    bench.server.remove(&file.id).await.unwrap();
    assert_eq!(bench.get(&path, &[]).await.0, StatusCode::NOT_FOUND);
    assert_eq!((bench.downloads("expired"), bench.downloads("gone")), (1, 1));
}

// CWMP-332
#[tokio::test]
async fn a_url_has_at_most_256_characters_and_each_device_has_its_own() {
    let bench = Bench::with(|c| c.public_url = format!("https://{}", "h".repeat(52))).await;
    let file = bench.put(&format!("{}.alter", "ü".repeat(100)), b"a").await;
    let long = device_id(&format!("00AABB-{}", "x".repeat(113)));
    let signed = bench.server.sign(&long, &file.id, crate::far()).await.unwrap();
    assert!(signed.url.len() <= 256 && signed.url.ends_with(".alter"), "{}", signed.url);
    assert_eq!(signed.size, 1);
    let other = bench.server.sign(&device_id("00AABB-1"), &file.id, crate::far()).await.unwrap();
    assert_ne!(signed.url, other.url);
}

// CWMP-353
#[tokio::test]
async fn over_budget_is_503_with_retry_after() {
    let bench = Bench::with(|c| (c.max_transfers, c.max_transfers_per_device) = (2, 1)).await;
    let file = bench.put("a", &pattern(100_000)).await;
    let paths = [
        bench.signed("00AABB-1", &file).await,
        bench.signed("00AABB-2", &file).await,
        bench.signed("00AABB-3", &file).await,
    ];
    let first = bench.request(Method::GET, &paths[0], &[]).await;
    let again = bench.request(Method::GET, &paths[0], &[]).await;
    assert_eq!(again.status(), StatusCode::SERVICE_UNAVAILABLE, "one per device");
    let retry: u64 = header(&again, "retry-after").parse().unwrap();
    assert!((30..=90).contains(&retry), "{retry}");
    let second = bench.request(Method::GET, &paths[1], &[]).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(
        bench.request(Method::GET, &paths[2], &[]).await.status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "two in all"
    );
    drop(first);
    assert_eq!(bench.request(Method::GET, &paths[2], &[]).await.status(), StatusCode::OK);
    assert_eq!(bench.downloads("busy"), 2);
}

#[tokio::test]
async fn damage_is_an_error_and_never_half_a_file() {
    let bench = Bench::new().await;
    let file = bench.put("a", b"12345").await;
    let path = bench.signed("00AABB-1", &file).await;
    let bytes = bench.config.folder.join(file.id.as_str());
    std::fs::write(&bytes, b"123").unwrap();
    assert_eq!(bench.get(&path, &[]).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::remove_file(&bytes).unwrap();
    assert_eq!(bench.get(&path, &[]).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    bench.store.fail_with(Some(Error::Unavailable("away".into())));
    assert_eq!(bench.get(&path, &[]).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.downloads("failed"), 3);
}

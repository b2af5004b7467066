//! Group A: HTTP.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn cwmp_001_005_006_008_015_a_whole_session() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    assert_eq!(cpe.answer.header("content-type"), Some("text/xml; charset=utf-8"), "CWMP-008");
    assert_eq!(cpe.answer.header("content-length"), Some(&*cpe.answer.body.len().to_string()), "CWMP-015");
    assert!(cpe.answer.header("transfer-encoding").is_none(), "CWMP-015");
    assert!(!cpe.answer.closes(), "CWMP-017");
    cpe.empty_post().await;
    cpe.expect_end();
    assert_eq!(cpe.answer.header("content-type"), None, "CWMP-006");
    assert!(!cpe.answer.closes(), "a peer drops the session on Connection: close");
    assert_eq!(world.accounts().await[0].outcome, acs_types::SessionOutcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn cwmp_002_http_1_0_is_answered_with_a_length_and_closed() {
    let world = World::open();
    let mut first = world.connect();
    first.send(Sent::post(inform(&["1 BOOT"])).line("POST /cwmp HTTP/1.0")).await;
    first.expect_inform_response();
    assert!(first.answer.header("content-length").is_some());
    assert!(first.is_closed().await, "CWMP-002");
    let mut second = world.connect().with_cookie_of(&first);
    second.send(Sent::post("").line("POST /cwmp HTTP/1.0")).await;
    second.expect_end();
}

#[tokio::test(start_paused = true)]
async fn cwmp_003_any_path_serves() {
    let world = World::open();
    for target in ["/", "/acs/cwmp?x=1", "http://acs.example:7547/", "/%20%zz"] {
        let mut cpe = world.connect();
        cpe.send(Sent::post(inform(&["1 BOOT"])).line(&format!("POST {target} HTTP/1.1"))).await;
        cpe.expect_inform_response();
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_004_requests_go_out_in_responses_and_answers_come_in_posts() {
    let world = World::open();
    world.provisioning.wants_values(2);
    let mut cpe = world.connect();
    cpe.inform(&["6 CONNECTION REQUEST"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    cpe.expect_body("<cwmp:GetParameterValues>");
    cpe.expect_body("call-1");
    cpe.post(&values_response("call-1", "a")).await;
    cpe.expect_body("call-2");
    cpe.post(&fault("call-2", 9005)).await;
    cpe.expect_end();
    let answers = &world.provisioning.nexts()[1].answers;
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].task, Some("task-1".parse().unwrap()));
    assert!(matches!(&answers[1].outcome, acs_proto::AnswerOutcome::Fault(fault) if fault.code == 9005));
    let account = &world.accounts().await[0];
    let ladder: Vec<_> = account.exchanges.iter().map(|e| e.message.as_str()).collect();
    let expected = [
        "Inform",
        "InformResponse",
        "empty",
        "GetParameterValues",
        "GetParameterValuesResponse",
        "GetParameterValues",
        "Fault 9005",
        "204",
    ];
    assert_eq!(ladder, expected);
    assert_eq!(account.exchanges[4].task, Some("task-1".parse().unwrap()));
    assert!(account.exchanges[0].bytes > 500 && account.exchanges[0].from_cpe && !account.exchanges[1].from_cpe);
}

#[tokio::test(start_paused = true)]
async fn cwmp_009_011_headers_decide_nothing() {
    let world = World::open();
    for (content_type, action) in [
        (Some("TEXT/XML"), Some("\"\"")),
        (Some("application/xml"), None),
        (Some("text/plain; charset=iso-8859-1"), Some("urn:x")),
        (Some(""), Some("")),
        (None, None),
    ] {
        let mut request = Sent::post(inform(&["1 BOOT"])).without("Content-Type").without("SOAPAction");
        if let Some(content_type) = content_type {
            request = request.with("Content-Type", content_type);
        }
        if let Some(action) = action {
            request = request.with("SOAPAction", action);
        }
        let mut cpe = world.connect();
        cpe.send(request).await;
        cpe.expect_inform_response();
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_013_014_what_counts_as_empty() {
    let world = World::open();
    let white = Sent::post(" \r\n\t ");
    let zero_chunk = Sent { body: b"0\r\n\r\n".to_vec(), ..Sent::post("") }
        .without("Content-Length")
        .with("Transfer-Encoding", "chunked");
    let no_length = Sent::post("").without("Content-Length");
    let typed = Sent::post("").with("Content-Type", "text/xml");
    for empty in [white, zero_chunk, no_length, typed] {
        let mut cpe = world.connect();
        cpe.inform(&["2 PERIODIC"]).await;
        cpe.send(empty).await;
        cpe.expect_end();
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_014_chunked_bodies_are_read() {
    let world = World::open();
    let mut cpe = world.connect();
    let body = inform(&["1 BOOT"]);
    let (one, two) = body.split_at(100);
    let chunks = format!("{:x}\r\n{one}\r\n{:X};ext=1\r\n{two}\r\n0\r\nTrailer: x\r\n\r\n", one.len(), two.len());
    let request = Sent { body: chunks.into_bytes(), ..Sent::post("") };
    cpe.send(request.without("Content-Length").with("Transfer-Encoding", "chunked")).await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_016_expect_100_continue_is_answered_before_the_body() {
    let world = World::open();
    let mut cpe = world.connect();
    let request = Sent::post(inform(&["1 BOOT"])).with("Expect", "100-continue");
    let body = request.body.clone();
    cpe.write(&Sent { body: Vec::new(), ..request }.bytes()).await;
    assert_eq!(cpe.try_read().await.unwrap().status, 100, "CWMP-016");
    cpe.write(&body).await;
    cpe.read().await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_018_019_the_cookie_is_the_session_on_every_connection() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut first = world.connect();
    first.inform(&["1 BOOT"]).await;
    first.expect_inform_response();
    let mut second = world.connect().with_cookie_of(&first);
    drop(first);
    second.empty_post().await;
    second.expect_body("GetParameterValues");
    assert!(second.answer.header("set-cookie").is_none(), "CWMP-019: set once");
    let mut third = world.connect().with_cookie_of(&second);
    third.post(&values_response("call-1", "a")).await;
    third.expect_end();
    assert_eq!(world.accounts().await.len(), 1, "CWMP-018: one session");
}

#[tokio::test(start_paused = true)]
async fn cwmp_020_021_the_cookie_keeps_to_its_form() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let cookie = cpe.answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/", "CWMP-021");
    let (name, value) = pair.split_once('=').unwrap();
    assert!(pair.len() <= acs_cwmp_server::COOKIE_BYTES, "CWMP-020");
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    assert!(plain(name) && plain(value), "CWMP-020: {pair}");
    let mut tls = world.connect_from("192.0.2.1", true);
    tls.inform(&["1 BOOT"]).await;
    assert!(tls.answer.header("set-cookie").unwrap().ends_with("; Secure"), "CWMP-021");
}

#[tokio::test(start_paused = true)]
async fn cwmp_023_a_cpe_without_cookies_goes_by_its_connection() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.cookie = None;
    cpe.empty_post().await;
    cpe.expect_body("GetParameterValues");
    cpe.cookie = None;
    drop(cpe);
    let account = &world.accounts().await[0];
    assert_eq!(account.outcome, acs_types::SessionOutcome::TimedOut, "the connection was all it had");
    assert_eq!(world.provisioning.ends()[0].answers.len(), 1, "the open call is told of at once (P3)");
}

#[tokio::test(start_paused = true)]
async fn cwmp_024_pipelined_requests_are_answered_in_order() {
    let world = World::open();
    let mut cpe = world.connect();
    let mut both = Sent::post(inform(&["1 BOOT"])).bytes();
    both.extend(Sent::post("").bytes());
    cpe.write(&both).await;
    cpe.read().await;
    cpe.expect_inform_response();
    cpe.read().await;
    cpe.expect_end();
}

#[tokio::test(start_paused = true)]
async fn cwmp_027_compressed_requests_are_read() {
    let world = World::open();
    let plain = inform(&["1 BOOT"]);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(plain.as_bytes()).unwrap();
    for (coding, body) in [("gzip", gzip(plain.as_bytes())), ("deflate", zlib.finish().unwrap())] {
        let mut cpe = world.connect();
        cpe.send(Sent::post(body).with("Content-Encoding", coding)).await;
        cpe.expect_inform_response();
        assert!(cpe.answer.header("content-encoding").is_none(), "CWMP-028");
    }
    for coding in ["br", "gzip, gzip", "zstd"] {
        let mut cpe = world.connect();
        cpe.send(Sent::post(plain.clone()).with("Content-Encoding", coding)).await;
        cpe.expect_status(415);
        assert!(cpe.is_closed().await);
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_029_030_bodies_are_limited_after_decompression() {
    let world = World::with(acs_cwmp_server::CpeAuthScheme::Open, |config| {
        config.http.first_body_bytes = 100_000;
        config.http.body_bytes = 200_000;
    });
    let mut cpe = world.connect();
    let padded = |size: usize| format!("{}{}", inform(&["1 BOOT"]), " ".repeat(size - inform(&["1 BOOT"]).len()));
    cpe.post(&padded(100_000)).await;
    cpe.expect_inform_response();
    let response = |size: usize| {
        let plain = values_response("x", "v");
        format!("{plain}{}", " ".repeat(size - plain.len()))
    };
    cpe.post(&response(200_000)).await;
    assert_ne!(cpe.answer.status, 413, "at the edge, and more than an Inform may have");
    for request in [
        Sent::post(padded(100_001)),
        Sent::post(gzip(padded(100_001).as_bytes())).with("Content-Encoding", "gzip"),
        Sent::post(gzip(&vec![b' '; 50_000_000])).with("Content-Encoding", "gzip"),
    ] {
        let mut cpe = world.connect();
        cpe.send(request).await;
        cpe.expect_status(413);
        assert!(cpe.is_closed().await, "CWMP-030");
    }
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.post(&response(200_001)).await;
    cpe.expect_status(413);
    let outcomes: Vec<_> = world.accounts().await.into_iter().map(|a| a.outcome).collect();
    assert!(outcomes.contains(&acs_types::SessionOutcome::LimitExceeded), "the session ends: {outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn cwmp_031_the_charset_of_content_type_counts() {
    let world = World::open();
    let mut cpe = world.connect();
    let body = inform_of("S\u{e9}", &["1 BOOT"], 0).replace("encoding=\"UTF-8\"", "");
    let latin: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    cpe.send(Sent::post(latin).with("Content-Type", "text/xml; charset=\"ISO-8859-1\"")).await;
    cpe.expect_inform_response();
    assert_eq!(world.informs()[0].identity.serial_number, "S\u{e9}");
}

#[tokio::test(start_paused = true)]
async fn cwmp_034_other_methods_get_405() {
    let world = World::open();
    for method in ["GET", "PUT", "OPTIONS", "FOO"] {
        let mut cpe = world.connect();
        cpe.send(Sent::post("").line(&format!("{method} /cwmp HTTP/1.1"))).await;
        cpe.expect_status(405);
        assert_eq!(cpe.answer.header("allow"), Some("POST"));
        cpe.inform(&["1 BOOT"]).await;
        cpe.expect_inform_response();
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_123_a_half_closed_connection_still_gets_its_answer() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.write(&Sent::post("").bytes()).await;
    cpe.half_close().await;
    cpe.read().await;
    cpe.expect_end();
}

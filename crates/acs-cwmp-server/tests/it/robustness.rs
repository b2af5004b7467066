//! O9–O14 and X5–X8: what a peer may cost. P19, P20.

use std::time::Duration;

use acs_cwmp_server::CpeAuthScheme;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn o9_idle_connections_are_closed() {
    let world = World::open();
    let mut silent: Vec<Cpe> = (0..200).map(|_| world.connect()).collect();
    tokio::time::sleep(Duration::from_secs(76)).await;
    for cpe in &mut silent {
        assert!(cpe.is_closed().await);
    }
    assert_eq!(world.metric("connections_expired_total{deadline=\"idle\"}"), 200.0, "CWMP-531");
}

#[tokio::test(start_paused = true)]
async fn o10_slow_headers_are_cut() {
    let world = World::open();
    let mut cpe = world.connect();
    for _ in 0..14 {
        cpe.write(b"P").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(cpe.is_closed().await, "CWMP-531");
    assert_eq!(world.metric("connections_expired_total{deadline=\"header\"}"), 1.0, "CWMP-531");
}

#[tokio::test(start_paused = true)]
async fn o11_slow_bodies_are_cut() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.write(&Sent { body: Vec::new(), ..Sent::post("x".repeat(10_000)) }.bytes()).await;
    let before = tokio::time::Instant::now();
    let answer = loop {
        cpe.write(b"<").await;
        let answer = tokio::time::timeout(Duration::from_secs(1), cpe.try_read()).await;
        if let Ok(answer) = answer {
            break answer.expect("an answer");
        }
    };
    assert_eq!(answer.status, 408);
    assert!(before.elapsed() < Duration::from_secs(12), "CWMP-531: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_honest_body_is_read() {
    let world = World::open();
    let mut cpe = world.connect();
    let request = Sent::post(inform(&["1 BOOT"]));
    let body = request.body.clone();
    cpe.write(&Sent { body: Vec::new(), ..request }.bytes()).await;
    for part in body.chunks(600) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cpe.write(part).await;
    }
    cpe.read().await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn o12_endless_chunks_are_cut_at_the_limit() {
    let world = World::open();
    let mut cpe = world.connect();
    let request = Sent::post("").without("Content-Length").with("Transfer-Encoding", "chunked");
    cpe.write(&request.bytes()).await;
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    for _ in 0..17 {
        cpe.write(chunk.as_bytes()).await;
    }
    cpe.read().await;
    cpe.expect_status(413);
}

#[tokio::test(start_paused = true)]
async fn o13_ten_thousand_headers_are_refused() {
    let world = World::open();
    let mut many = Sent::post("");
    for n in 0..10_000 {
        many = many.and(&format!("X{n}"), "y");
    }
    let mut cpe = world.connect();
    cpe.write(&many.bytes()).await;
    assert_eq!(cpe.read().await.status, 431);
    let mut long = world.connect();
    long.exchange(&Sent::post("").with("X", &"y".repeat(40_000))).await;
    assert_eq!(long.answer.status, 431);
}

#[tokio::test(start_paused = true)]
async fn o14_large_bodies_are_few_at_a_time_and_small_ones_pass() {
    let world = World::with(CpeAuthScheme::Open, |config| config.http.large_bodies = 1);
    let large = format!("{}{}", inform(&["1 BOOT"]), " ".repeat(100_000));
    let mut holder = world.connect();
    holder.write(&Sent { body: Vec::new(), ..Sent::post(large.clone()) }.bytes()).await;
    holder.write(&large.as_bytes()[..90_000]).await;
    world.settle().await;
    let mut small = world.connect();
    small.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    small.expect_inform_response();
    let mut second = world.connect();
    second.post(&large).await;
    second.expect_status(503);
    holder.write(&large.as_bytes()[90_000..]).await;
    holder.read().await;
    holder.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn x1_to_x6_hostile_xml_ends_in_an_answer() {
    let world = World::open();
    let deep = "<a>".repeat(100_000);
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
    let wide = format!("<soap-env:Envelope>{}</soap-env:Envelope>", "<a/>".repeat(200_000));
    for body in [deep, format!("<a{attributes}/>"), wide, "\u{0}".repeat(1000), "<".repeat(1000)] {
        let mut cpe = world.connect();
        cpe.post(&body).await;
        assert!(matches!(cpe.answer.status, 400 | 413), "P20: {}", cpe.answer.status);
    }
    let mut good = world.connect();
    good.inform(&["1 BOOT"]).await;
    good.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_cut() {
    let world = World::open();
    let (near, far) = tokio::io::duplex(64);
    let peer = acs_cwmp_server::Peer { address: "192.0.2.1:1".parse().unwrap(), tls: false };
    let stop = acs_cwmp_server::Stop::default();
    let served = tokio::spawn(acs_cwmp_server::serve_connection(far, peer, world.front_end.clone(), stop));
    let mut cpe = Cpe::new(near);
    cpe.write(&Sent::post(inform(&["1 BOOT"])).bytes()).await;
    tokio::time::timeout(Duration::from_secs(40), served).await.expect("cut").unwrap();
    assert_eq!(world.metric("connections_expired_total{deadline=\"write\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_cpe_that_only_answers_challenges_is_cut_after_eight() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    let mut cpe = world.connect();
    for n in 1..=8 {
        cpe.inform(&["1 BOOT"]).await;
        cpe.expect_status(401);
        assert_eq!(cpe.answer.closes(), n == 8);
    }
    assert!(cpe.is_closed().await);
}

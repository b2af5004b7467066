//! The bare stub that sessions are measured against, and the clients that measure it and the product alike.
//!
//! The stub does the least that any server must do: hyper and quick-xml, it reads every POST whole, keeps nothing and answers
//! from a constant.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Sessions at a time.
pub(crate) const CLIENTS: u32 = 8;

// === the clients ===

/// The bodies of one session in order; `SERIAL` and `TIME` are replaced by the device's own.
pub(crate) struct Script(Vec<String>);

impl Script {
    /// What the stub gets.
    pub(crate) fn three_posts() -> Self {
        Self(vec![inform(), values_response(), values_response()])
    }

    /// A periodic session without work.
    pub(crate) fn idle() -> Self {
        Self(vec![inform(), String::new()])
    }

    /// A session in which some values are read.
    #[allow(dead_code, reason = "the figures of the product do without it")]
    pub(crate) fn one_read() -> Self {
        Self(vec![inform(), String::new(), values_response()])
    }
}

/// Runs sessions, each on a new connection, each by the device `serial_of` its number.
pub(crate) async fn run_clients(
    address: SocketAddr,
    tls: Option<&TlsConnector>,
    sessions: std::ops::Range<u32>,
    script: &Script,
    serial_of: impl Fn(u32) -> String,
) {
    let serial_of = &serial_of;
    let client = |n: u32| {
        let sessions = sessions.clone();
        async move {
            for session in sessions.skip(n as usize).step_by(CLIENTS as usize) {
                let device = Device { serial: serial_of(session), session };
                let stream = TcpStream::connect(address).await.expect("the server listens");
                stream.set_nodelay(true).expect("a socket");
                match tls {
                    None => run_session(stream, &device, script).await,
                    Some(connector) => {
                        let name = ServerName::try_from("acs.example").expect("a name");
                        run_session(connector.connect(name, stream).await.expect("TLS"), &device, script).await;
                    }
                }
            }
        }
    };
    // All in this task: the clients' own cost does not matter here.
    futures::future::join_all((0..CLIENTS).map(client)).await;
}

struct Device {
    serial: String,
    session: u32,
}

impl Device {
    /// A clock that moves on by a second from session to session.
    fn time(&self) -> String {
        let (minutes, seconds) = (self.session / 60, self.session % 60);
        let (hours, days) = (minutes / 60, minutes / 60 / 24);
        format!("2026-01-{:02}T{:02}:{:02}:{seconds:02}Z", 1 + days % 31, hours % 24, minutes % 60)
    }
}

async fn run_session(mut stream: impl AsyncRead + AsyncWrite + Unpin, device: &Device, script: &Script) {
    let mut cookie = String::new();
    let mut buffer = vec![0; 16 << 10];
    for (n, body) in script.0.iter().enumerate() {
        let body = body.replace("SERIAL", &device.serial).replace("TIME", &device.time());
        let kind = if body.is_empty() { "" } else { "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \r\n" };
        let request = format!(
            "POST /cwmp HTTP/1.1\r\nHost: acs.example\r\nUser-Agent: cpe\r\n{kind}{cookie}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let head = read_response(&mut stream, &mut buffer).await;
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        if n == 0
            && let Some(set) = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: "))
        {
            cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap_or_default());
        }
    }
}

async fn read_response(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> String {
    let mut filled = 0;
    loop {
        let n = stream.read(&mut buffer[filled..]).await.expect("the server writes");
        assert!(n > 0, "the server closed the connection");
        filled += n;
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if filled >= end + 4 + length.unwrap_or(0) {
            return head;
        }
    }
}

// === the stub ===

pub(crate) async fn serve_stub(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor {
                None => serve_stub_connection(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_stub_connection(stream).await;
                    }
                }
            }
        });
    }
}

async fn serve_stub_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        std::hint::black_box(read_document(&body));
        Response::builder()
            .header("Content-Type", "text/xml; charset=utf-8")
            .body(Full::new(Bytes::from_static(STUB_ANSWER.as_bytes())))
    });
    // The peer closes when it is done.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Reads the whole document, namespaces, attributes and text included; says how much there was.
fn read_document(body: &[u8]) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::NsReader::from_reader(body);
    let mut parts = 0;
    loop {
        match reader.read_resolved_event() {
            Ok((_, Event::Start(start))) => parts += 1 + start.attributes().flatten().count(),
            Ok((_, Event::Text(text))) => parts += text.len(),
            Ok((_, Event::Eof)) | Err(_) => return parts,
            Ok(_) => {}
        }
    }
}

const STUB_ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">1</cwmp:ID></soap-env:Header><soap-env:Body><cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse></soap-env:Body></soap-env:Envelope>"#;

// === TLS ===

pub(crate) fn write_identity(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["acs.example".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
}

fn certificate(folder: &Path) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate")
}

pub(crate) fn connector(folder: &Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate(folder)).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config).into()
}

pub(crate) fn stub_acceptor(folder: &Path) -> TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(folder)], key)
        .expect("a certificate with its key");
    config.send_tls13_tickets = 0;
    Arc::new(config).into()
}

// === messages of 3 KB ===

fn envelope(id: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">{id}</cwmp:ID></soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"#
    )
}

fn value(name: &str, value: &str) -> String {
    format!(
        r#"<ParameterValueStruct><Name>{name}</Name><Value xsi:type="xsd:string">{value}</Value></ParameterValueStruct>"#
    )
}

/// What a TR-181 gateway tells in every Inform, and a few values that its operator added.
const INFORM_VALUES: [(&str, &str); 12] = [
    ("Device.RootDataModelVersion", "2.15"),
    ("Device.DeviceInfo.HardwareVersion", "HW-3.1-revB"),
    ("Device.DeviceInfo.SoftwareVersion", "4.2.17-r20260118-release"),
    ("Device.DeviceInfo.ProvisioningCode", "TLCO.RES-INTERNET.VOIP"),
    ("Device.ManagementServer.ParameterKey", ""),
    ("Device.ManagementServer.ConnectionRequestURL", "http://127.0.0.1:9/cr/SERIAL"),
    ("Device.ManagementServer.AliasBasedAddressing", "false"),
    ("Device.IP.Interface.2.IPv4Address.1.IPAddress", "192.0.2.117"),
    ("Device.IP.Interface.2.IPv6Address.1.IPAddress", "2001:db8:17:4200::a1"),
    ("Device.Optical.Interface.1.X_ACME_TransceiverSerialNumber", "ALCLB3F1A2C4"),
    ("Device.DeviceInfo.X_ACME_SubscriberLineIdentification", "DE.BER.OLT-0417.1-1-7-12.ONT-33"),
    ("Device.Ethernet.Interface.1.MACAddress", "02:00:5E:10:20:30"),
];

pub(crate) fn inform() -> String {
    let values: String = INFORM_VALUES.into_iter().map(|(name, text)| value(name, text)).collect();
    let body = format!(
        r#"<cwmp:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>00AABB</OUI><ProductClass>IGD</ProductClass><SerialNumber>SERIAL</SerialNumber></DeviceId><Event soap-enc:arrayType="cwmp:EventStruct[1]"><EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey></CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>TIME</CurrentTime><RetryCount>0</RetryCount><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[12]">{values}</ParameterList></cwmp:Inform>"#
    );
    envelope("1", &body)
}

fn values_response() -> String {
    let values: String =
        (0..18).map(|n| value(&format!("Device.DeviceInfo.X_ACME_Value{n}"), &format!("value of {n}"))).collect();
    let body = format!(
        r#"<cwmp:GetParameterValuesResponse><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[18]">{values}</ParameterList></cwmp:GetParameterValuesResponse>"#
    );
    envelope("call-1", &body)
}

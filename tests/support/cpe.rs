//! A CPE that says exactly what its script says.

use cwmp_codec::{
    AcsRequest, CpeRequest, CpeResponse, CwmpNamespace, Envelope, Event, Header, Inform, Limits, Message,
    decode_from_acs, encode,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Value};

/// One device with one HTTP connection pool and its cookie.
pub(crate) struct Cpe {
    /// Where the next POST goes.
    pub(crate) url: String,
    http: reqwest::Client,
    pub(crate) identity: DeviceIdentity,
    pub(crate) parameter_key: String,
    pub(crate) connection_request_url: String,
    pub(crate) cookie: Option<String>,
    informs: u32,
}

/// What the ACS answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) message: Option<Message>,
    pub(crate) id: String,
    pub(crate) retry_after: Option<String>,
}

impl Answer {
    /// The request of the ACS.
    #[track_caller]
    pub(crate) fn request(&self) -> &AcsRequest {
        match &self.message {
            Some(Message::AcsRequest(request)) => request,
            other => panic!("no request of the ACS, but {} {other:?}", self.status),
        }
    }
}

impl Cpe {
    pub(crate) fn new(url: &str, serial: &str) -> Self {
        let identity = DeviceIdentity {
            manufacturer: "Script".to_owned(),
            oui: "00005E".to_owned(),
            product_class: "Scripted".to_owned(),
            serial_number: serial.to_owned(),
        };
        let http = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(60)).build().unwrap();
        Self {
            url: url.to_owned(),
            http,
            identity,
            parameter_key: String::new(),
            connection_request_url: "http://127.0.0.1:9/x".to_owned(),
            cookie: None,
            informs: 0,
        }
    }

    pub(crate) fn id(&self) -> String {
        acs_types::DeviceId::of(&self.identity).to_string()
    }

    pub(crate) fn inform_message(&mut self, events: &[(&str, &str)], retry_count: u32) -> Envelope {
        self.informs += 1;
        let parameter = |name: &str, text: &str| ParameterValue {
            name: ParameterPath::new(name).unwrap(),
            value: Value::string(text),
        };
        let inform = Inform {
            device: self.identity.clone(),
            events: events
                .iter()
                .map(|(code, key)| Event { code: (*code).into(), command_key: (*key).into() })
                .collect(),
            max_envelopes: 1,
            current_time: format!("2026-01-31T12:{:02}:{:02}Z", self.informs / 60, self.informs % 60),
            retry_count,
            parameters: vec![
                parameter("Device.RootDataModelVersion", "2.12"),
                parameter("Device.DeviceInfo.HardwareVersion", "1"),
                parameter("Device.DeviceInfo.SoftwareVersion", "1.0"),
                parameter("Device.DeviceInfo.ProvisioningCode", ""),
                parameter("Device.ManagementServer.ParameterKey", &self.parameter_key.clone()),
                parameter("Device.ManagementServer.ConnectionRequestURL", &self.connection_request_url.clone()),
            ],
        };
        envelope("1", Message::CpeRequest(CpeRequest::Inform(inform)))
    }

    /// Opens a session; holds that it is accepted.
    pub(crate) async fn inform(&mut self, events: &[(&str, &str)]) -> Answer {
        self.cookie = None;
        let message = self.inform_message(events, 0);
        let answer = self.post(&encode(&message).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    pub(crate) async fn empty_post(&mut self) -> Answer {
        self.post(b"").await
    }

    pub(crate) async fn answer(&mut self, id: &str, response: CpeResponse) -> Answer {
        self.post(&encode(&envelope(id, Message::CpeResponse(response))).unwrap()).await
    }

    pub(crate) async fn post(&mut self, body: &[u8]) -> Answer {
        for _ in 0..20 {
            match self.try_post(body).await {
                // A moment after an answer the client may not have its connection back yet, and tries a new one: a server that
                // stops takes none any more.
                Err(error) if error.is_connect() => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                answered => return answered.expect("the ACS answers"),
            }
        }
        panic!("nobody listens at {}", self.url);
    }

    pub(crate) async fn try_post(&mut self, body: &[u8]) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.post(&self.url).body(body.to_vec());
        if !body.is_empty() {
            request = request.header("Content-Type", "text/xml; charset=utf-8").header("SOAPAction", "");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        let reply = request.send().await?;
        let status = reply.status().as_u16();
        let text = |name: &str| reply.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        if let Some(set) = text("set-cookie") {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let retry_after = text("retry-after");
        let bytes = reply.bytes().await?;
        let envelope = decode_from_acs(&bytes, None, &Limits::default()).ok().map(|decoded| decoded.envelope);
        let (message, header) = envelope.map(|e| (e.message, e.header)).unzip();
        let id = header.and_then(|header| header.id).unwrap_or_default();
        Ok(Answer { status, message, id, retry_after })
    }
}

pub(crate) fn envelope(id: &str, message: Message) -> Envelope {
    let header = Header { id: Some(id.to_owned()), ..Header::default() };
    Envelope { namespace: Some(CwmpNamespace::V1_2), header, message }
}

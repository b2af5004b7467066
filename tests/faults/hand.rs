//! A device whose sessions go as the test says, POST by POST, each to the front-end that the test names.

use std::sync::{Arc, Mutex, MutexGuard};

use cwmp_codec::{AcsRequest, CpeRequest, Inform, Message, encode};
use lastmile_fleet::{Device, Gateway};

use crate::judgement::now;
use crate::support::Api;
use crate::support::cluster::{Cluster, Shape};
use crate::support::cpe::{Answer, Cpe, envelope};

/// One session at a time of a device.
pub(crate) struct Hand {
    cpe: Cpe,
    device: Arc<Mutex<Device>>,
}

impl Hand {
    /// A factory-new device, which gets connection requests at this URL.
    pub(crate) fn new(serial: &str, url: &str) -> Self {
        let cpe = Cpe::new("", serial);
        let factory = vec![("ManagementServer.ConnectionRequestURL", url.to_owned())];
        let device = Device::new(Gateway::Tr181, cpe.identity.clone(), factory);
        Self { cpe, device: Arc::new(Mutex::new(device)) }
    }

    /// The same device once more, as no device should be.
    pub(crate) fn twin(&self) -> Self {
        let device = self.device();
        Self { cpe: Cpe::new("", &device.identity.serial_number), device: self.device.clone() }
    }

    /// In the API.
    pub(crate) fn id(&self) -> String {
        self.cpe.id()
    }

    pub(crate) fn device(&self) -> MutexGuard<'_, Device> {
        self.device.lock().expect("nobody panicked")
    }

    /// The value of a parameter by its name below the root.
    pub(crate) fn value(&self, below_root: &str) -> String {
        self.device().model.text(below_root).to_owned()
    }

    /// Opens a session; what it said, and how it was answered.
    pub(crate) async fn inform(&mut self, url: &str, event: &str) -> Result<(Inform, Answer), reqwest::Error> {
        let inform = {
            let mut device = self.device();
            if !event.is_empty() {
                device.add_event(event, "");
            }
            device.inform(now().to_string())
        };
        self.cpe.cookie = None;
        let message = envelope("1", Message::CpeRequest(CpeRequest::Inform(inform.clone())));
        let answer = self.post(url, &encode(&message).expect("it can be written")).await?;
        if answer.status == 200 {
            self.device().informed(&inform);
        }
        Ok((inform, answer))
    }

    pub(crate) async fn empty_post(&mut self, url: &str) -> Result<Answer, reqwest::Error> {
        self.post(url, b"").await
    }

    /// Carries out what the ACS asked for; the answer, which is not sent yet.
    pub(crate) fn carry_out(&self, asked: &Answer) -> Vec<u8> {
        let (result, _) = self.device().execute(asked.request());
        let message = result.map_or_else(Message::Fault, Message::CpeResponse);
        encode(&envelope(&asked.id, message)).expect("it can be written")
    }

    pub(crate) async fn post(&mut self, url: &str, body: &[u8]) -> Result<Answer, reqwest::Error> {
        url.clone_into(&mut self.cpe.url);
        self.cpe.try_post(body).await
    }

    /// Goes on from an answer to the end of the session, with front-ends in turn.
    pub(crate) async fn go_on(&mut self, urls: &[String], mut answer: Answer) -> Result<(), String> {
        for url in urls.iter().cycle() {
            match answer.status {
                204 => return Ok(()),
                200 => {}
                _ => return Err(format!("{answer:?}")),
            }
            let body = self.carry_out(&answer);
            answer = self.post(url, &body).await.map_err(|error| format!("{error:?}"))?;
        }
        Err("there is no front-end".to_owned())
    }

    /// A whole session.
    pub(crate) async fn session(&mut self, url: &str, event: &str) -> Result<(), String> {
        let told = |error: reqwest::Error| format!("{error:?}");
        let (_, answer) = self.inform(url, event).await.map_err(told)?;
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        let answer = self.empty_post(url).await.map_err(told)?;
        self.go_on(&[url.to_owned()], answer).await
    }
}

/// ParameterKey of what changes a device.
pub(crate) fn key_of(request: &AcsRequest) -> Option<&str> {
    match request {
        AcsRequest::SetParameterValues(call) => Some(&call.parameter_key),
        AcsRequest::AddObject(call) => Some(&call.parameter_key),
        AcsRequest::DeleteObject(call) => Some(&call.parameter_key),
        _ => None,
    }
}

/// A cluster that takes any device at its word.
pub(crate) async fn open_cluster(first_contact: &str) -> Option<(Cluster, Api)> {
    let first_contact = format!("provisioning.first_contact={first_contact}");
    let shape = Shape::default().set("cwmp", "cwmp.auth=open").set("provisioning", &first_contact);
    let cluster = Cluster::start(shape).await?;
    let api = cluster.api();
    Some((cluster, api))
}

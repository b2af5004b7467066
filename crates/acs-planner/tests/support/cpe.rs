//! A CPE that answers requests from a tree, and misbehaves where a test says so.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test uses a part of it, and stops where something does not hold"
)]

use cwmp_codec::{
    AcsRequest, AddObjectResponse, CpeResponse, DeleteObjectResponse, DownloadResponse, Fault,
    GetParameterNamesResponse, GetParameterValuesResponse, ParameterFault, ParameterInfo, SetParameterValuesResponse,
};
use cwmp_model::{Parameter, ParameterPath, ParameterTree, ParameterValue, Value, ValueType};

pub enum Reply {
    Response(CpeResponse),
    Fault(Fault),
    /// It hangs up.
    Silence,
}

/// Looks at each request first; `None`: the tree answers.
pub type Habit = Box<dyn FnMut(&AcsRequest) -> Option<Reply> + Send>;

pub struct Cpe {
    pub tree: ParameterTree,
    pub root: String,
    pub key: String,
    pub habit: Habit,
    /// Every request that reached it, in words.
    pub seen: Vec<String>,
    /// Applies what it is told and then hangs up.
    pub hangs_up_after: Option<&'static str>,
    pub status: u32,
}

pub fn fault(code: u32) -> Reply {
    Reply::Fault(Fault { code, text: format!("fault {code}"), parameters: Vec::new() })
}

impl Cpe {
    /// `count` parameters in objects of twenty.
    pub fn new(root: &str, count: usize) -> Self {
        let mut tree = ParameterTree::new();
        let mut put = |name: String, kind: ValueType, text: &str| {
            let parameter = Parameter { writable: true, value: Some(Value::new(kind, text)) };
            tree.insert_parameter(&ParameterPath::new(&name).unwrap(), parameter).unwrap();
        };
        put(format!("{root}DeviceInfo.SoftwareVersion"), ValueType::String, "1.0");
        for leaf in ["ConnectionRequestURL", "ConnectionRequestUsername", "ConnectionRequestPassword", "ParameterKey"] {
            put(format!("{root}ManagementServer.{leaf}"), ValueType::String, "");
        }
        put(format!("{root}ManagementServer.PeriodicInformInterval"), ValueType::UnsignedInt, "300");
        for n in 0..count.saturating_sub(6) {
            put(format!("{root}X_Group{}.P{}", n / 20, n % 20), ValueType::String, "v");
        }
        tree.insert_object(&ParameterPath::new(&format!("{root}X_Table.")).unwrap(), true).unwrap();
        Self {
            tree,
            root: root.to_owned(),
            key: String::new(),
            habit: Box::new(|_| None),
            seen: Vec::new(),
            hangs_up_after: None,
            status: 0,
        }
    }

    pub fn handle(&mut self, request: &AcsRequest) -> Reply {
        self.seen.push(describe(request));
        if let Some(reply) = (self.habit)(request) {
            return reply;
        }
        let reply = match self.answer(request) {
            Ok(response) => Reply::Response(response),
            Err(code) => fault(code),
        };
        if self.hangs_up_after == Some(request.method()) {
            self.hangs_up_after = None;
            return Reply::Silence;
        }
        reply
    }

    fn answer(&mut self, request: &AcsRequest) -> Result<CpeResponse, u32> {
        let status = self.status;
        Ok(match request {
            AcsRequest::GetParameterNames(ask) => {
                let names = self.tree.names(&ask.path, ask.next_level).map_err(|error| error.fault_code())?;
                let parameters = names.into_iter().map(|(name, writable)| ParameterInfo { name, writable }).collect();
                CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters })
            }
            AcsRequest::GetParameterValues(ask) => {
                let mut parameters = Vec::new();
                for name in &ask.names {
                    parameters.extend(self.tree.values_within(name).map_err(|error| error.fault_code())?);
                }
                CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters })
            }
            AcsRequest::SetParameterValues(set) => {
                if set.parameters.iter().any(|p| self.tree.parameter(&p.name).is_none()) {
                    return Err(9003);
                }
                for parameter in &set.parameters {
                    self.tree.set_value(&parameter.name, parameter.value.clone()).map_err(|_| 9003u32)?;
                }
                self.take_key(&set.parameter_key);
                CpeResponse::SetParameterValues(SetParameterValuesResponse { status })
            }
            AcsRequest::AddObject(add) => {
                let name = Parameter { writable: true, value: Some(Value::string("")) };
                let instance = self.tree.add_instance(&add.object, [("Name", name)]).map_err(|_| 9005u32)?;
                self.take_key(&add.parameter_key);
                CpeResponse::AddObject(AddObjectResponse { instance, status })
            }
            AcsRequest::DeleteObject(delete) => {
                self.tree.delete_instance(&delete.object).map_err(|_| 9005u32)?;
                self.take_key(&delete.parameter_key);
                CpeResponse::DeleteObject(DeleteObjectResponse { status })
            }
            AcsRequest::Download(_) => {
                CpeResponse::Download(DownloadResponse { status: 1, ..DownloadResponse::default() })
            }
            AcsRequest::Reboot { .. } => CpeResponse::Reboot,
            AcsRequest::FactoryReset => CpeResponse::FactoryReset,
            AcsRequest::GetRpcMethods => return Err(9000),
        })
    }

    pub fn take_key(&mut self, key: &str) {
        self.key = key.to_owned();
        let name = ParameterPath::new(&format!("{}ManagementServer.ParameterKey", self.root)).unwrap();
        self.tree.set_value(&name, Value::string(key)).unwrap();
    }

    pub fn value(&self, name: &str) -> String {
        self.tree.value(&ParameterPath::new(name).unwrap()).map(|v| v.text.clone()).unwrap_or_default()
    }

    /// ParameterList of its Inform.
    pub fn inform_parameters(&self) -> Vec<ParameterValue> {
        let names =
            ["DeviceInfo.SoftwareVersion", "ManagementServer.ConnectionRequestURL", "ManagementServer.ParameterKey"];
        let paths = names.iter().map(|name| ParameterPath::new(&format!("{}{name}", self.root)).unwrap());
        paths.map(|name| ParameterValue { value: self.tree.value(&name).cloned().unwrap_or_default(), name }).collect()
    }
}

/// SetParameterValuesFaults as a device sends them.
pub fn values_fault(names: &[(&str, u32)]) -> Reply {
    let parameters = names.iter().map(|(name, code)| ParameterFault {
        name: ParameterPath::new(name).unwrap(),
        code: *code,
        text: String::new(),
    });
    Reply::Fault(Fault { code: 9003, text: "invalid arguments".into(), parameters: parameters.collect() })
}

/// A request in words, without its key.
pub fn describe(request: &AcsRequest) -> String {
    let method = request.method();
    match request {
        AcsRequest::GetParameterNames(ask) => {
            let depth = if ask.next_level { "next level" } else { "all" };
            format!("{method} {} {depth}", ask.path)
        }
        AcsRequest::GetParameterValues(ask) if ask.names.len() <= 3 => {
            let names: Vec<_> = ask.names.iter().map(ParameterPath::as_str).collect();
            format!("{method} {}", names.join(" "))
        }
        AcsRequest::GetParameterValues(ask) => format!("{method} {} names", ask.names.len()),
        AcsRequest::SetParameterValues(set) => {
            let value = |p: &ParameterValue| match p.name.leaf().contains("Password") {
                true => format!("{}=(secret)", p.name),
                false => format!("{}={}:{}", p.name, p.value.kind.as_str(), p.value.text),
            };
            let values: Vec<_> = set.parameters.iter().map(value).collect();
            format!("{method} {}", values.join(" "))
        }
        AcsRequest::AddObject(add) => format!("{method} {}", add.object),
        AcsRequest::DeleteObject(delete) => format!("{method} {}", delete.object),
        AcsRequest::Download(download) => format!("{method} {} {}", download.file_type, download.url),
        _ => method.to_owned(),
    }
}

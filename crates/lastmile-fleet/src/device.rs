//! What a simulated CPE does with a request of the ACS: pure, without sockets and clock.

use std::collections::HashSet;

use cwmp_codec::{
    AcsRequest, AddObject, AddObjectResponse, CpeResponse, DeleteObject, DeleteObjectResponse, Download,
    DownloadResponse, Event, Fault, GetParameterNames, GetParameterNamesResponse, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, ParameterFault, ParameterInfo, SetParameterValues,
    SetParameterValuesResponse, TransferComplete,
};
use cwmp_model::{
    Catalogue, DeviceIdentity, NamesError, ParameterPath, ParameterValue, Root, Severity, TreeError, Value, ValueType,
};

use crate::model::{DataModel, Gateway, RowChange};

/// The methods a simulated CPE answers.
const METHODS: [&str; 9] = [
    "GetRPCMethods",
    "SetParameterValues",
    "GetParameterValues",
    "GetParameterNames",
    "AddObject",
    "DeleteObject",
    "Reboot",
    "Download",
    "FactoryReset",
];
/// Entries an Inform can have (CWMP-180).
const EVENTS_MAX: usize = 64;
/// Changed values that one Inform tells.
const CHANGED_MAX: usize = 256;
/// The time of a transfer that is not over (CWMP-336).
const UNKNOWN_TIME: &str = "0001-01-01T00:00:00Z";
/// Forced Inform parameters below the root (CWMP-137); those a model lacks are left out.
const FORCED: [&str; 9] = [
    "DeviceSummary",
    "RootDataModelVersion",
    "DeviceInfo.SpecVersion",
    "DeviceInfo.HardwareVersion",
    "DeviceInfo.SoftwareVersion",
    "DeviceInfo.ProvisioningCode",
    "ManagementServer.ConnectionRequestURL",
    "ManagementServer.ParameterKey",
    "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress",
];

/// What a device does when its session is over, or beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Fetch a file and report by TransferComplete.
    Fetch(Box<Download>),
    /// Restart; `M Reboot` carries the key.
    Reboot {
        /// CommandKey.
        command_key: String,
    },
    /// Become factory-new.
    FactoryReset,
}

/// A device between two processes. It holds the device's passwords.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct SavedDevice {
    /// Whose this is.
    pub serial_number: String,
    rows: Vec<RowChange>,
    values: Vec<(String, String)>,
    events: Vec<(String, String)>,
    transfers: Vec<SavedTransfer>,
    retry_count: u32,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct SavedTransfer {
    key: String,
    fault: u32,
    fault_text: String,
    start_time: String,
    complete_time: String,
}

/// One simulated CPE, apart from its network.
#[derive(Debug, Clone)]
pub struct Device {
    /// How it names itself.
    pub identity: DeviceIdentity,
    /// Its parameters.
    pub model: DataModel,
    /// Values that this device has from the factory, by name below the root: they come back with a factory reset.
    factory: Vec<(&'static str, String)>,
    /// Events that no InformResponse has delivered yet (CWMP-175 to CWMP-184).
    events: Vec<Event>,
    /// Transfers to report (never dropped, kept over a reboot).
    transfers: Vec<TransferComplete>,
    /// Attempts since the last session that completed (CWMP-199).
    pub retry_count: u32,
    /// Names that changed and are told with the next Inform (`4 VALUE CHANGE`).
    changed: Vec<ParameterPath>,
}

impl Device {
    /// A factory-new device: its first session will be `0 BOOTSTRAP`, `1 BOOT`. `factory` holds what differs from others
    /// of its kind, by name below the root.
    pub fn new(gateway: Gateway, identity: DeviceIdentity, factory: Vec<(&'static str, String)>) -> Self {
        let mut device = Self {
            model: DataModel::new(gateway, &identity),
            identity,
            factory,
            events: Vec::new(),
            transfers: Vec::new(),
            retry_count: 0,
            changed: Vec::new(),
        };
        device.become_factory_new();
        device
    }

    /// FactoryReset: values, rows and events as from the factory (CWMP-248); `0 BOOTSTRAP` drops every other event.
    pub fn become_factory_new(&mut self) {
        self.model = DataModel::new(self.model.gateway(), &self.identity);
        for (name, text) in &self.factory {
            let path = self.model.path(name);
            self.model.put(&path, text);
        }
        self.forget_events();
        self.add_event("0 BOOTSTRAP", "");
        self.add_event("1 BOOT", "");
    }

    /// A restart: volatile events go, `1 BOOT` comes (and `M Reboot` if the ACS asked for it).
    pub fn restart(&mut self, command_key: Option<&str>) {
        self.events.retain(|event| {
            event.code.starts_with("M ") || event.code == "0 BOOTSTRAP" || event.code == "7 TRANSFER COMPLETE"
        });
        self.add_event("1 BOOT", "");
        if let Some(key) = command_key {
            self.add_event("M Reboot", key);
        }
    }

    /// Changes a value now and for every factory reset to come, as new firmware does.
    pub fn set_factory(&mut self, name: &'static str, text: &str) {
        self.set_own(name, text);
        self.factory.retain(|(other, _)| *other != name);
        self.factory.push((name, text.to_owned()));
    }

    /// Something happened that wants a session. A single event is entered once, a multiple one once per key (CWMP-184).
    pub fn add_event(&mut self, code: &str, command_key: &str) {
        let event = Event { code: code.to_owned(), command_key: command_key.to_owned() };
        if self.events.contains(&event) {
            return;
        }
        if self.events.len() >= EVENTS_MAX {
            match self.events.iter().position(|e| e.code.starts_with("M ")) {
                Some(oldest) => drop(self.events.remove(oldest)),
                None => return,
            }
        }
        self.events.push(event);
    }

    /// What has to outlive the process.
    pub fn save(&self) -> SavedDevice {
        let (rows, values) = self.model.changes();
        let transfer = |transfer: &TransferComplete| SavedTransfer {
            key: transfer.command_key.clone(),
            fault: transfer.fault.code,
            fault_text: transfer.fault.text.clone(),
            start_time: transfer.start_time.clone(),
            complete_time: transfer.complete_time.clone(),
        };
        SavedDevice {
            serial_number: self.identity.serial_number.clone(),
            rows,
            values,
            events: self.events.iter().map(|e| (e.code.clone(), e.command_key.clone())).collect(),
            transfers: self.transfers.iter().map(transfer).collect(),
            retry_count: self.retry_count,
        }
    }

    /// Becomes what was saved, and boots: a restarted process is a power cycle. What the fleet configures (the address of its
    /// listener) stays as it is now.
    pub fn restore(&mut self, saved: SavedDevice) {
        let url = self.model.text("ManagementServer.ConnectionRequestURL").to_owned();
        self.model = DataModel::new(self.model.gateway(), &self.identity);
        self.model.change(&saved.rows, &saved.values);
        self.set_own("ManagementServer.ConnectionRequestURL", &url);
        let version = self.model.text("DeviceInfo.SoftwareVersion").to_owned();
        self.set_factory("DeviceInfo.SoftwareVersion", &version);
        self.forget_events();
        for (code, command_key) in &saved.events {
            self.add_event(code, command_key);
        }
        let fault = |code, text| Fault { code, text, parameters: Vec::new() };
        let transfer = |transfer: SavedTransfer| TransferComplete {
            command_key: transfer.key,
            fault: fault(transfer.fault, transfer.fault_text),
            start_time: transfer.start_time,
            complete_time: transfer.complete_time,
        };
        self.transfers = saved.transfers.into_iter().map(transfer).collect();
        self.retry_count = saved.retry_count;
        self.restart(None);
    }

    /// `0 BOOTSTRAP` drops every other event.
    pub fn forget_events(&mut self) {
        self.events.clear();
        self.transfers.clear();
        self.changed.clear();
    }

    /// Whether something waits to be told.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The Inform of a session that opens now.
    pub fn inform(&self, current_time: String) -> Inform {
        let forced = FORCED.iter().map(|name| self.model.path(name));
        let names: Vec<ParameterPath> = forced.chain(self.changed.iter().cloned()).collect();
        let mut seen = HashSet::new();
        let parameters = names
            .into_iter()
            .filter(|name| seen.insert(name.clone()))
            .filter_map(|name| Some(ParameterValue { value: self.model.value(&name)?.clone(), name }))
            .collect();
        Inform {
            device: self.identity.clone(),
            events: self.events.clone(),
            max_envelopes: 1,
            current_time,
            retry_count: self.retry_count,
            parameters,
        }
    }

    /// The Inform was accepted: what InformResponse delivers may be forgotten. Transfer events stay until their
    /// TransferComplete is accepted (CWMP-191).
    pub fn informed(&mut self, sent: &Inform) {
        let is_transfer = |code: &str| code == "7 TRANSFER COMPLETE" || code == "M Download";
        self.events.retain(|event| is_transfer(&event.code) || !sent.events.contains(event));
        // What changed again while the Inform was on its way is still to be told.
        let model = &self.model;
        let told = |name: &ParameterPath| {
            sent.parameters.iter().any(|p| p.name == *name && model.value(name) == Some(&p.value))
        };
        self.changed.retain(|name| !told(name));
    }

    /// The transfers to report in this session.
    pub fn transfers(&self) -> &[TransferComplete] {
        &self.transfers
    }

    /// A transfer is over.
    pub fn transferred(&mut self, transfer: TransferComplete) {
        self.add_event("7 TRANSFER COMPLETE", "");
        self.add_event("M Download", &transfer.command_key);
        self.transfers.push(transfer);
    }

    /// A TransferComplete was accepted.
    pub fn transfer_delivered(&mut self, command_key: &str) {
        self.transfers.retain(|transfer| transfer.command_key != command_key);
        self.events.retain(|event| !(event.code == "M Download" && event.command_key == command_key));
        if self.transfers.is_empty() {
            self.events.retain(|event| event.code != "7 TRANSFER COMPLETE");
        }
    }

    /// The session completed.
    pub fn session_completed(&mut self) {
        self.retry_count = 0;
    }

    /// The session failed: what was not delivered stays, but a connection request is not repeated (CWMP-199).
    pub fn session_failed(&mut self) {
        self.retry_count = self.retry_count.saturating_add(1);
        self.events.retain(|event| event.code != "6 CONNECTION REQUEST");
    }

    /// A change that the ACS did not make; the next Inform carries the value. The caller adds `4 VALUE CHANGE`.
    pub fn change(&mut self, path: &ParameterPath, text: &str) {
        self.model.put(path, text);
        if !self.changed.contains(path) && self.changed.len() < CHANGED_MAX {
            self.changed.push(path.clone());
        }
    }

    /// Whether one of these events still waits.
    pub fn still_has(&self, events: &[Event]) -> bool {
        events.iter().any(|event| self.events.contains(event))
    }

    /// Sets a parameter below the root without telling.
    pub fn set_own(&mut self, below_root: &str, text: &str) {
        let path = self.model.path(below_root);
        self.model.put(&path, text);
    }

    /// Carries out a request; the action is for afterwards.
    pub fn execute(&mut self, request: &AcsRequest) -> (Result<CpeResponse, Fault>, Option<Action>) {
        let answer = match request {
            AcsRequest::GetRpcMethods => Ok(CpeResponse::GetRpcMethods(GetRpcMethodsResponse {
                methods: METHODS.iter().map(|&method| method.to_owned()).collect(),
            })),
            AcsRequest::GetParameterValues(call) => self.get_values(call),
            AcsRequest::GetParameterNames(call) => self.get_names(call),
            AcsRequest::SetParameterValues(call) => self.set_values(call),
            AcsRequest::AddObject(call) => self.add_object(call),
            AcsRequest::DeleteObject(call) => self.delete_object(call),
            AcsRequest::Download(call) => return download(call),
            AcsRequest::Reboot { command_key } => {
                return (Ok(CpeResponse::Reboot), Some(Action::Reboot { command_key: command_key.clone() }));
            }
            AcsRequest::FactoryReset => return (Ok(CpeResponse::FactoryReset), Some(Action::FactoryReset)),
        };
        (answer, None)
    }

    fn get_values(&self, call: &GetParameterValues) -> Result<CpeResponse, Fault> {
        let mut parameters = Vec::new();
        for name in &call.names {
            parameters.extend(self.model.values_within(name).map_err(|error| names_fault(&error))?);
        }
        Ok(CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters }))
    }

    fn get_names(&self, call: &GetParameterNames) -> Result<CpeResponse, Fault> {
        let names = self.model.names(&call.path, call.next_level).map_err(|error| names_fault(&error))?;
        let parameters = names.into_iter().map(|(name, writable)| ParameterInfo { name, writable }).collect();
        Ok(CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters }))
    }

    /// All or nothing (CWMP-225).
    fn set_values(&mut self, call: &SetParameterValues) -> Result<CpeResponse, Fault> {
        let mut seen = HashSet::new();
        let mut faults = Vec::new();
        for parameter in &call.parameters {
            let fault =
                if seen.insert(&parameter.name) { self.refusal(parameter) } else { Some((9003, "named twice")) };
            if let Some((code, text)) = fault {
                faults.push(ParameterFault { name: parameter.name.clone(), code, text: text.to_owned() });
            }
        }
        if !faults.is_empty() {
            return Err(Fault { code: 9003, text: "Invalid arguments".to_owned(), parameters: faults });
        }
        for parameter in &call.parameters {
            self.model.put(&parameter.name, &parameter.value.text);
        }
        self.set_own("ManagementServer.ParameterKey", &call.parameter_key);
        Ok(CpeResponse::SetParameterValues(SetParameterValuesResponse { status: 0 }))
    }

    /// Why a value cannot be set.
    fn refusal(&self, parameter: &ParameterValue) -> Option<(u32, &'static str)> {
        let Some(held) = self.model.value(&parameter.name) else { return Some((9005, "no such parameter")) };
        if self.model.is_writable(&parameter.name) != Some(true) {
            return Some((9008, "not writable"));
        }
        if held.kind != parameter.value.kind {
            return Some((9006, "another type"));
        }
        if !is_allowed(&parameter.name, &parameter.value) {
            return Some((9007, "not a value of this parameter"));
        }
        None
    }

    fn add_object(&mut self, call: &AddObject) -> Result<CpeResponse, Fault> {
        match self.model.is_writable(&call.object) {
            None => return Err(fault(9005, "no such table")),
            Some(false) => return Err(fault(9005, "rows cannot be added here")),
            Some(true) => {}
        }
        let instance = self.model.add_instance(&call.object).map_err(|error| tree_fault(&error))?;
        self.set_own("ManagementServer.ParameterKey", &call.parameter_key);
        Ok(CpeResponse::AddObject(AddObjectResponse { instance, status: 0 }))
    }

    fn delete_object(&mut self, call: &DeleteObject) -> Result<CpeResponse, Fault> {
        match self.model.is_writable(&call.object) {
            None => return Err(fault(9005, "no such row")),
            Some(false) => return Err(fault(9005, "this row cannot be deleted")),
            Some(true) => {}
        }
        self.model.delete_instance(&call.object).map_err(|error| tree_fault(&error))?;
        self.set_own("ManagementServer.ParameterKey", &call.parameter_key);
        Ok(CpeResponse::DeleteObject(DeleteObjectResponse { status: 0 }))
    }
}

/// Accepted for later, unless its arguments make no sense (CWMP-336).
fn download(call: &Download) -> (Result<CpeResponse, Fault>, Option<Action>) {
    if !call.url.starts_with("http://") && !call.url.starts_with("https://") {
        return (Err(fault(9013, "only http and https")), None);
    }
    let accepted =
        DownloadResponse { status: 1, start_time: UNKNOWN_TIME.to_owned(), complete_time: UNKNOWN_TIME.to_owned() };
    (Ok(CpeResponse::Download(accepted)), Some(Action::Fetch(Box::new(call.clone()))))
}

fn is_allowed(name: &ParameterPath, value: &Value) -> bool {
    let entry = Root::of_path(name).and_then(|root| Catalogue::get(root).lookup(name));
    let violates = |entry: cwmp_model::Entry| entry.check(value).iter().any(|r| r.severity() == Severity::Violation);
    // What a device takes as boolean is wider than what the catalogue calls canonical.
    let lexical = value.kind == ValueType::String || value.check().is_ok();
    lexical && !entry.is_some_and(violates)
}

fn fault(code: u32, text: &str) -> Fault {
    Fault { code, text: text.to_owned(), parameters: Vec::new() }
}

fn names_fault(error: &NamesError) -> Fault {
    fault(error.fault_code(), "Invalid parameter name")
}

fn tree_fault(error: &TreeError) -> Fault {
    match error {
        TreeError::InstancesExhausted { .. } => fault(9004, "no more rows"),
        _ => fault(9005, "Invalid parameter name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        let identity = DeviceIdentity {
            manufacturer: "Lastmile".into(),
            oui: "00005E".into(),
            product_class: "Gateway098".into(),
            serial_number: "S1".into(),
        };
        Device::new(
            Gateway::Tr098,
            identity,
            vec![("ManagementServer.ConnectionRequestURL", "http://127.0.0.1:1/0".into())],
        )
    }

    fn set(device: &mut Device, values: &[(&str, ValueType, &str)]) -> Result<CpeResponse, Fault> {
        let parameters = values
            .iter()
            .map(|(name, kind, text)| ParameterValue { name: device.model.path(name), value: Value::new(*kind, *text) })
            .collect();
        let call = SetParameterValues { parameters, parameter_key: "key".into() };
        device.execute(&AcsRequest::SetParameterValues(call)).0
    }

    #[test]
    fn values_are_set_all_or_nothing() {
        // CWMP-225, CWMP-227, CWMP-228
        let mut device = device();
        let refused = set(
            &mut device,
            &[
                ("DeviceInfo.ProvisioningCode", ValueType::String, "new"),
                ("DeviceInfo.SoftwareVersion", ValueType::String, "2"),
                ("DeviceInfo.Nothing", ValueType::String, "2"),
                ("ManagementServer.PeriodicInformInterval", ValueType::String, "5"),
                ("ManagementServer.PeriodicInformInterval", ValueType::UnsignedInt, "five"),
            ],
        )
        .unwrap_err();
        assert_eq!(refused.code, 9003);
        assert_eq!(refused.parameters.iter().map(|f| f.code).collect::<Vec<_>>(), [9008, 9005, 9006, 9003]);
        assert_eq!(device.model.text("DeviceInfo.ProvisioningCode"), "");
        assert_eq!(device.model.text("ManagementServer.ParameterKey"), "");
        set(&mut device, &[("DeviceInfo.ProvisioningCode", ValueType::String, "new")]).unwrap();
        assert_eq!(device.model.text("DeviceInfo.ProvisioningCode"), "new");
        assert_eq!(device.model.text("ManagementServer.ParameterKey"), "key");
    }

    #[test]
    fn rows_come_and_go_and_are_counted() {
        // CWMP-243 to CWMP-245
        let mut device = device();
        let table = device.model.path("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.");
        let count = "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMappingNumberOfEntries";
        let call = AddObject { object: table.clone(), parameter_key: "a".into() };
        let (answer, _) = device.execute(&AcsRequest::AddObject(call));
        assert_eq!(answer, Ok(CpeResponse::AddObject(AddObjectResponse { instance: 2, status: 0 })));
        assert_eq!(device.model.text(count), "2");
        let row = table.child("2.").unwrap();
        assert!(device.model.names(&row, false).unwrap().len() > 5);
        let call = DeleteObject { object: row.clone(), parameter_key: "d".into() };
        assert_eq!(
            device.execute(&AcsRequest::DeleteObject(call.clone())).0,
            Ok(CpeResponse::DeleteObject(DeleteObjectResponse { status: 0 }))
        );
        assert_eq!(device.model.text(count), "1");
        assert_eq!(device.execute(&AcsRequest::DeleteObject(call)).0.unwrap_err().code, 9005);
    }

    #[test]
    fn events_stay_until_they_are_delivered() {
        // CWMP-184, CWMP-191
        let mut device = device();
        device.transferred(TransferComplete { command_key: "k".into(), ..TransferComplete::default() });
        let inform = device.inform("now".into());
        let codes: Vec<&str> = inform.events.iter().map(|e| e.code.as_str()).collect();
        assert_eq!(codes, ["0 BOOTSTRAP", "1 BOOT", "7 TRANSFER COMPLETE", "M Download"]);
        device.informed(&inform);
        let left: Vec<String> = device.inform("now".into()).events.into_iter().map(|e| e.code).collect();
        assert_eq!(left, ["7 TRANSFER COMPLETE", "M Download"]);
        device.transfer_delivered("k");
        assert!(!device.has_events());
    }

    #[test]
    fn secrets_read_as_empty() {
        // CWMP-235
        let mut device = device();
        let name = "ManagementServer.ConnectionRequestPassword";
        set(&mut device, &[(name, ValueType::String, "canary")]).unwrap();
        let call = GetParameterValues { names: vec![device.model.path(name)] };
        let (answer, _) = device.execute(&AcsRequest::GetParameterValues(call));
        assert!(!format!("{answer:?}").contains("canary"));
        assert_eq!(device.model.text(name), "canary");
    }

    #[test]
    fn a_factory_reset_forgets_everything() {
        // CWMP-248
        let mut device = device();
        set(&mut device, &[("DeviceInfo.ProvisioningCode", ValueType::String, "x")]).unwrap();
        device.become_factory_new();
        assert_eq!(device.model.text("DeviceInfo.ProvisioningCode"), "");
        assert_eq!(device.model.text("ManagementServer.ParameterKey"), "");
        assert_eq!(device.model.text("ManagementServer.ConnectionRequestURL"), "http://127.0.0.1:1/0");
        assert!(device.inform(String::new()).events.iter().any(|e| e.code == "0 BOOTSTRAP"));
    }
}

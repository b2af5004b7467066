use std::collections::{BTreeMap, BTreeSet};

use acs_types::{ObjectRecord, ParameterRecord};
use cwmp_codec::ParameterInfo;
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, Value, is_secret_name};

/// What was read of a device's tree, to be applied in this order: what [`gone`] tells from `listed`, `remove`, `upsert`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TreeNews {
    /// Complete lists of the objects at a place.
    pub listed: Vec<Listing>,
    /// Objects that are gone with all below.
    pub remove: Vec<ParameterPath>,
    /// Objects read.
    pub upsert: BTreeMap<ParameterPath, ReadObject>,
}

/// One object read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadObject {
    /// What was read of it.
    pub object: ObjectRecord,
    /// Whether all its parameters are in it.
    pub complete: bool,
}

/// GetParameterNames told every object at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The object asked for.
    pub within: ParameterPath,
    /// Only its direct children were told.
    pub next_level: bool,
    /// Every object told.
    pub objects: BTreeSet<ParameterPath>,
}

/// What was read of the parameters that a device's summary shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SummaryNews {
    /// The root object.
    pub root: Option<ParameterPath>,
    /// DeviceInfo.SoftwareVersion.
    pub software_version: Option<String>,
    /// DeviceInfo.HardwareVersion.
    pub hardware_version: Option<String>,
    /// DeviceInfo.ProvisioningCode.
    pub provisioning_code: Option<String>,
    /// ManagementServer.ConnectionRequestURL.
    pub connection_request_url: Option<String>,
    /// ManagementServer.ParameterKey.
    pub parameter_key: Option<String>,
    /// When the whole tree was read.
    pub discovered_at: Option<Timestamp>,
}

impl SummaryNews {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes a value that was read, if the summary shows it.
    pub fn value(&mut self, value: &ParameterValue) {
        let Some((_, inner)) = value.name.as_str().split_once('.') else { return };
        let field = match inner {
            "DeviceInfo.SoftwareVersion" => &mut self.software_version,
            "DeviceInfo.HardwareVersion" => &mut self.hardware_version,
            "DeviceInfo.ProvisioningCode" => &mut self.provisioning_code,
            "ManagementServer.ConnectionRequestURL" => &mut self.connection_request_url,
            "ManagementServer.ParameterKey" => &mut self.parameter_key,
            _ => return,
        };
        *field = Some(value.value.text.clone());
    }
}

impl TreeNews {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A value that was read or set. A secret that reads as empty is not known, not empty (CWMP-235).
    pub fn value(&mut self, value: &ParameterValue, at: Timestamp) {
        let secret = is_secret_name(&value.name);
        let known = (!secret || !value.value.text.is_empty()).then(|| value.value.clone());
        self.parameter(&value.name, None, known, secret, at);
    }

    /// An object that is there; nothing more is known of it yet.
    pub fn object_seen(&mut self, path: &ParameterPath) {
        self.object(path);
    }

    /// Names that were read (CWMP-238). With `next_level` false every object told is complete.
    pub fn names(&mut self, within: &ParameterPath, next_level: bool, names: &[ParameterInfo], at: Timestamp) {
        let names = || names.iter().filter(|info| info.name.is_within(within));
        for info in names() {
            if info.name.is_object() {
                let object = self.object(&info.name);
                object.object.writable = Some(info.writable);
                object.object.named_at = Some(at);
                object.complete = !next_level;
            } else {
                self.parameter(&info.name, Some(info.writable), None, is_secret_name(&info.name), at);
            }
        }
        let objects: BTreeSet<_> = names().filter(|i| i.name.is_object()).map(|i| i.name.clone()).collect();
        if names().next().is_some() {
            // The parameters of the object itself are all told either way.
            if !within.as_str().is_empty() {
                let object = self.object(within);
                object.complete = true;
                object.object.named_at = Some(at);
            }
            self.listed.push(Listing { within: within.clone(), next_level, objects });
        }
    }

    fn parameter(
        &mut self,
        name: &ParameterPath,
        writable: Option<bool>,
        value: Option<Value>,
        secret: bool,
        at: Timestamp,
    ) {
        let parent = name.parent();
        if name.is_object() || parent.is_empty() {
            return;
        }
        if !self.upsert.contains_key(parent) {
            let Ok(parent) = ParameterPath::from_device(parent) else { return };
            self.object(&parent);
        }
        let Some(object) = self.upsert.get_mut(parent) else { return };
        let leaf = name.leaf();
        let parameters = &mut object.object.parameters;
        match parameters.iter_mut().find(|p| p.name == leaf) {
            Some(known) => {
                known.writable = writable.or(known.writable);
                known.value = value.or_else(|| known.value.take());
                known.value_at = at;
            }
            None => {
                parameters.push(ParameterRecord { name: leaf.to_owned(), writable, value, value_at: at, secret });
            }
        }
    }

    fn object(&mut self, path: &ParameterPath) -> &mut ReadObject {
        self.upsert.entry(path.clone()).or_insert_with(|| ReadObject {
            object: ObjectRecord { path: path.clone(), writable: None, named_at: None, parameters: Vec::new() },
            complete: false,
        })
    }
}

/// Which of the `known` objects are gone by a listing: those it should have told and did not. Only the topmost are named.
pub fn gone<'a>(listing: &Listing, known: impl IntoIterator<Item = &'a ParameterPath>) -> Vec<ParameterPath> {
    let mut gone: Vec<ParameterPath> = Vec::new();
    for path in known {
        let inside = path.is_within(&listing.within) && *path != listing.within;
        let told = match listing.next_level {
            true => listing.objects.iter().any(|object| path.is_within(object)),
            // An object that holds a told one is there, told or not.
            false => listing.objects.range(path.clone()..).next().is_some_and(|object| object.is_within(path)),
        };
        if inside && !told && !gone.iter().any(|above| path.is_within(above)) {
            gone.push(path.clone());
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    fn named(text: &str) -> ParameterInfo {
        ParameterInfo { name: path(text), writable: false }
    }

    #[test]
    fn names_and_values_meet_in_their_object() {
        let mut news = TreeNews::default();
        let at = Timestamp::from_seconds(7);
        news.names(&path("Device."), false, &[named("Device."), named("Device.A."), named("Device.A.B")], at);
        news.value(&ParameterValue { name: path("Device.A.B"), value: Value::string("x") }, at);
        let object = &news.upsert[&path("Device.A.")];
        assert!(object.complete);
        assert_eq!(object.object.parameters.len(), 1);
        assert_eq!(object.object.parameters[0].value, Some(Value::string("x")));
        assert_eq!(object.object.parameters[0].writable, Some(false));
    }

    #[test]
    fn a_hidden_value_is_unknown_not_empty_cwmp_235() {
        let mut news = TreeNews::default();
        let name = path("Device.ManagementServer.ConnectionRequestPassword");
        news.value(&ParameterValue { name, value: Value::string("") }, Timestamp::default());
        let parameter = &news.upsert[&path("Device.ManagementServer.")].object.parameters[0];
        assert!(parameter.secret && parameter.value.is_none());
    }

    #[test]
    fn what_a_complete_list_leaves_out_is_gone() {
        let known: Vec<_> = ["D.", "D.T.", "D.T.1.", "D.T.1.S.", "D.T.2.", "D.U."].map(path).into_iter().collect();
        let whole = Listing { within: path("D."), next_level: false, objects: [path("D."), path("D.T.1.S.")].into() };
        assert_eq!(gone(&whole, &known), vec![path("D.T.2."), path("D.U.")]);
        let level = Listing { within: path("D.T."), next_level: true, objects: [path("D.T.2.")].into() };
        assert_eq!(gone(&level, &known), vec![path("D.T.1.")]);
    }

    #[test]
    fn the_summary_takes_what_it_shows() {
        let mut news = SummaryNews::default();
        let name = path("InternetGatewayDevice.DeviceInfo.SoftwareVersion");
        news.value(&ParameterValue { name, value: Value::string("2.0") });
        assert_eq!(news.software_version.as_deref(), Some("2.0"));
    }
}

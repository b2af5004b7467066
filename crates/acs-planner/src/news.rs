use std::collections::{BTreeMap, BTreeSet};

use acs_types::{ObjectRecord, ParameterRecord};
use cwmp_codec::ParameterInfo;
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, is_secret_name};

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

    /// Values that were read or set. A secret that reads as empty is not known, not empty (CWMP-235).
    pub fn values(&mut self, values: &[ParameterValue], at: Timestamp) {
        // Devices tell the parameters of an object one after the other: the object is looked for once.
        for run in values.chunk_by(|a, b| a.name.parent() == b.name.parent()) {
            let Some(mut object) = self.parameters_beside(&run[0].name) else { continue };
            for value in run.iter().filter(|value| !value.name.is_object()) {
                object.value(value, at);
            }
        }
    }

    /// An object that is there; nothing more is known of it yet.
    pub fn object_seen(&mut self, path: &ParameterPath) {
        self.object(path);
    }

    /// An object that is gone with all below, whatever was told of it before.
    pub fn object_removed(&mut self, path: &ParameterPath) {
        self.upsert.retain(|object, _| !object.is_within(path));
        self.remove.push(path.clone());
    }

    /// Names that were read (CWMP-238). With `next_level` false every object told is complete.
    pub fn names(&mut self, within: &ParameterPath, next_level: bool, names: &[ParameterInfo], at: Timestamp) {
        let told: Vec<&ParameterInfo> = names.iter().filter(|info| info.name.is_within(within)).collect();
        if told.is_empty() {
            return;
        }
        let beside = |a: &&ParameterInfo, b: &&ParameterInfo| {
            a.name.is_object() == b.name.is_object() && a.name.parent() == b.name.parent()
        };
        for run in told.chunk_by(beside) {
            if run[0].name.is_object() {
                for info in run {
                    let object = self.object(&info.name);
                    object.object.writable = Some(info.writable);
                    object.object.named_at = Some(at);
                    object.complete = !next_level;
                }
            } else if let Some(mut object) = self.parameters_beside(&run[0].name) {
                object.parameters.reserve(run.len());
                run.iter().for_each(|info| object.name(info, at));
            }
        }
        // The parameters of the object itself are all told either way.
        if !within.as_str().is_empty() {
            let object = self.object(within);
            object.complete = true;
            object.object.named_at = Some(at);
        }
        let objects = told.iter().filter(|info| info.name.is_object()).map(|info| info.name.clone()).collect();
        self.listed.push(Listing { within: within.clone(), next_level, objects });
    }

    /// The object that holds `name`; `None` where no object does.
    fn parameters_beside(&mut self, name: &ParameterPath) -> Option<Beside<'_>> {
        let parent = name.parent();
        if parent.is_empty() {
            return None;
        }
        if !self.upsert.contains_key(parent) {
            let parent = ParameterPath::from_device(parent).ok()?;
            self.object(&parent);
        }
        let object = self.upsert.get_mut(parent)?;
        Some(Beside { parameters: &mut object.object.parameters, next: 0 })
    }

    fn object(&mut self, path: &ParameterPath) -> &mut ReadObject {
        self.upsert.entry(path.clone()).or_insert_with(|| ReadObject {
            object: ObjectRecord { path: path.clone(), writable: None, named_at: None, parameters: Vec::new() },
            complete: false,
        })
    }
}

/// The parameters of one object, while some of them are told.
struct Beside<'n> {
    parameters: &'n mut Vec<ParameterRecord>,
    /// Where the next one told is expected: names and values come in the same order.
    next: usize,
}

impl Beside<'_> {
    fn name(&mut self, info: &ParameterInfo, at: Timestamp) {
        let writable = Some(info.writable);
        match self.find(info.name.leaf()) {
            Some(known) => {
                known.writable = writable;
                known.value_at = at;
            }
            None => self.push(ParameterRecord {
                name: info.name.leaf().to_owned(),
                writable,
                value: None,
                value_at: at,
                secret: is_secret_name(&info.name),
            }),
        }
    }

    fn value(&mut self, told: &ParameterValue, at: Timestamp) {
        let known_value = |secret: bool| (!secret || !told.value.text.is_empty()).then(|| told.value.clone());
        match self.find(told.name.leaf()) {
            Some(known) => {
                known.value = known_value(known.secret).or_else(|| known.value.take());
                known.value_at = at;
            }
            None => {
                let secret = is_secret_name(&told.name);
                let name = told.name.leaf().to_owned();
                let value = known_value(secret);
                self.push(ParameterRecord { name, writable: None, value, value_at: at, secret });
            }
        }
    }

    fn find(&mut self, leaf: &str) -> Option<&mut ParameterRecord> {
        let expected = self.parameters.get(self.next).is_some_and(|parameter| parameter.name == leaf);
        let at = match expected {
            true => self.next,
            false => self.parameters.iter().position(|parameter| parameter.name == leaf)?,
        };
        self.next = at + 1;
        self.parameters.get_mut(at)
    }

    fn push(&mut self, parameter: ParameterRecord) {
        self.parameters.push(parameter);
        self.next = self.parameters.len();
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
    use cwmp_model::Value;

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
        news.values(&[ParameterValue { name: path("Device.A.B"), value: Value::string("x") }], at);
        let object = &news.upsert[&path("Device.A.")];
        assert!(object.complete);
        assert_eq!(object.object.parameters.len(), 1);
        assert_eq!(object.object.parameters[0].value, Some(Value::string("x")));
        assert_eq!(object.object.parameters[0].writable, Some(false));
    }

    #[test]
    fn values_find_their_names_in_any_order() {
        let mut news = TreeNews::default();
        let at = Timestamp::from_seconds(7);
        let names = ["D.A.", "D.A.X", "D.A.Y", "D.B.", "D.B.X"]
            .map(|name| ParameterInfo { name: path(name), writable: name.ends_with('Y') });
        news.names(&path("D."), false, &names, at);
        let told = ["D.B.X", "D.A.Y", "D.A.X", "D.A.New", "D.A.Y", "D.", "Top"]
            .map(|name| ParameterValue { name: path(name), value: Value::string(name) });
        news.values(&told, at);
        let of = |object: &str| {
            let parameters = news.upsert[&path(object)].object.parameters.iter();
            parameters.map(|p| (p.name.as_str(), p.writable, p.value.clone().unwrap().text)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("D.A."),
            [
                ("X", Some(false), "D.A.X".to_owned()),
                ("Y", Some(true), "D.A.Y".to_owned()),
                ("New", None, "D.A.New".to_owned())
            ]
        );
        assert_eq!(of("D.B."), [("X", Some(false), "D.B.X".to_owned())]);
        assert_eq!(news.upsert.len(), 3, "and the object asked for; names without one belong nowhere");
    }

    #[test]
    fn what_is_removed_does_not_come_back_with_its_names() {
        let mut news = TreeNews::default();
        let names = ["D.T.", "D.T.1.", "D.T.1.X", "D.T.1.S.", "D.T.10."].map(named);
        news.names(&path("D."), false, &names, Timestamp::default());
        news.object_removed(&path("D.T.1."));
        let left: Vec<_> = news.upsert.keys().map(ParameterPath::as_str).collect();
        assert_eq!(left, ["D.", "D.T.", "D.T.10."]);
        assert_eq!(news.remove, [path("D.T.1.")]);
    }

    #[test]
    fn a_hidden_value_is_unknown_not_empty_cwmp_235() {
        let mut news = TreeNews::default();
        let name = path("Device.ManagementServer.ConnectionRequestPassword");
        news.values(&[ParameterValue { name, value: Value::string("") }], Timestamp::default());
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

//! The data models TR-098 and TR-181 with the service models TR-104, TR-135 and TR-140, as facts.
//!
//! The fact files in `facts/` are embedded and indexed on first use (a millisecond or two); the index holds slices of
//! them. A device may have less and more than its model (CWMP-372), so what is not found here is not wrong.

mod check;
mod entry;
mod root;
mod sample;
mod secret;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use check::{Severity, ValueRemark};
pub use entry::{
    Access, DefaultKind, DefaultValue, Entry, EntryKind, EnumValue, ItemType, NumberRange, Ranges, Status,
};
pub use root::{DeviceIssue, Root};
pub use secret::is_secret_name;

use crate::ParameterPath;

/// The facts of one root and of the services below it.
#[derive(Debug)]
pub struct Catalogue {
    root: Root,
    /// By path; of equal ones (two issues of a service model) the first is preferred.
    blocks: Vec<Block>,
}

/// One object of a fact file.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Relative to the root, with its final dot; the root itself is empty.
    path: &'static str,
    row: &'static str,
    /// A line per parameter.
    parameters: &'static str,
}

/// Fact files of a root, the preferred issue of a service model first.
const INTERNET_GATEWAY_DEVICE: [&str; 5] = [
    include_str!("../../facts/internetgatewaydevice-1.14.tsv"),
    VOICE_1,
    VOICE_2,
    include_str!("../../facts/stbservice-1.4.tsv"),
    include_str!("../../facts/storageservice-1.3.tsv"),
];
const DEVICE: [&str; 5] = [
    include_str!("../../facts/device-2.19.tsv"),
    VOICE_2,
    VOICE_1,
    include_str!("../../facts/stbservice-1.4.tsv"),
    include_str!("../../facts/storageservice-1.3.tsv"),
];
const VOICE_1: &str = include_str!("../../facts/voiceservice-1.1.tsv");
const VOICE_2: &str = include_str!("../../facts/voiceservice-2.0.tsv");

impl Catalogue {
    /// The catalogue of a root.
    pub fn get(root: Root) -> &'static Self {
        static IGD: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::new(Root::InternetGatewayDevice, INTERNET_GATEWAY_DEVICE));
        static TR181: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::new(Root::Device, DEVICE));
        match root {
            Root::InternetGatewayDevice => &IGD,
            Root::Device => &TR181,
        }
    }

    /// The entry of `path` in the catalogue of its root.
    pub fn find(path: &ParameterPath) -> Option<Entry> {
        Self::get(Root::of_path(path)?).lookup(path)
    }

    /// The root.
    pub const fn root(&self) -> Root {
        self.root
    }

    /// What the model says of `path`. Instance numbers, aliases in brackets and `{i}` stand for any row; services are
    /// found below `<root>.Services.`. `None` for vendor names, for what the model lacks, and for another root.
    pub fn lookup(&self, path: &ParameterPath) -> Option<Entry> {
        let template = path.template();
        let inner = template.strip_prefix(self.root.as_str())?;
        if path.is_object() {
            return self.object(inner);
        }
        let (object, leaf) = inner.rfind('.').map_or(("", inner), |dot| inner.split_at(dot + 1));
        self.blocks_of(object).iter().find_map(|block| block.parameter(self.root, leaf))
    }

    /// What lies directly below an object, by name: its parameters, objects and tables; the rows (`{i}`) of a table; the
    /// root for the empty path. Nothing for a parameter or an unknown path.
    pub fn children(&self, path: &ParameterPath) -> Vec<Entry> {
        if path.as_str().is_empty() {
            return self.object("").into_iter().collect();
        }
        let template = path.template();
        match template.strip_prefix(self.root.as_str()) {
            Some(inner) if path.is_object() => self.children_of(inner),
            _ => Vec::new(),
        }
    }

    /// Completes what an operator has typed: at most `limit` names whose last segment begins with the last segment of
    /// `prefix`, in any case of letters. Objects end in a dot; any row of a table is `{i}.`, or the number or alias that
    /// was typed.
    pub fn complete(&self, prefix: &str, limit: usize) -> Vec<String> {
        let (parent, typed) = prefix.rfind('.').map_or(("", prefix), |dot| prefix.split_at(dot + 1));
        let Ok(path) = ParameterPath::new(parent) else { return Vec::new() };
        let begins = |name: &str| name.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed));
        let is_row = crate::path::is_number(typed) || typed.starts_with('[');
        let names = self.children(&path).into_iter().filter_map(|entry| match entry.kind() {
            EntryKind::Row if is_row => Some(format!("{parent}{typed}.")),
            _ => Some(entry.segment()).filter(|name| begins(name)).map(|name| format!("{parent}{name}")),
        });
        names.take(limit).collect()
    }

    /// Every entry: objects, tables, rows and parameters, each path once.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.blocks.chunk_by(|a, b| a.path == b.path).flat_map(|blocks| {
            let [first, ..] = blocks else { return Vec::new() };
            let table = first.path.strip_suffix("{i}.").map(|_| first.entry(self.root, EntryKind::Table));
            let own = first.entry(self.root, first.kind());
            table.into_iter().chain([own]).chain(self.parameters_of(blocks)).collect()
        })
    }

    fn new(root: Root, files: [&'static str; 5]) -> Self {
        let mut blocks: Vec<Block> = files.into_iter().flat_map(blocks).collect();
        // Stable: the order of the files decides between equal paths.
        blocks.sort_by_key(|block| block.path);
        Self { root, blocks }
    }

    fn blocks_of(&self, path: &str) -> &[Block] {
        let start = self.blocks.partition_point(|block| block.path < path);
        let count = self.blocks[start..].iter().take_while(|block| block.path == path).count();
        &self.blocks[start..start + count]
    }

    fn object(&self, inner: &str) -> Option<Entry> {
        if let Some(block) = self.blocks_of(inner).first() {
            return Some(block.entry(self.root, block.kind()));
        }
        let table = self.blocks_of(&format!("{inner}{{i}}.")).first()?;
        Some(table.entry(self.root, EntryKind::Table))
    }

    fn children_of(&self, object: &str) -> Vec<Entry> {
        let start = self.blocks.partition_point(|block| block.path < object);
        let below = self.blocks[start..].iter().take_while(|block| block.path.starts_with(object));
        let mut children: BTreeMap<&'static str, Entry> =
            self.parameters_of(self.blocks_of(object)).map(|entry| (entry.leaf(), entry)).collect();
        for block in below {
            let name = &block.path[object.len()..];
            let kind = match name.strip_suffix('.') {
                Some(segment) if !segment.contains('.') => block.kind(),
                Some(segment) if segment.strip_suffix(".{i}").is_some_and(|s| !s.contains('.')) => EntryKind::Table,
                _ => continue,
            };
            children.entry(name).or_insert_with(|| block.entry(self.root, kind));
        }
        children.into_values().collect()
    }

    /// The parameters of one object from all files that have it.
    fn parameters_of<'a>(&self, blocks: &'a [Block]) -> impl Iterator<Item = Entry> + use<'a> {
        let mut parameters = BTreeMap::new();
        for entry in blocks.iter().flat_map(|block| block.parameters(self.root)) {
            parameters.entry(entry.leaf()).or_insert(entry);
        }
        parameters.into_values()
    }
}

impl Block {
    fn kind(&self) -> EntryKind {
        if self.path.ends_with("{i}.") { EntryKind::Row } else { EntryKind::Object }
    }

    fn entry(&self, root: Root, kind: EntryKind) -> Entry {
        Entry::new(root, kind, self.path, "", self.row)
    }

    fn parameters(&self, root: Root) -> impl Iterator<Item = Entry> {
        let object = self.path;
        let rows = self.parameters.lines().filter_map(|line| line.split_once('\t'));
        rows.map(move |(leaf, row)| Entry::new(root, EntryKind::Parameter, object, leaf, row))
    }

    fn parameter(&self, root: Root, leaf: &str) -> Option<Entry> {
        self.parameters(root).find(|entry| entry.leaf() == leaf)
    }
}

/// The objects of a fact file in its order.
fn blocks(file: &'static str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut rest = file;
    while let Some((line, after)) = rest.split_once('\n') {
        let here = rest;
        rest = after;
        let Some((name, row)) = line.split_once('\t').filter(|_| !line.starts_with('#')) else { continue };
        if name.ends_with('.') {
            // The root itself is written as a dot.
            blocks.push(Block { path: if name == "." { "" } else { name }, row, parameters: "" });
        } else if let Some(block) = blocks.last_mut() {
            // The parameters of an object follow it, so they are one slice that grows line by line.
            let taken = block.parameters.len();
            let from = file.len() - here.len() - taken;
            block.parameters = &file[from..file.len() - after.len()];
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ValueType;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    fn entry(text: &str) -> Entry {
        Catalogue::find(&path(text)).unwrap_or_else(|| panic!("{text} is not in the catalogue"))
    }

    #[test]
    fn every_entry_is_found_by_its_path() {
        for root in Root::ALL {
            let catalogue = Catalogue::get(root);
            let mut seen = BTreeSet::new();
            for entry in catalogue.entries() {
                let name = entry.path();
                let concrete = path(&name.replace("{i}", "17"));
                let alias = path(&name.replace("{i}", "[cpe-1]"));
                for form in [&path(&name), &concrete, &alias] {
                    assert_eq!(catalogue.lookup(form), Some(entry), "{form}");
                }
                assert!(seen.insert(name.clone()), "{name} twice");
            }
        }
    }

    #[test]
    fn the_models_are_whole() {
        let count = |root: Root, kinds: &[EntryKind]| {
            let services = format!("{root}Services.");
            let is_own = |path: String| path == services || !path.starts_with(&services);
            Catalogue::get(root).entries().filter(|e| kinds.contains(&e.kind()) && is_own(e.path())).count()
        };
        // As the publisher counts them, without the deleted ones.
        let objects = [EntryKind::Object, EntryKind::Row];
        assert_eq!(count(Root::InternetGatewayDevice, &objects), 192);
        assert_eq!(count(Root::InternetGatewayDevice, &[EntryKind::Parameter]), 1800);
        assert_eq!(count(Root::Device, &objects), 860);
        assert_eq!(count(Root::Device, &[EntryKind::Parameter]), 7210);
        for root in Root::ALL {
            assert_eq!(count(root, &[EntryKind::Table]), count(root, &[EntryKind::Row]));
        }
    }

    #[test]
    fn entries_tell_the_facts() {
        let enable = entry("Device.WiFi.SSID.3.Enable");
        assert_eq!((enable.kind(), enable.value_type()), (EntryKind::Parameter, Some(ValueType::Boolean)));
        assert_eq!(enable.access(), Access::ReadWrite);
        assert_eq!(enable.path(), "Device.WiFi.SSID.{i}.Enable");
        assert_eq!(entry("Device.WiFi.SSID.").kind(), EntryKind::Table);
        assert_eq!(entry("Device.WiFi.SSID.").path(), "Device.WiFi.SSID.");
        assert_eq!(entry("Device.WiFi.SSID.3.").kind(), EntryKind::Row);
        assert_eq!(entry("Device.").kind(), EntryKind::Object);
        assert_eq!(Catalogue::find(&path("Device.X_ACME_Thing")), None);
        assert_eq!(Catalogue::find(&path("Other.Thing")), None);
        assert_eq!(Catalogue::get(Root::Device).lookup(&path("InternetGatewayDevice.DeviceInfo.")), None);
        assert_eq!(Catalogue::find(&path("Device.Time.NTPServer1")), None, "deleted in 2.19");
    }

    #[test]
    fn services_are_found_below_services_cwmp_388() {
        let voice_1 = "InternetGatewayDevice.Services.VoiceService.1.VoiceProfile.2.Line.1.SIP.AuthPassword";
        assert!(entry(voice_1).is_secret());
        assert!(entry("Device.Services.VoiceService.1.SIP.Client.1.AuthPassword").is_secret());
        assert!(Catalogue::find(&path("Device.Services.VoiceService.1.VoiceProfile.1.Line.1.Enable")).is_some());
        assert_eq!(entry("Device.Services.STBServiceNumberOfEntries").value_type(), Some(ValueType::UnsignedInt));
        assert_eq!(entry("Device.Services.StorageService.").kind(), EntryKind::Table);
        // Several of one kind, and both issues of TR-104 side by side below one root.
        for root in ["Device.", "InternetGatewayDevice."] {
            for service in ["1", "2", "17"] {
                let voice = format!("{root}Services.VoiceService.{service}.");
                for inner in ["VoiceProfile.1.Line.1.DirectoryNumber", "CallControl.Line.1.DirectoryNumber"] {
                    let path = path(&format!("{voice}{inner}"));
                    assert!(Catalogue::find(&path).is_some(), "CWMP-388: {path}");
                }
            }
            for inner in ["STBService.3.Enable", "StorageService.2.Enable"] {
                assert!(
                    Catalogue::find(&path(&format!("{root}Services.{inner}"))).is_some(),
                    "CWMP-388: {root}{inner}"
                );
            }
            assert_eq!(Catalogue::find(&path(&format!("{root}VoiceService.1.VoiceProfile.1.Name"))), None, "{root}");
        }
    }

    #[test]
    fn names_are_completed() {
        let device = Catalogue::get(Root::Device);
        assert_eq!(device.complete("", 10), ["Device."]);
        assert_eq!(device.complete("dev", 10), ["Device."]);
        assert_eq!(device.complete("Device.WiFi.ssid", 10), ["Device.WiFi.SSID.", "Device.WiFi.SSIDNumberOfEntries"]);
        assert_eq!(device.complete("Device.WiFi.SSID.", 10), ["Device.WiFi.SSID.{i}."]);
        assert_eq!(device.complete("Device.WiFi.SSID.1", 10), ["Device.WiFi.SSID.1."]);
        assert_eq!(device.complete("Device.WiFi.SSID.1.MAC", 10), ["Device.WiFi.SSID.1.MACAddress"]);
        assert_eq!(device.complete("Device.WiFi.", 3).len(), 3);
        assert_eq!(device.complete("Device..", 3), Vec::<String>::new());
        assert_eq!(device.complete("InternetGatewayDevice.", 3), Vec::<String>::new());
        let limit_none = device.complete("Device.", 0);
        assert_eq!(limit_none, Vec::<String>::new());
    }

    #[test]
    fn children_and_entries_agree() {
        for root in Root::ALL {
            let catalogue = Catalogue::get(root);
            let mut walked = BTreeSet::new();
            let mut open = catalogue.children(&ParameterPath::root());
            while let Some(entry) = open.pop() {
                if entry.kind() != EntryKind::Parameter {
                    open.extend(catalogue.children(&path(&entry.path())));
                }
                assert!(walked.insert(entry.path()), "{} twice", entry.path());
            }
            let all: BTreeSet<String> = catalogue.entries().map(|e| e.path()).collect();
            assert_eq!(walked, all);
        }
    }
}

//! The proto files against `testdata/v1/schema.txt`: what stands there stays as it is.
//!
//! New entries are added with `UPDATE_SAMPLES=1 cargo test -p acs-proto`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protox::prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use crate::{UPDATE, testdata, updates};

#[test]
fn no_entry_of_the_schema_changes_or_vanishes() {
    let file = testdata().join("schema.txt");
    let current = entries(&pool());
    let stored: BTreeSet<String> = fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
    let gone: Vec<_> = stored.difference(&current).collect();
    assert!(gone.is_empty(), "these entries are in use and may not change or vanish: {gone:#?}");
    if updates() {
        fs::write(&file, current.iter().map(|entry| format!("{entry}\n")).collect::<String>()).unwrap();
        return;
    }
    let new: Vec<_> = current.difference(&stored).collect();
    assert!(new.is_empty(), "run once with {UPDATE}=1 to keep these entries for ever: {new:#?}");
}

#[test]
fn numbers_are_used_once_and_enums_begin_unspecified() {
    let pool = pool();
    for message in pool.all_messages() {
        let numbers: BTreeSet<u32> = message.fields().map(|field| field.number()).collect();
        assert_eq!(numbers.len(), message.fields().count(), "{}", message.full_name());
    }
    for list in pool.all_enums() {
        let zero = list.get_value(0).unwrap_or_else(|| panic!("{} has no 0", list.full_name()));
        assert!(zero.name().ends_with("_UNSPECIFIED"), "{}", list.full_name());
    }
}

fn pool() -> DescriptorPool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let folder = root.join("lastmile/v1");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = names.filter(|name| name.ends_with(".proto")).collect();
    assert!(!files.is_empty());
    let files = files.iter().map(|name| format!("lastmile/v1/{name}"));
    let descriptors = protox::compile(files, [root]).unwrap();
    DescriptorPool::from_file_descriptor_set(descriptors).unwrap()
}

fn entries(pool: &DescriptorPool) -> BTreeSet<String> {
    let fields = pool.all_messages().filter(|m| !m.is_map_entry()).flat_map(|message| message_entries(&message));
    let values = pool.all_enums().flat_map(|list| enum_entries(&list));
    let methods = pool.services().flat_map(|service| {
        let entry = |method: protox::prost_reflect::MethodDescriptor| {
            let stream = |streams: bool| if streams { "stream " } else { "" };
            format!(
                "rpc {} ({}{}) returns ({}{})",
                method.full_name(),
                stream(method.is_client_streaming()),
                method.input().full_name(),
                stream(method.is_server_streaming()),
                method.output().full_name()
            )
        };
        service.methods().map(entry).collect::<Vec<_>>()
    });
    fields.chain(values).chain(methods).collect()
}

fn message_entries(message: &MessageDescriptor) -> Vec<String> {
    let entry = |field: FieldDescriptor| {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.name().starts_with('_'));
        let oneof = oneof.map(|oneof| format!(" in {}", oneof.name())).unwrap_or_default();
        let label = match field.cardinality() {
            protox::prost_reflect::Cardinality::Repeated => "repeated ",
            _ if field.supports_presence() && !matches!(field.kind(), Kind::Message(_)) && oneof.is_empty() => {
                "optional "
            }
            _ => "",
        };
        format!("field {} = {}: {label}{:?}{oneof}", field.full_name(), field.number(), Type(&field.kind()))
    };
    message.fields().map(entry).collect()
}

fn enum_entries(list: &EnumDescriptor) -> Vec<String> {
    list.values().map(|value| format!("enum {} = {}: {}", list.full_name(), value.number(), value.name())).collect()
}

/// A type by its name in proto files.
struct Type<'a>(&'a Kind);

impl std::fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Kind::Message(message) => f.write_str(message.full_name()),
            Kind::Enum(list) => f.write_str(list.full_name()),
            scalar => f.write_str(&format!("{scalar:?}").to_lowercase()),
        }
    }
}

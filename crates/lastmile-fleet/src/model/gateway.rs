//! The factory trees: which objects a gateway has, how many rows, and the values that make it one.

use cwmp_model::{Catalogue, EntryKind, Parameter, ParameterPath, ParameterTree, Root, Value};

use super::{Gateway, object_parameters};

/// Objects of the TR-098 gateway below its root, parents first; a table is followed by how many rows it has.
const TR098: &[(&str, u32)] = &[
    ("", 0),
    ("DeviceInfo.", 0),
    ("DeviceInfo.MemoryStatus.", 0),
    ("DeviceInfo.ProcessStatus.", 0),
    ("DeviceInfo.VendorConfigFile.", 1),
    ("ManagementServer.", 0),
    ("Time.", 0),
    ("Layer3Forwarding.", 0),
    ("Layer3Forwarding.Forwarding.", 1),
    ("LANDevice.", 1),
    ("LANDevice.1.LANHostConfigManagement.", 0),
    ("LANDevice.1.LANHostConfigManagement.IPInterface.", 1),
    ("LANDevice.1.LANHostConfigManagement.DHCPStaticAddress.", 0),
    ("LANDevice.1.LANEthernetInterfaceConfig.", 2),
    ("LANDevice.1.LANEthernetInterfaceConfig.1.Stats.", 0),
    ("LANDevice.1.WLANConfiguration.", 2),
    ("LANDevice.1.WLANConfiguration.1.PreSharedKey.", 1),
    ("LANDevice.1.WLANConfiguration.2.PreSharedKey.", 1),
    ("LANDevice.1.Hosts.", 0),
    ("LANDevice.1.Hosts.Host.", 3),
    ("WANDevice.", 1),
    ("WANDevice.1.WANCommonInterfaceConfig.", 0),
    ("WANDevice.1.WANConnectionDevice.", 1),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.", 1),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.", 1),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.Stats.", 0),
];

/// Objects of the TR-181 gateway.
const TR181: &[(&str, u32)] = &[
    ("", 0),
    ("DeviceInfo.", 0),
    ("DeviceInfo.MemoryStatus.", 0),
    ("DeviceInfo.ProcessStatus.", 0),
    ("DeviceInfo.VendorConfigFile.", 1),
    ("DeviceInfo.FirmwareImage.", 2),
    ("ManagementServer.", 0),
    ("Time.", 0),
    ("Ethernet.", 0),
    ("Ethernet.Interface.", 2),
    ("Ethernet.Interface.1.Stats.", 0),
    ("IP.", 0),
    ("IP.Interface.", 2),
    ("IP.Interface.1.IPv4Address.", 1),
    ("IP.Interface.1.Stats.", 0),
    ("IP.Interface.2.IPv4Address.", 1),
    ("Routing.", 0),
    ("Routing.Router.", 1),
    ("Routing.Router.1.IPv4Forwarding.", 1),
    ("WiFi.", 0),
    ("WiFi.Radio.", 1),
    ("WiFi.SSID.", 2),
    ("WiFi.AccessPoint.", 2),
    ("WiFi.AccessPoint.1.Security.", 0),
    ("WiFi.AccessPoint.2.Security.", 0),
    ("Hosts.", 0),
    ("Hosts.Host.", 3),
    ("NAT.", 0),
    ("NAT.InterfaceSetting.", 1),
    ("NAT.PortMapping.", 1),
    ("DHCPv4.", 0),
    ("DHCPv4.Server.", 0),
    ("DHCPv4.Server.Pool.", 1),
    ("DHCPv4.Server.Pool.1.StaticAddress.", 0),
    ("DNS.", 0),
    ("DNS.Client.", 0),
    ("DNS.Client.Server.", 2),
];

/// Objects of the ONT: a TR-181 bridge without routing and WiFi, some 300 parameters.
const ONT: &[(&str, u32)] = &[
    ("", 0),
    ("DeviceInfo.", 0),
    ("DeviceInfo.MemoryStatus.", 0),
    ("DeviceInfo.ProcessStatus.", 0),
    ("DeviceInfo.VendorConfigFile.", 1),
    ("DeviceInfo.FirmwareImage.", 2),
    ("ManagementServer.", 0),
    ("Time.", 0),
    ("Optical.", 0),
    ("Optical.Interface.", 1),
    ("Optical.Interface.1.Stats.", 0),
    ("Ethernet.", 0),
    ("Ethernet.Interface.", 2),
    ("Ethernet.Interface.1.Stats.", 0),
    ("Ethernet.Link.", 1),
    ("Bridging.", 0),
    ("Bridging.Bridge.", 1),
    ("Bridging.Bridge.1.Port.", 2),
    ("IP.", 0),
    ("IP.Interface.", 1),
    ("IP.Interface.1.IPv4Address.", 1),
    ("DNS.", 0),
    ("DNS.Client.", 0),
];

/// Values that make a tree a gateway in service. Names that a tree does not have are passed over.
const VALUES: &[(&str, &str)] = &[
    ("DeviceSummary", "InternetGatewayDevice:1.14[](Baseline:1, EthernetLAN:1, WiFiLAN:2, Time:1)"),
    ("RootDataModelVersion", "2.19"),
    ("LANDeviceNumberOfEntries", "1"),
    ("WANDeviceNumberOfEntries", "1"),
    ("DeviceInfo.HardwareVersion", "A1"),
    ("DeviceInfo.SoftwareVersion", "1.0.0"),
    ("DeviceInfo.SpecVersion", "1.0"),
    ("DeviceInfo.ProvisioningCode", ""),
    ("DeviceInfo.UpTime", "0"),
    ("DeviceInfo.MemoryStatus.Total", "262144"),
    ("DeviceInfo.MemoryStatus.Free", "131072"),
    ("ManagementServer.EnableCWMP", "1"),
    ("ManagementServer.PeriodicInformEnable", "1"),
    ("ManagementServer.PeriodicInformInterval", "300"),
    ("ManagementServer.PeriodicInformTime", "0001-01-01T00:00:00Z"),
    ("ManagementServer.AliasBasedAddressing", "0"),
    ("ManagementServer.CWMPRetryMinimumWaitInterval", "5"),
    ("ManagementServer.CWMPRetryIntervalMultiplier", "2000"),
    ("ManagementServer.ParameterKey", ""),
    ("ManagementServer.Username", ""),
    ("ManagementServer.Password", ""),
    ("ManagementServer.ConnectionRequestUsername", ""),
    ("ManagementServer.ConnectionRequestPassword", ""),
    ("Time.NTPServer1", "ntp.example"),
    ("LANDevice.1.WLANConfiguration.1.SSID", "Home"),
    ("LANDevice.1.WLANConfiguration.2.SSID", "Guest"),
    ("WiFi.SSID.1.SSID", "Home"),
    ("WiFi.SSID.2.SSID", "Guest"),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress", "192.0.2.7"),
    ("IP.Interface.1.IPv4Address.1.IPAddress", "192.0.2.7"),
];

/// The factory tree of a gateway.
pub(super) fn build(gateway: Gateway) -> ParameterTree {
    let root = gateway.root();
    let objects = match gateway {
        Gateway::Tr098 => TR098,
        Gateway::Tr181 => TR181,
        Gateway::Ont => ONT,
    };
    let mut tree = ParameterTree::new();
    for (below_root, rows) in objects {
        add_object(&mut tree, root, below_root, *rows);
    }
    for (below_root, text) in VALUES {
        set(&mut tree, root, below_root, text);
    }
    count_rows(&mut tree);
    tree
}

/// What a new row of `table` begins with, by name relative to the row, objects below the row included.
pub(super) fn row_parameters(root: Root, table: &ParameterPath) -> Vec<(String, Parameter)> {
    let Ok(row) = table.child("1.") else { return Vec::new() };
    let mut found = object_parameters(root, &row);
    for entry in Catalogue::get(root).children(&row) {
        let path = entry.path();
        let below = path.strip_suffix('.').and_then(|inner| inner.rsplit('.').next()).unwrap_or_default();
        if entry.kind() != EntryKind::Object || below.is_empty() {
            continue;
        }
        if let Ok(object) = row.child(&format!("{below}.")) {
            let parameters = object_parameters(root, &object);
            found.extend(parameters.into_iter().map(|(name, p)| (format!("{below}.{name}"), p)));
        }
    }
    found
}

/// An object with its parameters, or a table with its rows.
fn add_object(tree: &mut ParameterTree, root: Root, below_root: &str, rows: u32) {
    let path = path(root, below_root);
    let entry = Catalogue::get(root).lookup(&path);
    let is_table = entry.is_some_and(|entry| entry.kind() == EntryKind::Table);
    let writable = is_table && entry.is_some_and(|entry| entry.access() != cwmp_model::Access::ReadOnly);
    // Every path of the lists above is well-formed and below objects that stand before it (tested).
    tree.insert_object(&path, writable).expect("the lists name objects");
    if !is_table {
        for (name, parameter) in object_parameters(root, &path) {
            let name = path.child(&name).expect("catalogue names are path segments");
            tree.insert_parameter(&name, parameter).expect("a parameter name");
        }
    }
    for _ in 0..rows {
        let row = path.child("1.").map(|row| object_parameters(root, &row)).unwrap_or_default();
        let children = row.iter().map(|(name, parameter)| (name.as_str(), parameter.clone()));
        tree.add_instance(&path, children).expect("the lists name tables");
    }
}

fn set(tree: &mut ParameterTree, root: Root, below_root: &str, text: &str) {
    let path = path(root, below_root);
    if let Some(kind) = tree.value(&path).map(|value| value.kind) {
        let _ = tree.set_value(&path, Value::new(kind, text));
    }
}

/// Makes every `…NumberOfEntries` of a table that is there true.
fn count_rows(tree: &mut ParameterTree) {
    let tables: Vec<ParameterPath> = tree.iter().map(|(path, _)| path.clone()).filter(|p| p.is_object()).collect();
    for table in tables {
        let Ok(count) = ParameterPath::new(&format!("{}{}NumberOfEntries", table.parent(), table.leaf())) else {
            continue;
        };
        if let Some(kind) = tree.value(&count).map(|value| value.kind) {
            let rows = tree.instances(&table).len();
            let _ = tree.set_value(&count, Value::new(kind, rows.to_string()));
        }
    }
}

fn path(root: Root, below_root: &str) -> ParameterPath {
    ParameterPath::new(&format!("{root}{below_root}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_have_the_size_of_real_gateways() {
        for gateway in Gateway::ALL {
            let tree = gateway.factory_tree();
            let count = tree.parameters_within(&ParameterPath::root()).count();
            assert!((250..700).contains(&count), "{gateway:?} has {count} parameters");
        }
    }

    #[test]
    fn forced_inform_parameters_are_there() {
        // CWMP-137
        for (gateway, names) in [
            (Gateway::Tr098, ["DeviceSummary", "DeviceInfo.SpecVersion", "ManagementServer.ParameterKey"]),
            (Gateway::Tr181, ["RootDataModelVersion", "DeviceInfo.HardwareVersion", "ManagementServer.ParameterKey"]),
            (Gateway::Ont, ["RootDataModelVersion", "DeviceInfo.HardwareVersion", "ManagementServer.ParameterKey"]),
        ] {
            for name in names {
                let path = path(gateway.root(), name);
                assert!(gateway.factory_tree().value(&path).is_some(), "{path} is missing");
            }
        }
    }

    #[test]
    fn every_value_is_one_the_model_allows() {
        for gateway in Gateway::ALL {
            for (name, parameter) in gateway.factory_tree().parameters_within(&ParameterPath::root()) {
                let value = parameter.value.as_ref().expect("every parameter has a value");
                assert_eq!(value.check(), Ok(()), "{name}");
            }
        }
    }
}

//! The data models of the simulated devices, built from the catalogue.
//!
//! Devices of one kind share one immutable tree; each keeps only what differs ([`DataModel`]), so that ten thousand of them
//! fit into one process.

mod gateway;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cwmp_model::{
    Catalogue, DeviceIdentity, EntryKind, NamesError, Parameter, ParameterPath, ParameterTree, ParameterValue, Root,
    TreeError, Value, is_secret_name,
};

/// Which kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gateway {
    /// `InternetGatewayDevice:1` (TR-098).
    Tr098,
    /// `Device:2` (TR-181).
    Tr181,
    /// A bridge at the end of a fibre, `Device:2`, too: the smaller tree.
    Ont,
}

impl Gateway {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Tr098, Self::Tr181, Self::Ont];

    /// Its root object.
    pub const fn root(self) -> Root {
        match self {
            Self::Tr098 => Root::InternetGatewayDevice,
            Self::Tr181 | Self::Ont => Root::Device,
        }
    }

    /// Its product class.
    pub const fn product_class(self) -> &'static str {
        match self {
            Self::Tr098 => "Gateway098",
            Self::Tr181 => "Gateway181",
            Self::Ont => "Ont181",
        }
    }

    /// The tree that all devices of this kind begin with.
    pub fn factory_tree(self) -> &'static Arc<ParameterTree> {
        static TR098: LazyLock<Arc<ParameterTree>> = LazyLock::new(|| Arc::new(gateway::build(Gateway::Tr098)));
        static TR181: LazyLock<Arc<ParameterTree>> = LazyLock::new(|| Arc::new(gateway::build(Gateway::Tr181)));
        static ONT: LazyLock<Arc<ParameterTree>> = LazyLock::new(|| Arc::new(gateway::build(Gateway::Ont)));
        match self {
            Self::Tr098 => &TR098,
            Self::Tr181 => &TR181,
            Self::Ont => &ONT,
        }
    }
}

/// The data model of one device: the shared tree, and what differs from it.
#[derive(Debug, Clone)]
pub struct DataModel {
    gateway: Gateway,
    tree: Arc<ParameterTree>,
    values: HashMap<ParameterPath, Value>,
    /// What was done to the rows of the shared tree, in order: enough to do it again.
    row_changes: Vec<RowChange>,
}

/// A row that came or went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// A row was added to this table.
    Added(String),
    /// This row was deleted.
    Deleted(String),
}

/// Rows that may come and go between two factory resets; after that the device has no memory left (fault 9004).
pub const ROW_CHANGES_MAX: usize = 10_000;

impl DataModel {
    /// A factory-new device.
    pub fn new(gateway: Gateway, identity: &DeviceIdentity) -> Self {
        let mut model =
            Self { gateway, tree: gateway.factory_tree().clone(), values: HashMap::new(), row_changes: Vec::new() };
        for (name, text) in [
            ("DeviceInfo.Manufacturer", &identity.manufacturer),
            ("DeviceInfo.ManufacturerOUI", &identity.oui),
            ("DeviceInfo.ProductClass", &identity.product_class),
            ("DeviceInfo.SerialNumber", &identity.serial_number),
        ] {
            model.put(&model.path(name), text);
        }
        model
    }

    /// Which gateway it is.
    pub const fn gateway(&self) -> Gateway {
        self.gateway
    }

    /// The path of something below the root object.
    pub fn path(&self, below_root: &str) -> ParameterPath {
        let text = format!("{}{below_root}", self.gateway.root());
        ParameterPath::from_device(&text).unwrap_or_default()
    }

    /// The value of a parameter; `None`: there is no such one.
    pub fn value(&self, path: &ParameterPath) -> Option<&Value> {
        self.values.get(path).or_else(|| self.tree.value(path))
    }

    /// The text of a parameter below the root; empty where there is none.
    pub fn text(&self, below_root: &str) -> &str {
        self.value(&self.path(below_root)).map_or("", |value| value.text.as_str())
    }

    /// Changes the text of an existing parameter, as the device itself may; others are passed over.
    pub fn put(&mut self, path: &ParameterPath, text: &str) {
        if let Some(old) = self.tree.value(path) {
            let value = Value::new(old.kind, text);
            self.values.insert(path.clone(), value);
        }
    }

    /// Whether there is such a name, and whether the ACS may write it (CWMP-238).
    pub fn is_writable(&self, path: &ParameterPath) -> Option<bool> {
        self.tree.is_writable(path)
    }

    /// GetParameterNames.
    pub fn names(&self, path: &ParameterPath, next_level: bool) -> Result<Vec<(ParameterPath, bool)>, NamesError> {
        self.tree.names(path, next_level)
    }

    /// GetParameterValues of one name; secrets read as empty (CWMP-235).
    pub fn values_within(&self, path: &ParameterPath) -> Result<Vec<ParameterValue>, NamesError> {
        if !self.tree.contains(path) {
            return Err(NamesError::Unknown { path: path.clone() });
        }
        let shown = |name: &ParameterPath, held: &Value| {
            let text = if is_secret_name(name) { String::new() } else { held.text.clone() };
            ParameterValue { name: name.clone(), value: Value::new(held.kind, text) }
        };
        let parameters = self.tree.parameters_within(path);
        Ok(parameters.filter_map(|(name, _)| Some(shown(name, self.value(name)?))).collect())
    }

    /// Adds a row with the parameters the catalogue gives it; says its number.
    pub fn add_instance(&mut self, table: &ParameterPath) -> Result<u32, TreeError> {
        self.check_memory(table)?;
        let children = gateway::row_parameters(self.gateway.root(), table);
        let borrowed = children.iter().map(|(name, parameter)| (name.as_str(), parameter.clone()));
        let number = Arc::make_mut(&mut self.tree).add_instance(table, borrowed)?;
        self.row_changes.push(RowChange::Added(table.as_str().to_owned()));
        self.count_rows(table);
        Ok(number)
    }

    /// Takes a row away with all below it.
    pub fn delete_instance(&mut self, row: &ParameterPath) -> Result<(), TreeError> {
        self.check_memory(row)?;
        Arc::make_mut(&mut self.tree).delete_instance(row)?;
        self.row_changes.push(RowChange::Deleted(row.as_str().to_owned()));
        self.values.retain(|path, _| !path.is_within(row));
        if let Ok(table) = ParameterPath::new(row.parent()) {
            self.count_rows(&table);
        }
        Ok(())
    }

    /// What differs from a factory-new device of this kind: rows in the order in which they changed, then values.
    pub fn changes(&self) -> (Vec<RowChange>, Vec<(String, String)>) {
        let values = self.values.iter().map(|(path, value)| (path.as_str().to_owned(), value.text.clone()));
        let mut values: Vec<_> = values.collect();
        values.sort();
        (self.row_changes.clone(), values)
    }

    /// Makes a factory-new device differ again as [`changes`](Self::changes) told; names that it does not know are passed
    /// over.
    pub fn change(&mut self, rows: &[RowChange], values: &[(String, String)]) {
        for change in rows {
            // What was possible once is possible again in the same order.
            let _ = match change {
                RowChange::Added(table) => {
                    self.add_instance(&ParameterPath::from_device(table).unwrap_or_default()).map(drop)
                }
                RowChange::Deleted(row) => self.delete_instance(&ParameterPath::from_device(row).unwrap_or_default()),
            };
        }
        for (name, text) in values {
            self.put(&ParameterPath::from_device(name).unwrap_or_default(), text);
        }
    }

    /// The rows of a table.
    pub fn instances(&self, table: &ParameterPath) -> Vec<u32> {
        self.tree.instances(table)
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.tree.parameters_within(&ParameterPath::root()).count()
    }

    fn check_memory(&self, path: &ParameterPath) -> Result<(), TreeError> {
        if self.row_changes.len() < ROW_CHANGES_MAX {
            return Ok(());
        }
        Err(TreeError::InstancesExhausted { path: path.clone() })
    }

    /// Keeps the count parameter of a table true.
    fn count_rows(&mut self, table: &ParameterPath) {
        let name = format!("{}{}NumberOfEntries", table.parent(), table.leaf());
        if let Ok(path) = ParameterPath::new(&name) {
            let rows = self.tree.instances(table).len();
            self.put(&path, &rows.to_string());
        }
    }
}

/// The parameters that the catalogue has directly in an object, with plausible values.
fn object_parameters(root: Root, object: &ParameterPath) -> Vec<(String, Parameter)> {
    let catalogue = Catalogue::get(root);
    let current = |entry: &cwmp_model::Entry| {
        entry.kind() == EntryKind::Parameter
            && (entry.status() == cwmp_model::Status::Current || entry.is_forced_inform())
    };
    let parameter = |entry: &cwmp_model::Entry| Parameter {
        writable: entry.access() != cwmp_model::Access::ReadOnly,
        value: Some(entry.sample_value()),
    };
    let entries = catalogue.children(object);
    entries.iter().filter(|e| current(e)).map(|e| (e.leaf().to_owned(), parameter(e))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> DataModel {
        DataModel::new(Gateway::Tr181, &DeviceIdentity::default())
    }

    #[test]
    fn changes_can_be_made_again() {
        let mut model = model();
        let table = model.path("NAT.PortMapping.");
        assert_eq!(model.add_instance(&table), Ok(2));
        assert_eq!(model.add_instance(&table), Ok(3));
        model.delete_instance(&table.child("2.").unwrap()).unwrap();
        model.put(&table.child("3.Description").unwrap(), "x");
        let (rows, values) = model.changes();
        let mut again = DataModel::new(Gateway::Tr181, &DeviceIdentity::default());
        again.change(&rows, &values);
        assert_eq!(again.instances(&table), [1, 3]);
        assert_eq!(again.changes(), (rows, values));
        assert_eq!(again.text("NAT.PortMapping.3.Description"), "x");
    }

    #[test]
    fn devices_share_their_tree_until_a_row_changes() {
        let (mut one, other) = (model(), model());
        assert!(Arc::ptr_eq(&one.tree, &other.tree));
        one.put(&one.path("DeviceInfo.ProvisioningCode"), "x");
        assert!(Arc::ptr_eq(&one.tree, &other.tree));
        one.add_instance(&one.path("NAT.PortMapping.")).unwrap();
        assert!(!Arc::ptr_eq(&one.tree, &other.tree));
    }

    #[test]
    fn rows_may_not_change_without_end() {
        let mut model = model();
        let table = model.path("NAT.PortMapping.");
        model.row_changes = vec![RowChange::Added(table.as_str().to_owned()); ROW_CHANGES_MAX - 1];
        assert_eq!(model.add_instance(&table), Ok(2));
        assert_eq!(model.add_instance(&table), Err(TreeError::InstancesExhausted { path: table.clone() }));
        assert!(model.delete_instance(&table.child("1.").unwrap()).is_err());
    }
}

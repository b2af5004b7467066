use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{ParameterPath, ParameterValue, PathError, Value};

/// The data model of one device in memory: its objects and parameters by path.
///
/// Every object above a node exists. Nodes come in the natural order of their paths (instance numbers by value), so what
/// lies below an object is one run. Instance numbers of a table are given out rising and never again, also after the row
/// is gone (CWMP-244). Whether the ACS *may* change something is told by the writable flags and is the caller's decision:
/// a device changes its own read-only tables and values. Paths are shared between clones of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterTree {
    nodes: BTreeMap<NaturalPath, Node>,
}

/// A parameter of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Whether the ACS can set it.
    pub writable: bool,
    /// `None` where only the name is known.
    pub value: Option<Value>,
}

/// An object of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Object {
    /// Whether the ACS can add rows (a table) or delete this one (a row), CWMP-238.
    pub writable: bool,
    /// The highest instance number that was ever below it; 0 where there was none.
    last_instance: u32,
}

/// Why GetParameterNames or GetParameterValues cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// Fault 9003: the next level was asked of something that has none (CWMP-236).
    #[error("`{path}` is a parameter name: with NextLevel name an object, ending in a dot")]
    NextLevelOfParameter {
        /// What was asked for.
        path: ParameterPath,
    },
    /// Fault 9005: no such name.
    #[error("the device has no `{path}`")]
    Unknown {
        /// What was asked for.
        path: ParameterPath,
    },
}

impl NamesError {
    /// The CPE fault code.
    pub const fn fault_code(&self) -> u32 {
        match self {
            Self::NextLevelOfParameter { .. } => 9003,
            Self::Unknown { .. } => 9005,
        }
    }
}

/// Why a tree cannot be changed like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Nothing of that name.
    #[error("the device has no `{path}`")]
    Unknown {
        /// What was named.
        path: ParameterPath,
    },
    /// A parameter where an object is needed, or the reverse, or a row in place of its table.
    #[error("`{path}` is not {expected}")]
    Kind {
        /// What was named.
        path: ParameterPath,
        /// What is needed there.
        expected: &'static str,
    },
    /// Every instance number was used.
    #[error("`{path}` has used its last instance number")]
    InstancesExhausted {
        /// The table.
        path: ParameterPath,
    },
    /// A name below a new row is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl ParameterTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many objects and parameters there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Puts an object there, with read-only objects above it where they are missing. One that exists keeps what is below
    /// it and its used instance numbers.
    pub fn insert_object(&mut self, path: &ParameterPath, writable: bool) -> Result<(), TreeError> {
        if !path.is_object() || path.as_str().is_empty() {
            return Err(kind_error(path, "the path of an object, ending in a dot"));
        }
        self.ensure_object(path);
        if let Some(object) = self.object_mut(path) {
            object.writable = writable;
        }
        Ok(())
    }

    /// Puts a parameter there, with read-only objects above it where they are missing; gives back the one it replaces.
    pub fn insert_parameter(
        &mut self,
        path: &ParameterPath,
        parameter: Parameter,
    ) -> Result<Option<Parameter>, TreeError> {
        if path.is_object() {
            return Err(kind_error(path, "the name of a parameter"));
        }
        self.ensure_parent(path);
        match self.nodes.insert(NaturalPath(path.clone()), Node::Parameter(parameter)) {
            Some(Node::Parameter(replaced)) => Ok(Some(replaced)),
            _ => Ok(None),
        }
    }

    /// The parameter of that name.
    pub fn parameter(&self, path: &ParameterPath) -> Option<&Parameter> {
        match self.nodes.get(&NaturalPath(path.clone()))? {
            Node::Parameter(parameter) => Some(parameter),
            Node::Object(_) => None,
        }
    }

    /// The parameter of that name, to be changed in place.
    pub fn parameter_mut(&mut self, path: &ParameterPath) -> Option<&mut Parameter> {
        match self.nodes.get_mut(&NaturalPath(path.clone()))? {
            Node::Parameter(parameter) => Some(parameter),
            Node::Object(_) => None,
        }
    }

    /// The value of that parameter, if known.
    pub fn value(&self, path: &ParameterPath) -> Option<&Value> {
        self.parameter(path)?.value.as_ref()
    }

    /// Gives an existing parameter a value; its writable flag is not asked.
    pub fn set_value(&mut self, path: &ParameterPath, value: Value) -> Result<(), TreeError> {
        let parameter = self.parameter_mut(path).ok_or_else(|| TreeError::Unknown { path: path.clone() })?;
        parameter.value = Some(value);
        Ok(())
    }

    /// The object of that path.
    pub fn object(&self, path: &ParameterPath) -> Option<&Object> {
        match self.nodes.get(&NaturalPath(path.clone()))? {
            Node::Object(object) => Some(object),
            Node::Parameter(_) => None,
        }
    }

    /// Whether a parameter or object of that name exists; the whole model always does.
    pub fn contains(&self, path: &ParameterPath) -> bool {
        path.as_str().is_empty() || self.nodes.contains_key(&NaturalPath(path.clone()))
    }

    /// The writable flag as GetParameterNames gives it (CWMP-238); `None` where there is no such name.
    pub fn is_writable(&self, path: &ParameterPath) -> Option<bool> {
        self.nodes.get(&NaturalPath(path.clone())).map(Node::writable)
    }

    /// Takes away a parameter, or an object with everything below it (the empty path: everything). Says how many nodes
    /// went.
    pub fn remove(&mut self, path: &ParameterPath) -> usize {
        if path.as_str().is_empty() {
            return std::mem::take(&mut self.nodes).len();
        }
        let doomed: Vec<NaturalPath> = self.run(path).map(|(key, _)| key.clone()).collect();
        for key in &doomed {
            self.nodes.remove(key);
        }
        doomed.len()
    }

    /// GetParameterNames (CWMP-236, CWMP-238): each name with its writable flag. The empty path is the whole model; there
    /// the next level is the root object.
    pub fn names(&self, path: &ParameterPath, next_level: bool) -> Result<Vec<(ParameterPath, bool)>, NamesError> {
        if next_level && !path.is_object() {
            return Err(NamesError::NextLevelOfParameter { path: path.clone() });
        }
        if !self.contains(path) {
            return Err(NamesError::Unknown { path: path.clone() });
        }
        let wanted = |name: &ParameterPath| !next_level || name.parent() == path.as_str() && name != path;
        let named = |(key, node): (&NaturalPath, &Node)| (key.0.clone(), node.writable());
        Ok(self.run(path).filter(|(key, _)| wanted(&key.0)).map(named).collect())
    }

    /// GetParameterValues of one name: every known value below an object (the empty path: of the whole model), or that of
    /// the parameter.
    pub fn values_within(&self, path: &ParameterPath) -> Result<Vec<ParameterValue>, NamesError> {
        if !self.contains(path) {
            return Err(NamesError::Unknown { path: path.clone() });
        }
        let parameters = self.parameters_within(path);
        Ok(parameters
            .filter_map(|(name, p)| Some(ParameterValue { name: name.clone(), value: p.value.clone()? }))
            .collect())
    }

    /// The parameters at or below `path`, in natural order.
    pub fn parameters_within(&self, path: &ParameterPath) -> impl Iterator<Item = (&ParameterPath, &Parameter)> {
        self.run(path).filter_map(|(key, node)| match node {
            Node::Parameter(parameter) => Some((&key.0, parameter)),
            Node::Object(_) => None,
        })
    }

    /// Every object and parameter with its writable flag, in natural order.
    pub fn iter(&self) -> impl Iterator<Item = (&ParameterPath, bool)> {
        self.nodes.iter().map(|(key, node)| (&key.0, node.writable()))
    }

    /// The instance numbers of a table, rising; empty where there is no such table.
    pub fn instances(&self, table: &ParameterPath) -> Vec<u32> {
        let rows = self.run(table).filter(|(key, _)| key.0.parent() == table.as_str());
        rows.filter_map(|(key, _)| key.0.instance()).collect()
    }

    /// Adds a row to a table, with these parameters (names relative to the row, such as `Enable` or `Stats.BytesSent`),
    /// and gives its number: one more than any row of that table ever had.
    pub fn add_instance<'a>(
        &mut self,
        table: &ParameterPath,
        children: impl IntoIterator<Item = (&'a str, Parameter)>,
    ) -> Result<u32, TreeError> {
        let unknown = || TreeError::Unknown { path: table.clone() };
        if !table.is_object() || table.instance().is_some() {
            return Err(kind_error(table, "a table, ending in a dot, without instance number"));
        }
        let object = *self.object(table).ok_or_else(unknown)?;
        let exhausted = || TreeError::InstancesExhausted { path: table.clone() };
        let number = object.last_instance.checked_add(1).ok_or_else(exhausted)?;
        let row = table.child(&format!("{number}."))?;
        // All names are checked before anything changes.
        let children =
            children.into_iter().map(|(name, p)| Ok((row.child(name)?, p))).collect::<Result<Vec<_>, PathError>>()?;
        if let Some((path, _)) = children.iter().find(|(path, _)| path.is_object()) {
            return Err(kind_error(path, "the name of a parameter"));
        }
        self.insert_object(&row, object.writable)?;
        for (path, parameter) in children {
            self.insert_parameter(&path, parameter)?;
        }
        Ok(number)
    }

    /// Takes a row out of its table with everything below it; says how many nodes went (CWMP-245).
    pub fn delete_instance(&mut self, row: &ParameterPath) -> Result<usize, TreeError> {
        if row.instance().is_none() {
            return Err(kind_error(row, "one instance of a table, ending in its number and a dot"));
        }
        match self.remove(row) {
            0 => Err(TreeError::Unknown { path: row.clone() }),
            removed => Ok(removed),
        }
    }

    /// `path` and what is below it. Below a parameter there is nothing.
    fn run(&self, path: &ParameterPath) -> impl Iterator<Item = (&NaturalPath, &Node)> {
        let start = NaturalPath(path.clone());
        let within = path.clone();
        let is_member = move |key: &ParameterPath| *key == within || key.is_within(&within);
        self.nodes.range((Bound::Included(start), Bound::Unbounded)).take_while(move |(key, _)| is_member(&key.0))
    }

    fn ensure_parent(&mut self, path: &ParameterPath) {
        // A part of a path that passed its checks passes them too.
        if let Ok(parent) = ParameterPath::from_device(path.parent())
            && !parent.as_str().is_empty()
        {
            self.ensure_object(&parent);
            let instance = path.instance().unwrap_or(0);
            if let Some(object) = self.object_mut(&parent) {
                object.last_instance = object.last_instance.max(instance);
            }
        }
    }

    fn ensure_object(&mut self, path: &ParameterPath) {
        if self.object(path).is_none() {
            self.nodes.insert(NaturalPath(path.clone()), Node::Object(Object::default()));
            self.ensure_parent(path);
        }
    }

    fn object_mut(&mut self, path: &ParameterPath) -> Option<&mut Object> {
        match self.nodes.get_mut(&NaturalPath(path.clone()))? {
            Node::Object(object) => Some(object),
            Node::Parameter(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Object(Object),
    Parameter(Parameter),
}

impl Node {
    const fn writable(&self) -> bool {
        match self {
            Self::Object(object) => object.writable,
            Self::Parameter(parameter) => parameter.writable,
        }
    }
}

/// A path ordered so that each object is followed by what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NaturalPath(ParameterPath);

impl Ord for NaturalPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.natural_cmp(&other.0)
    }
}

impl PartialOrd for NaturalPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn kind_error(path: &ParameterPath, expected: &'static str) -> TreeError {
    TreeError::Kind { path: path.clone(), expected }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    fn parameter(writable: bool, text: &str) -> Parameter {
        Parameter { writable, value: Some(Value::string(text)) }
    }

    fn sample() -> ParameterTree {
        let mut tree = ParameterTree::new();
        tree.insert_parameter(&path("Device.DeviceInfo.SoftwareVersion"), parameter(false, "1.0")).unwrap();
        tree.insert_object(&path("Device.WiFi.SSID."), true).unwrap();
        for number in 1..=10 {
            let children = [("Enable", parameter(true, "1")), ("Stats.BytesSent", parameter(false, "0"))];
            assert_eq!(tree.add_instance(&path("Device.WiFi.SSID."), children), Ok(number));
        }
        tree
    }

    fn names(tree: &ParameterTree, of: &str, next_level: bool) -> Vec<(String, bool)> {
        let names = tree.names(&path(of), next_level).unwrap();
        names.into_iter().map(|(name, writable)| (name.to_string(), writable)).collect()
    }

    #[test]
    fn the_next_level_is_the_direct_children_cwmp_236() {
        let tree = sample();
        assert_eq!(names(&tree, "", true), [("Device.".to_owned(), false)]);
        let below = names(&tree, "Device.", true);
        assert_eq!(below, [("Device.DeviceInfo.".to_owned(), false), ("Device.WiFi.".to_owned(), false)]);
        let rows = names(&tree, "Device.WiFi.SSID.", true);
        assert_eq!(rows.len(), 10);
        assert_eq!(rows[1], ("Device.WiFi.SSID.2.".to_owned(), true));
        assert_eq!(rows[9], ("Device.WiFi.SSID.10.".to_owned(), true));
        let row = names(&tree, "Device.WiFi.SSID.10.", true);
        assert_eq!(
            row,
            [("Device.WiFi.SSID.10.Enable".to_owned(), true), ("Device.WiFi.SSID.10.Stats.".to_owned(), false)]
        );
    }

    #[test]
    fn all_levels_begin_with_the_path_itself_cwmp_236_cwmp_238() {
        let tree = sample();
        assert_eq!(names(&tree, "", false).len(), tree.len());
        assert_eq!(
            names(&tree, "Device.WiFi.SSID.1.", false),
            [
                ("Device.WiFi.SSID.1.".to_owned(), true),
                ("Device.WiFi.SSID.1.Enable".to_owned(), true),
                ("Device.WiFi.SSID.1.Stats.".to_owned(), false),
                ("Device.WiFi.SSID.1.Stats.BytesSent".to_owned(), false),
            ]
        );
        assert_eq!(names(&tree, "Device.WiFi.SSID.", false)[0], ("Device.WiFi.SSID.".to_owned(), true));
        let one = names(&tree, "Device.WiFi.SSID.1.Enable", false);
        assert_eq!(one, [("Device.WiFi.SSID.1.Enable".to_owned(), true)]);
    }

    #[test]
    fn wrong_questions_get_their_fault_cwmp_236() {
        let tree = sample();
        let fault = |of: &str, next_level| tree.names(&path(of), next_level).map_err(|e| e.fault_code());
        assert_eq!(fault("Device.DeviceInfo.SoftwareVersion", true), Err(9003));
        assert_eq!(fault("Device.DeviceInfo.None", false), Err(9005));
        assert_eq!(fault("Device.None.", true), Err(9005));
        assert_eq!(fault("Device.WiFi", false), Err(9005));
        assert_eq!(tree.values_within(&path("Device.None")).map_err(|e| e.fault_code()), Err(9005));
        assert_eq!(ParameterTree::new().names(&ParameterPath::root(), false), Ok(vec![]));
    }

    #[test]
    fn values_come_by_partial_path_cwmp_231() {
        let mut tree = sample();
        assert_eq!(tree.values_within(&path("Device.WiFi.SSID.1.")).unwrap().len(), 2);
        assert_eq!(tree.values_within(&ParameterPath::root()).unwrap().len(), 21);
        let name = path("Device.WiFi.SSID.1.Enable");
        tree.set_value(&name, Value::string("0")).unwrap();
        assert_eq!(tree.values_within(&name).unwrap(), [ParameterValue { name, value: Value::string("0") }]);
        assert_eq!(tree.values_within(&path("Device.WiFi.SSID.1.None.")).map_err(|e| e.fault_code()), Err(9005));
    }

    #[test]
    fn a_deleted_number_never_comes_back_cwmp_244_cwmp_245() {
        let mut tree = sample();
        let table = path("Device.WiFi.SSID.");
        assert_eq!(tree.delete_instance(&path("Device.WiFi.SSID.10.")), Ok(4));
        assert_eq!(tree.instances(&table), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(tree.add_instance(&table, []), Ok(11));
        let again = tree.delete_instance(&path("Device.WiFi.SSID.10."));
        assert_eq!(again, Err(TreeError::Unknown { path: path("Device.WiFi.SSID.10.") }));
        for wrong in ["Device.WiFi.SSID.", "Device.WiFi.SSID.1", "Device.WiFi.SSID.1.Enable"] {
            assert!(matches!(tree.delete_instance(&path(wrong)), Err(TreeError::Kind { .. })), "{wrong}");
        }
    }

    #[test]
    fn rows_are_added_to_tables_only_cwmp_243() {
        let mut tree = sample();
        let before = tree.clone();
        for wrong in ["Device.WiFi.SSID.1.", "Device.WiFi.SSID", "Device.DeviceInfo.SoftwareVersion"] {
            assert!(matches!(tree.add_instance(&path(wrong), []), Err(TreeError::Kind { .. })), "{wrong}");
        }
        assert!(matches!(tree.add_instance(&path("Device.None."), []), Err(TreeError::Unknown { .. })));
        let table = path("Device.WiFi.SSID.");
        assert!(matches!(tree.add_instance(&table, [("A..B", Parameter::default())]), Err(TreeError::Path(_))));
        assert!(matches!(tree.add_instance(&table, [("A.", Parameter::default())]), Err(TreeError::Kind { .. })));
        assert_eq!(tree, before);
    }

    #[test]
    fn the_last_instance_number_is_the_end() {
        let mut tree = ParameterTree::new();
        tree.insert_object(&path("Device.T.4294967295."), false).unwrap();
        let full = tree.add_instance(&path("Device.T."), []);
        assert_eq!(full, Err(TreeError::InstancesExhausted { path: path("Device.T.") }));
    }

    #[test]
    fn an_object_that_is_put_again_keeps_what_is_below() {
        let mut tree = sample();
        let count = tree.len();
        tree.insert_object(&path("Device.WiFi.SSID."), false).unwrap();
        assert_eq!((tree.len(), tree.is_writable(&path("Device.WiFi.SSID."))), (count, Some(false)));
        assert_eq!(tree.add_instance(&path("Device.WiFi.SSID."), []), Ok(11));
        assert!(matches!(tree.insert_object(&path("Device.X"), false), Err(TreeError::Kind { .. })));
        assert!(matches!(tree.insert_parameter(&path("Device."), Parameter::default()), Err(TreeError::Kind { .. })));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Parameter(String),
        Object(String),
        Add(String),
        Delete(String),
        Remove(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let table = || "D\\.[AB]\\.([1-4]\\.[AB]\\.)?";
        prop_oneof![
            "D\\.([AB]\\.|[1-4]\\.){0,3}[XY]".prop_map(Step::Parameter),
            table().prop_map(Step::Object),
            table().prop_map(Step::Add),
            (table(), 1..5).prop_map(|(table, number)| Step::Delete(format!("{table}{number}."))),
            table().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn no_name_of_a_device_makes_it_panic(names in prop::collection::vec("[A.1\\[\\] ]{0,8}", 0..12)) {
            let mut tree = ParameterTree::new();
            for name in names.iter().filter_map(|name| ParameterPath::from_device(name).ok()) {
                let _ = tree.insert_parameter(&name, Parameter::default());
                let _ = tree.insert_object(&name, false);
                let _ = (tree.names(&name, true), tree.add_instance(&name, []));
            }
            prop_assert_eq!(tree.remove(&ParameterPath::root()) > 0, !names.iter().all(|n| n.trim().is_empty()));
        }

        #[test]
        fn the_tree_stays_whole(steps in prop::collection::vec(step(), 1..60)) {
            let mut tree = ParameterTree::new();
            for step in steps {
                apply(&mut tree, step);
            }
            let all: BTreeSet<&str> = tree.iter().map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(all.len(), tree.len());
            for (name, _) in tree.iter() {
                prop_assert!(name.parent().is_empty() || all.contains(name.parent()), "{} has no parent", name);
                let below: Vec<_> = tree.iter().filter(|(n, _)| n.is_within(name) || *n == name).map(|(n, w)| (n.clone(), w)).collect();
                prop_assert_eq!(tree.names(name, false), Ok(below));
                let values = tree.values_within(name).unwrap();
                prop_assert!(values.iter().all(|v| v.name.is_within(name) || v.name == *name));
                prop_assert_eq!(values.len(), tree.names(name, false).unwrap().iter().filter(|(n, _)| !n.is_object()).count());
                if name.is_object() {
                    for (child, _) in tree.names(name, true).unwrap() {
                        prop_assert_eq!(child.parent(), name.as_str());
                    }
                }
            }
        }
    }

    /// Applies a step and checks what it promises.
    fn apply(tree: &mut ParameterTree, step: Step) {
        match step {
            Step::Parameter(name) => {
                tree.insert_parameter(&path(&name), parameter(true, "v")).unwrap();
                assert_eq!(tree.value(&path(&name)), Some(&Value::string("v")));
            }
            Step::Object(name) => tree.insert_object(&path(&name), true).unwrap(),
            Step::Add(table) => {
                let table = path(&table);
                let before = tree.instances(&table);
                if let Ok(number) = tree.add_instance(&table, [("X", parameter(true, "v"))]) {
                    assert!(before.iter().all(|old| *old < number));
                    assert!(tree.instances(&table).contains(&number));
                }
            }
            Step::Delete(row) => {
                let row = path(&row);
                let expected = tree.names(&row, false).map(|names| names.len()).ok();
                assert_eq!(tree.delete_instance(&row).ok(), expected);
                assert!(tree.iter().all(|(name, _)| !name.is_within(&row)));
                if expected.is_some() {
                    let table = ParameterPath::new(row.parent()).unwrap();
                    assert!(tree.add_instance(&table, []).unwrap() > row.instance().unwrap());
                }
            }
            Step::Remove(name) => {
                tree.remove(&path(&name));
                assert!(tree.iter().all(|(n, _)| !n.is_within(&path(&name))));
            }
        }
    }
}

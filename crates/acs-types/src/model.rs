use cwmp_model::ParameterPath;

/// Which devices behave alike: what is learned about one of them is used for the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelKey {
    /// DeviceId.Manufacturer.
    pub manufacturer: String,
    /// DeviceId.OUI.
    pub oui: String,
    /// DeviceId.ProductClass.
    pub product_class: String,
    /// DeviceInfo.SoftwareVersion.
    pub software_version: String,
}

/// What was learned about a model: how its names and values are read without harm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelNotes {
    /// GetParameterNames of the whole tree failed or went unanswered: ask object by object.
    pub names_per_object: bool,
    /// Objects whose GetParameterNames (NextLevel false) failed or went unanswered.
    pub fragile_objects: Vec<ParameterPath>,
    /// How many values one GetParameterValues may ask for; 0: not learned, the default holds.
    pub values_per_request: u32,
    /// Methods answered with Fault 9000: its firmware does not have them (CWMP-223).
    pub unsupported_methods: Vec<String>,
}

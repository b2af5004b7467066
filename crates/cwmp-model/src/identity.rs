/// DeviceIdStruct: how a CPE names itself in its Inform, as sent (CWMP-134, CWMP-135).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIdentity {
    /// Manufacturer, for display only.
    pub manufacturer: String,
    /// Six upper-case hexadecimal digits by the standard; kept as sent.
    pub oui: String,
    /// May be empty.
    pub product_class: String,
    /// Unique within OUI and ProductClass.
    pub serial_number: String,
}

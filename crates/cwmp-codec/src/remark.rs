/// Something a message got wrong that was read all the same. Counted per model and firmware (CWMP-535).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remark {
    /// A structure argument the method has was left out and got its default.
    ArgumentMissing {
        /// Its name.
        argument: &'static str,
    },
    /// An argument came twice; the last one counts.
    ArgumentRepeated {
        /// Its name.
        argument: &'static str,
    },
    /// A number or boolean that decides nothing could not be read and got its default.
    ArgumentUnreadable {
        /// Its name.
        argument: &'static str,
    },
    /// A text is longer than the standard allows; it is kept whole.
    TextTooLong {
        /// Its name.
        argument: &'static str,
    },
    /// An xsi:type that names no known type; taken as string.
    ValueTypeUnknown {
        /// What was said, at most 64 bytes.
        said: Box<str>,
    },
    /// Arguments stand in the CWMP namespace.
    ArgumentInCwmpNamespace,
    /// Arguments stand in a SOAP or schema namespace, mostly by a default namespace.
    ArgumentInSoapNamespace,
    /// Arguments in another order than the schema's.
    ArgumentOrder,
    /// An unknown element inside a known structure was ignored.
    ElementUnknown,
    /// Text between elements was ignored.
    TextBetweenElements,
    /// A prefix was used without being declared.
    PrefixUndeclared,
    /// A schema namespace older than that of 2001.
    SchemaNamespaceOld,
    /// The envelope is in no namespace.
    EnvelopeNamespaceMissing,
    /// The method or a known header entry is in no CWMP namespace.
    CwmpNamespaceMissing,
    /// A CWMP namespace no version has; read as the highest known.
    CwmpNamespaceUnknown,
    /// `cwmp-1-3` or `cwmp-1-4`, which no schema has.
    CwmpNamespaceInvented,
    /// Header and body use different CWMP namespaces; the body's counts.
    CwmpNamespacesMixed,
    /// A list without arrayType.
    ArrayTypeMissing,
    /// The length in an arrayType is wrong, empty or unreadable.
    ArrayLengthWrong,
    /// A list typed by xsi:type.
    ArrayWithXsiType,
    /// A list member that is not named by its type.
    MemberName,
    /// A Value without xsi:type; taken as string.
    ValueTypeMissing,
    /// A ParameterValueStruct without Value; taken as empty string.
    ValueMissing,
    /// A list member without a usable parameter name was left out.
    ParameterNameUnusable,
    /// No header.
    HeaderMissing,
    /// A header without ID.
    IdMissing,
    /// An empty ID.
    IdEmpty,
    /// Several IDs; the first counts.
    IdRepeated,
    /// mustUnderstand of the ID is missing or not 1.
    MustUnderstandForm,
    /// NoMoreRequests was ignored.
    NoMoreRequests,
    /// An unknown header entry that need not be understood was ignored.
    HeaderUnknown,
    /// A known header entry could not be read and was ignored.
    HeaderUnreadable,
    /// More than one body element; the first counts.
    BodyElements,
    /// A fault without FaultString.
    FaultStringMissing,
    /// A faultstring other than `CWMP fault`.
    FaultStringOther,
    /// A faultcode other than Client and Server.
    FaultCodeOther,
    /// A fault without CWMP fault; its code is 0.
    FaultDetailMissing,
    /// The detail is not where it belongs, or its Fault element is left out.
    FaultDetailMisplaced,
    /// A FaultCode that is missing, no number or in no range.
    FaultCodeRange,
    /// No Event in an Inform.
    EventListMissing,
    /// More than 64 events.
    EventsTooMany,
    /// An event code in no standard form.
    EventCodeForm,
    /// No RetryCount.
    RetryCountMissing,
    /// MaxEnvelopes is not 1.
    MaxEnvelopesOther,
    /// CurrentTime is no date and time.
    CurrentTimeForm,
    /// An OUI that is not six upper-case hexadecimal digits.
    OuiForm,
    /// No Status; taken as 0.
    StatusMissing,
    /// A Status other than 0 and 1.
    StatusOther,
    /// InstanceNumber is 0 or missing.
    InstanceNumberZero,
    /// An ObjectName without final dot.
    ObjectNameForm,
    /// A GetParameterValues without names.
    ParameterNamesEmpty,
    /// A file type outside the table.
    FileTypeOther,
    /// A URL with user information.
    UrlUserInformation,
    /// The text was not in its charset and was read as ISO-8859-1.
    CharsetWrong,
    /// A charset of an unknown name was ignored.
    CharsetUnknown,
    /// Characters that XML cannot carry were dropped.
    InvalidCharacters,
    /// White space in front of the XML declaration.
    WhiteSpaceInFront,
}

impl Remark {
    /// The stable name, for metrics and per-model switches.
    pub const fn as_str(&self) -> &'static str {
        self.facts().0
    }

    /// The number of the requirement that allows or asks for the leniency: 69 is `CWMP-069`.
    pub const fn requirement(&self) -> u16 {
        self.facts().1
    }

    /// What it was about, where the name alone does not say it.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::ArgumentMissing { argument }
            | Self::ArgumentRepeated { argument }
            | Self::ArgumentUnreadable { argument }
            | Self::TextTooLong { argument } => Some(argument),
            Self::ValueTypeUnknown { said } => Some(said),
            _ => None,
        }
    }

    const fn facts(&self) -> (&'static str, u16) {
        match self {
            Self::ArgumentMissing { .. } => ("argument_missing", 69),
            Self::ArgumentRepeated { .. } => ("argument_repeated", 69),
            Self::ArgumentUnreadable { .. } => ("argument_unreadable", 69),
            Self::TextTooLong { .. } => ("text_too_long", 84),
            Self::ValueTypeUnknown { .. } => ("value_type_unknown", 75),
            Self::ArgumentInCwmpNamespace => ("argument_in_cwmp_namespace", 69),
            Self::ArgumentInSoapNamespace => ("argument_in_soap_namespace", 69),
            Self::ArgumentOrder => ("argument_order", 69),
            Self::ElementUnknown => ("element_unknown", 70),
            Self::TextBetweenElements => ("text_between_elements", 70),
            Self::PrefixUndeclared => ("prefix_undeclared", 67),
            Self::SchemaNamespaceOld => ("schema_namespace_old", 66),
            Self::EnvelopeNamespaceMissing => ("envelope_namespace_missing", 65),
            Self::CwmpNamespaceMissing => ("cwmp_namespace_missing", 68),
            Self::CwmpNamespaceUnknown => ("cwmp_namespace_unknown", 167),
            Self::CwmpNamespaceInvented => ("cwmp_namespace_invented", 166),
            Self::CwmpNamespacesMixed => ("cwmp_namespaces_mixed", 169),
            Self::ArrayTypeMissing => ("array_type_missing", 73),
            Self::ArrayLengthWrong => ("array_length_wrong", 73),
            Self::ArrayWithXsiType => ("array_with_xsi_type", 73),
            Self::MemberName => ("member_name", 72),
            Self::ValueTypeMissing => ("value_type_missing", 74),
            Self::ValueMissing => ("value_missing", 69),
            Self::ParameterNameUnusable => ("parameter_name_unusable", 84),
            Self::HeaderMissing => ("header_missing", 87),
            Self::IdMissing => ("id_missing", 87),
            Self::IdEmpty => ("id_empty", 87),
            Self::IdRepeated => ("id_repeated", 87),
            Self::MustUnderstandForm => ("must_understand_form", 87),
            Self::NoMoreRequests => ("no_more_requests", 91),
            Self::HeaderUnknown => ("header_unknown", 92),
            Self::HeaderUnreadable => ("header_unreadable", 90),
            Self::BodyElements => ("body_elements", 113),
            Self::FaultStringMissing => ("fault_string_missing", 94),
            Self::FaultStringOther => ("fault_string_other", 94),
            Self::FaultCodeOther => ("fault_code_other", 94),
            Self::FaultDetailMissing => ("fault_detail_missing", 94),
            Self::FaultDetailMisplaced => ("fault_detail_misplaced", 94),
            Self::FaultCodeRange => ("fault_code_range", 97),
            Self::EventListMissing => ("event_list_missing", 180),
            Self::EventsTooMany => ("events_too_many", 180),
            Self::EventCodeForm => ("event_code_form", 181),
            Self::RetryCountMissing => ("retry_count_missing", 199),
            Self::MaxEnvelopesOther => ("max_envelopes_other", 113),
            Self::CurrentTimeForm => ("current_time_form", 81),
            Self::OuiForm => ("oui_form", 135),
            Self::StatusMissing => ("status_missing", 226),
            Self::StatusOther => ("status_other", 226),
            Self::InstanceNumberZero => ("instance_number_zero", 243),
            Self::ObjectNameForm => ("object_name_form", 243),
            Self::ParameterNamesEmpty => ("parameter_names_empty", 231),
            Self::FileTypeOther => ("file_type_other", 331),
            Self::UrlUserInformation => ("url_user_information", 332),
            Self::CharsetWrong => ("charset_wrong", 31),
            Self::CharsetUnknown => ("charset_unknown", 31),
            Self::InvalidCharacters => ("invalid_characters", 83),
            Self::WhiteSpaceInFront => ("white_space_in_front", 103),
        }
    }
}

/// The remarks of one message, each at most once, so that their number is bounded by the kinds there are.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Vec<Remark>);

impl Remarks {
    pub(crate) fn note(&mut self, remark: Remark) {
        let known = |r: &Remark| match (r, &remark) {
            // One example of an unknown type is enough.
            (Remark::ValueTypeUnknown { .. }, Remark::ValueTypeUnknown { .. }) => true,
            _ => *r == remark,
        };
        if !self.0.iter().any(known) {
            self.0.push(remark);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Remark> {
        self.0
    }
}

use std::collections::HashSet;
use std::fmt;

use cwmp_model::ParameterValue;

use super::{COMMAND_KEY_CHARS_MAX, decode_status, encode_status, parameter_list};
use crate::arguments::{Arguments, invalid, text};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// SetParameterValues (TR-069 A.3.2.1).
#[derive(Clone, Default, PartialEq)]
pub struct SetParameterValues {
    /// ParameterList: full names, each at most once (CWMP-224).
    pub parameters: Vec<ParameterValue>,
    /// ParameterKey, at most 32 characters (CWMP-228).
    pub parameter_key: String,
}

/// SetParameterValuesResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetParameterValuesResponse {
    /// Status: 0 applied, 1 committed but not yet applied (CWMP-226). A device that sent none is taken as 0.
    pub status: u32,
}

/// Names and types without the texts, any of which may be a password (P26).
impl fmt::Debug for SetParameterValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.parameters.iter().map(|p| (&p.name, p.value.kind)).collect();
        f.debug_struct("SetParameterValues")
            .field("parameters", &types)
            .field("parameter_key", &self.parameter_key)
            .finish()
    }
}

impl SetParameterValues {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut request = Self::default();
        let mut arguments = Arguments::new(&["ParameterList", "ParameterKey"]);
        while let Some((argument, element)) = arguments.next(r)? {
            match argument {
                "ParameterList" => request.parameters = parameter_list::decode(r, &element)?,
                _ => request.parameter_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?,
            }
        }
        if !arguments.has("ParameterList") {
            return Err(invalid(r, "SetParameterValues", "ParameterList", "is missing"));
        }
        arguments.note_missing(r, &["ParameterKey"]);
        Ok(request)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.check_names()?;
        w.open("cwmp:SetParameterValues");
        parameter_list::encode(w, &self.parameters)?;
        w.text("ParameterKey", &self.parameter_key, COMMAND_KEY_CHARS_MAX)?;
        w.close("cwmp:SetParameterValues");
        Ok(())
    }

    fn check_names(&self) -> Result<(), EncodeError> {
        let mut seen = HashSet::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            let name = parameter.name.as_str();
            if parameter.name.is_object() {
                return Err(crate::value::form("Name", name, "full parameter name"));
            }
            if !seen.insert(name) {
                return Err(EncodeError::Repeated { name: name.to_owned() });
            }
        }
        Ok(())
    }
}

impl SetParameterValuesResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_status(r, "SetParameterValuesResponse").map(|status| Self { status })
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:SetParameterValuesResponse");
        encode_status(w, self.status)?;
        w.close("cwmp:SetParameterValuesResponse");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cwmp_model::{ParameterPath, Value};

    use super::*;
    use crate::test_envelope::{assert_reads, read, write};
    use crate::{AcsRequest, CpeResponse, DecodeClass, Message};

    fn request(names: &[&str]) -> Message {
        let one = |n: &&str| ParameterValue { name: ParameterPath::new(n).expect("a path"), value: Value::string("v") };
        let parameters = names.iter().map(one).collect();
        let parameter_key = "k".to_owned();
        Message::AcsRequest(AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key }))
    }

    #[test]
    fn cwmp_224_full_names_each_at_most_once() {
        assert!(write(request(&["Device.A", "Device.B"])).is_ok(), "CWMP-224");
        let twice = write(request(&["Device.A", "Device.A"]));
        assert_eq!(twice, Err(EncodeError::Repeated { name: "Device.A".to_owned() }), "CWMP-224");
        assert!(write(request(&["Device."])).is_err(), "CWMP-224: a partial path");
        assert!(write(request(&[""])).is_err(), "CWMP-224: the root");
    }

    #[test]
    fn no_value_is_in_its_debug_text_p26() {
        let Message::AcsRequest(AcsRequest::SetParameterValues(mut set)) = request(&["Device.A"]) else { return };
        set.parameters[0].value = Value::string("canary-secret");
        let text = format!("{set:?} {:#?}", AcsRequest::SetParameterValues(set.clone()));
        assert!(text.contains("Device.A") && text.contains("String") && text.contains("\"k\""), "{text}");
        assert!(!text.contains("canary-secret"), "P26: {text}");
    }

    #[test]
    fn cwmp_099_a_list_is_needed() {
        let body = "<cwmp:SetParameterValues><ParameterKey>k</ParameterKey></cwmp:SetParameterValues>";
        assert_eq!(read(body).expect_err("CWMP-099").class(), DecodeClass::InvalidArguments);
    }

    #[test]
    fn cwmp_226_status_zero_one_or_missing() {
        let response =
            |status| Message::CpeResponse(CpeResponse::SetParameterValues(SetParameterValuesResponse { status }));
        let body = |s: &str| format!("<cwmp:SetParameterValuesResponse>{s}</cwmp:SetParameterValuesResponse>");
        assert_reads(&body("<Status>0</Status>"), &response(0), &[]);
        assert_reads(&body("<Status> 1 </Status>"), &response(1), &[]);
        assert_reads(&body("<Status>2</Status>"), &response(2), &["status_other"]);
        assert_reads(&body(""), &response(0), &["status_missing"]);
        assert!(read(&body("<Status>ok</Status>")).is_err(), "CWMP-099");
    }
}

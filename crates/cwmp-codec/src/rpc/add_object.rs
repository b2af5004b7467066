use cwmp_model::ParameterPath;

use super::{COMMAND_KEY_CHARS_MAX, encode_object, encode_status, note_object};
use crate::arguments::{Arguments, number, path, status, text};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError, Remark};

/// AddObject (TR-069 A.3.2.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddObject {
    /// ObjectName: the table, ending in `.` (CWMP-243).
    pub object: ParameterPath,
    /// ParameterKey, at most 32 characters.
    pub parameter_key: String,
}

/// AddObjectResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddObjectResponse {
    /// InstanceNumber, 1 or more by the standard; 0 was seen.
    pub instance: u32,
    /// Status: 0 applied, 1 later (CWMP-246).
    pub status: u32,
}

impl AddObject {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut request = Self::default();
        let mut arguments = Arguments::new(&["ObjectName", "ParameterKey"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "ObjectName" => request.object = path(r, "AddObject", argument)?,
                _ => request.parameter_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?,
            }
        }
        note_object(r, "AddObject", &arguments, &request.object)?;
        Ok(request)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:AddObject");
        encode_object(w, &self.object, &self.parameter_key)?;
        w.close("cwmp:AddObject");
        Ok(())
    }
}

impl AddObjectResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const METHOD: &str = "AddObjectResponse";
        let mut response = Self::default();
        let mut arguments = Arguments::new(&["InstanceNumber", "Status"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "InstanceNumber" => response.instance = number(r, METHOD, argument)?,
                _ => response.status = status(r, METHOD)?,
            }
        }
        if response.instance == 0 {
            r.note(Remark::InstanceNumberZero);
        }
        if !arguments.has("Status") {
            r.note(Remark::StatusMissing);
        }
        Ok(response)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.instance == 0 {
            return Err(crate::value::form("InstanceNumber", "0", "instance number of 1 or more"));
        }
        w.open("cwmp:AddObjectResponse");
        w.number("InstanceNumber", self.instance);
        encode_status(w, self.status)?;
        w.close("cwmp:AddObjectResponse");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write};
    use crate::{AcsRequest, CpeResponse, DecodeClass, Message};

    fn request(object: &str, key: &str) -> Message {
        let object = ParameterPath::from_device(object).expect("a path");
        Message::AcsRequest(AcsRequest::AddObject(AddObject { object, parameter_key: key.to_owned() }))
    }

    fn response(instance: u32, status: u32) -> Message {
        Message::CpeResponse(CpeResponse::AddObject(AddObjectResponse { instance, status }))
    }

    #[test]
    fn cwmp_243_object_names_end_in_a_dot() {
        let body = "<cwmp:AddObject><ObjectName>Device.X</ObjectName><ParameterKey>k</ParameterKey></cwmp:AddObject>";
        assert_reads(body, &request("Device.X", "k"), &["object_name_form"]);
        assert!(write(request("Device.X", "k")).is_err(), "CWMP-243");
        assert!(write(request("", "k")).is_err(), "CWMP-243: the root is no table");
        assert!(write(request("Device.X.[web].", "k")).is_ok(), "CWMP-243: alias");
    }

    #[test]
    fn cwmp_084_parameter_key_of_32_characters() {
        assert!(write(request("Device.X.", &"\u{e9}".repeat(32))).is_ok(), "CWMP-084");
        let error = write(request("Device.X.", &"k".repeat(33))).expect_err("CWMP-084");
        assert_eq!(error, EncodeError::TooLong { field: "ParameterKey", limit: 32, chars: 33 });
    }

    #[test]
    fn cwmp_246_responses_lenient_in_strict_out() {
        let body =
            "<cwmp:AddObjectResponse><Status>1</Status><InstanceNumber>3</InstanceNumber></cwmp:AddObjectResponse>";
        assert_reads(body, &response(3, 1), &["argument_order"]);
        let zero = "<cwmp:AddObjectResponse><InstanceNumber>0</InstanceNumber></cwmp:AddObjectResponse>";
        assert_reads(zero, &response(0, 0), &["instance_number_zero", "status_missing"]);
        let word = "<cwmp:AddObjectResponse><InstanceNumber>one</InstanceNumber></cwmp:AddObjectResponse>";
        assert_eq!(read(word).expect_err("CWMP-099").class(), DecodeClass::InvalidArguments);
        assert!(write(response(0, 0)).is_err() && write(response(1, 2)).is_err());
        assert!(write(response(1, 1)).is_ok());
    }
}

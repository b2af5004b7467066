use cwmp_model::ParameterPath;

use super::{COMMAND_KEY_CHARS_MAX, encode_object, encode_status, note_object};
use crate::arguments::{Arguments, path, text};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// DeleteObject (TR-069 A.3.2.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteObject {
    /// ObjectName: one instance, ending in `.` (CWMP-245).
    pub object: ParameterPath,
    /// ParameterKey, at most 32 characters.
    pub parameter_key: String,
}

/// DeleteObjectResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteObjectResponse {
    /// Status: 0 applied, 1 later (CWMP-246).
    pub status: u32,
}

impl DeleteObject {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut request = Self::default();
        let mut arguments = Arguments::new(&["ObjectName", "ParameterKey"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "ObjectName" => request.object = path(r, "DeleteObject", argument)?,
                _ => request.parameter_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?,
            }
        }
        note_object(r, "DeleteObject", &arguments, &request.object)?;
        Ok(request)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:DeleteObject");
        encode_object(w, &self.object, &self.parameter_key)?;
        w.close("cwmp:DeleteObject");
        Ok(())
    }
}

impl DeleteObjectResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        super::decode_status(r, "DeleteObjectResponse").map(|status| Self { status })
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:DeleteObjectResponse");
        encode_status(w, self.status)?;
        w.close("cwmp:DeleteObjectResponse");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write};
    use crate::{AcsRequest, CpeResponse, DecodeClass, Message};

    #[test]
    fn cwmp_245_object_names_end_in_a_dot() {
        let request = |object: &str| {
            let object = ParameterPath::from_device(object).expect("a path");
            Message::AcsRequest(AcsRequest::DeleteObject(DeleteObject { object, parameter_key: String::new() }))
        };
        let body = "<cwmp:DeleteObject><ObjectName>Device.X.1.</ObjectName><ParameterKey/></cwmp:DeleteObject>";
        assert_reads(body, &request("Device.X.1."), &[]);
        assert!(write(request("Device.X.1")).is_err(), "CWMP-245");
        assert!(write(request("Device.X.1.")).is_ok(), "CWMP-245");
        let nothing = read("<cwmp:DeleteObject/>").expect_err("CWMP-099");
        assert_eq!(nothing.class(), DecodeClass::InvalidArguments);
    }

    #[test]
    fn cwmp_246_status() {
        let response = |status| Message::CpeResponse(CpeResponse::DeleteObject(DeleteObjectResponse { status }));
        assert_reads("<cwmp:DeleteObjectResponse/>", &response(0), &["status_missing"]);
        let two = "<cwmp:DeleteObjectResponse><Status>2</Status></cwmp:DeleteObjectResponse>";
        assert_reads(two, &response(2), &["status_other"]);
        assert!(write(response(2)).is_err());
    }
}

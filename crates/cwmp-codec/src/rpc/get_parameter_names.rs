use cwmp_model::ParameterPath;

use crate::arguments::{Arguments, boolean, invalid, list, path, usable_path};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// GetParameterNames (TR-069 A.3.2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterNames {
    /// ParameterPath: a partial path, a parameter, or empty for the whole model.
    pub path: ParameterPath,
    /// NextLevel: only the direct children (CWMP-236).
    pub next_level: bool,
}

/// GetParameterNamesResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterNamesResponse {
    /// ParameterList.
    pub parameters: Vec<ParameterInfo>,
}

/// ParameterInfoStruct.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Name; an object ends in `.`.
    pub name: ParameterPath,
    /// Writable: may be set; for a table, rows may be added; for a row, it may be deleted (CWMP-238).
    pub writable: bool,
}

impl GetParameterNames {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const METHOD: &str = "GetParameterNames";
        let mut request = Self::default();
        let mut arguments = Arguments::new(&["ParameterPath", "NextLevel"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "ParameterPath" => request.path = path(r, METHOD, argument)?,
                _ => request.next_level = boolean(r, METHOD, argument)?,
            }
        }
        arguments.note_missing(r, &["ParameterPath", "NextLevel"]);
        Ok(request)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:GetParameterNames");
        w.text("ParameterPath", self.path.as_str(), ParameterPath::CHARS_MAX)?;
        w.boolean("NextLevel", self.next_level);
        w.close("cwmp:GetParameterNames");
        Ok(())
    }
}

impl GetParameterNamesResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const METHOD: &str = "GetParameterNamesResponse";
        let mut parameters = Vec::new();
        let mut arguments = Arguments::new(&["ParameterList"]);
        while let Some((_, element)) = arguments.next(r)? {
            parameters.clear();
            list(r, &element, "ParameterInfoStruct", |r, _| {
                parameters.extend(decode_info(r)?);
                Ok(())
            })?;
        }
        if !arguments.has("ParameterList") {
            return Err(invalid(r, METHOD, "ParameterList", "is missing"));
        }
        Ok(Self { parameters })
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:GetParameterNamesResponse");
        w.open_array("ParameterList", "cwmp:ParameterInfoStruct", self.parameters.len());
        for info in &self.parameters {
            w.open("ParameterInfoStruct");
            w.text("Name", info.name.as_str(), ParameterPath::CHARS_MAX)?;
            w.boolean("Writable", info.writable);
            w.close("ParameterInfoStruct");
        }
        w.close("ParameterList");
        w.close("cwmp:GetParameterNamesResponse");
        Ok(())
    }
}

/// One ParameterInfoStruct; `None` if its name is of no use.
fn decode_info(r: &mut Reader<'_>) -> Result<Option<ParameterInfo>, DecodeError> {
    let mut name = None;
    let mut writable = false;
    let mut members = Arguments::new(&["Name", "Writable"]);
    while let Some((member, _)) = members.next(r)? {
        match member {
            "Name" => name = usable_path(r)?,
            _ => writable = boolean(r, "GetParameterNamesResponse", member)?,
        }
    }
    members.note_missing(r, &["Name", "Writable"]);
    Ok(name.map(|name| ParameterInfo { name, writable }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write};
    use crate::{AcsRequest, CpeResponse, DecodeClass, Message};

    fn path_of(text: &str) -> ParameterPath {
        ParameterPath::new(text).expect("a path")
    }

    #[test]
    fn cwmp_077_next_level_in_every_form() {
        for (text, next_level) in [("0", false), ("1", true), ("true", true), (" False ", false)] {
            let body = format!(
                "<cwmp:GetParameterNames><ParameterPath>Device.</ParameterPath><NextLevel>{text}</NextLevel></cwmp:GetParameterNames>"
            );
            let request = GetParameterNames { path: path_of("Device."), next_level };
            assert_reads(&body, &Message::AcsRequest(AcsRequest::GetParameterNames(request)), &[]);
        }
        let body = "<cwmp:GetParameterNames><ParameterPath/><NextLevel>yes</NextLevel></cwmp:GetParameterNames>";
        assert_eq!(read(body).expect_err("CWMP-099").class(), DecodeClass::InvalidArguments);
    }

    #[test]
    fn cwmp_236_empty_path_is_the_whole_model() {
        let request = GetParameterNames { path: ParameterPath::root(), next_level: true };
        let xml = write(Message::AcsRequest(AcsRequest::GetParameterNames(request))).expect("CWMP-236");
        assert!(xml.contains("<ParameterPath></ParameterPath><NextLevel>1</NextLevel>"), "CWMP-077: {xml}");
    }

    #[test]
    fn cwmp_084_unusable_names_are_left_out_with_a_remark() {
        let long = "x".repeat(257);
        let body = format!(
            "<cwmp:GetParameterNamesResponse><ParameterList enc:arrayType='cwmp:ParameterInfoStruct[2]'>\
             <ParameterInfoStruct><Name>{long}</Name><Writable>1</Writable></ParameterInfoStruct>\
             <ParameterInfoStruct><Name>Device.A</Name><Writable>1</Writable></ParameterInfoStruct>\
             </ParameterList></cwmp:GetParameterNamesResponse>"
        );
        let parameters = vec![ParameterInfo { name: path_of("Device.A"), writable: true }];
        let response = Message::CpeResponse(CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters }));
        assert_reads(&body, &response, &["parameter_name_unusable"]);
        assert!(read("<cwmp:GetParameterNamesResponse/>").is_err(), "CWMP-099");
    }
}

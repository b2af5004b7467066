use cwmp_model::{ParameterPath, ParameterValue};

use super::parameter_list;
use crate::arguments::{Arguments, invalid, texts};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError, Remark};

/// GetParameterValues (TR-069 A.3.2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterValues {
    /// ParameterNames: parameters or partial paths (CWMP-231); at least one.
    pub names: Vec<ParameterPath>,
}

/// GetParameterValuesResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterValuesResponse {
    /// ParameterList; may hold more or less than asked for (CWMP-234).
    pub parameters: Vec<ParameterValue>,
}

impl GetParameterValues {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const METHOD: &str = "GetParameterValues";
        let mut names = Vec::new();
        let mut arguments = Arguments::new(&["ParameterNames"]);
        while let Some((argument, element)) = arguments.next(r)? {
            names.clear();
            texts(r, &element, |r, text| {
                let name = ParameterPath::from_device(&text);
                names.push(name.map_err(|_| invalid(r, METHOD, argument, "has a member that is no path"))?);
                Ok(())
            })?;
        }
        if names.is_empty() {
            r.note(Remark::ParameterNamesEmpty);
        }
        Ok(Self { names })
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.names.is_empty() {
            return Err(EncodeError::Empty { field: "ParameterNames" });
        }
        w.open("cwmp:GetParameterValues");
        w.open_array("ParameterNames", "xsd:string", self.names.len());
        for name in &self.names {
            w.text("string", name.as_str(), ParameterPath::CHARS_MAX)?;
        }
        w.close("ParameterNames");
        w.close("cwmp:GetParameterValues");
        Ok(())
    }
}

impl GetParameterValuesResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut parameters = None;
        let mut arguments = Arguments::new(&["ParameterList"]);
        while let Some((_, element)) = arguments.next(r)? {
            parameters = Some(parameter_list::decode(r, &element)?);
        }
        match parameters {
            Some(parameters) => Ok(Self { parameters }),
            None => Err(invalid(r, "GetParameterValuesResponse", "ParameterList", "is missing")),
        }
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.open("cwmp:GetParameterValuesResponse");
        parameter_list::encode(w, &self.parameters)?;
        w.close("cwmp:GetParameterValuesResponse");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write};
    use crate::{AcsRequest, CpeResponse, Message};

    fn request(names: &[&str]) -> Message {
        let names = names.iter().map(|n| ParameterPath::from_device(n).expect("a path")).collect();
        Message::AcsRequest(AcsRequest::GetParameterValues(GetParameterValues { names }))
    }

    #[test]
    fn cwmp_072_names_are_an_array_of_strings() {
        let xml = write(request(&["Device.", ""])).expect("CWMP-231");
        let list = "<ParameterNames soap-enc:arrayType=\"xsd:string[2]\"><string>Device.</string><string></string></ParameterNames>";
        assert!(xml.contains(list), "CWMP-072: {xml}");
        assert_eq!(write(request(&[])), Err(EncodeError::Empty { field: "ParameterNames" }));
    }

    #[test]
    fn cwmp_073_array_types_are_not_relied_on() {
        let members = "<string>Device.A</string><string>Device.B</string>";
        for (attributes, remarks) in [
            ("enc:arrayType='xsd:string[2]'", vec![]),
            ("enc:arrayType='xsd:string[0002]'", vec![]),
            ("enc:arrayType='xsd:string[3]'", vec!["array_length_wrong"]),
            ("enc:arrayType='xsd:string[]'", vec!["array_length_wrong"]),
            ("", vec!["array_type_missing"]),
            ("xsi:type='enc:Array' enc:arrayType='xsd:string[2]'", vec!["array_with_xsi_type"]),
            ("soap:arrayType='xsd:string[2]'", vec![]),
            ("nowhere:arrayType='xsd:string[2]'", vec!["prefix_undeclared"]),
        ] {
            let body = format!(
                "<cwmp:GetParameterValues><ParameterNames {attributes}>{members}</ParameterNames></cwmp:GetParameterValues>"
            );
            assert_reads(&body, &request(&["Device.A", "Device.B"]), &remarks);
        }
        let other = "<cwmp:GetParameterValues><ParameterNames enc:arrayType='xsd:string[1]'><item>Device.A</item></ParameterNames></cwmp:GetParameterValues>";
        assert_reads(other, &request(&["Device.A"]), &["member_name"]);
        let none = "<cwmp:GetParameterValues><ParameterNames enc:arrayType='xsd:string[0]'/></cwmp:GetParameterValues>";
        assert_reads(none, &request(&[]), &["parameter_names_empty"]);
    }

    #[test]
    fn cwmp_232_an_empty_answer_is_an_answer() {
        let empty = Message::CpeResponse(CpeResponse::GetParameterValues(GetParameterValuesResponse::default()));
        let body = "<cwmp:GetParameterValuesResponse><ParameterList enc:arrayType='cwmp:ParameterValueStruct[0]'/></cwmp:GetParameterValuesResponse>";
        assert_reads(body, &empty, &[]);
        assert!(read("<cwmp:GetParameterValuesResponse/>").is_err(), "CWMP-099");
    }
}

//! ParameterValueStruct lists, shared by Inform, SetParameterValues and GetParameterValuesResponse.

use cwmp_model::{ParameterPath, ParameterValue, Value, ValueType};

use crate::arguments::{Arguments, list, usable_path};
use crate::value;
use crate::xml::{Element, Reader, Writer};
use crate::{DecodeError, EncodeError, Remark};

/// Reads the open list; members without a usable name are left out with a remark.
pub(super) fn decode<'a>(r: &mut Reader<'a>, element: &Element<'a>) -> Result<Vec<ParameterValue>, DecodeError> {
    let mut parameters = Vec::new();
    list(r, element, "ParameterValueStruct", |r, _| {
        parameters.extend(decode_member(r)?);
        Ok(())
    })?;
    Ok(parameters)
}

fn decode_member(r: &mut Reader<'_>) -> Result<Option<ParameterValue>, DecodeError> {
    let mut name = None;
    let mut value = Value::default();
    let mut members = Arguments::new(&["Name", "Value"]);
    while let Some((member, element)) = members.next(r)? {
        match member {
            "Name" => name = usable_path(r)?,
            _ => value = Value::new(kind(r, element.xsi_type), r.text()?),
        }
    }
    members.note_missing(r, &["Name"]);
    if !members.has("Value") {
        r.note(Remark::ValueMissing);
    }
    Ok(name.map(|name| ParameterValue { name, value }))
}

/// The type by its local name; the prefix says only which schema it is from (CWMP-075).
fn kind(r: &mut Reader<'_>, said: Option<&str>) -> ValueType {
    const SAID_BYTES_MAX: usize = 64;
    let Some(said) = said else {
        r.note(Remark::ValueTypeMissing);
        return ValueType::String;
    };
    let local = said.rsplit(':').next().unwrap_or_default().trim();
    ValueType::parse(local).unwrap_or_else(|| {
        r.note(Remark::ValueTypeUnknown { said: said[..said.floor_char_boundary(SAID_BYTES_MAX)].into() });
        ValueType::String
    })
}

/// Writes a ParameterList with xsi:type on each Value (CWMP-074).
pub(super) fn encode(w: &mut Writer<'_>, parameters: &[ParameterValue]) -> Result<(), EncodeError> {
    w.open_array("ParameterList", "cwmp:ParameterValueStruct", parameters.len());
    for parameter in parameters {
        w.raw("<ParameterValueStruct>");
        w.text("Name", parameter.name.as_str(), ParameterPath::CHARS_MAX)?;
        w.raw("<Value xsi:type=\"xsd:");
        w.raw(parameter.value.kind.as_str());
        w.raw("\">");
        let text = value::text(w, parameter)?;
        w.escaped("Value", &text)?;
        w.raw("</Value></ParameterValueStruct>");
    }
    w.close("ParameterList");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, write};
    use crate::{CpeResponse, GetParameterValuesResponse, Message};

    fn response(values: Vec<Value>) -> Message {
        let name = ParameterPath::new("Device.A").expect("a path");
        let parameters = values.into_iter().map(|value| ParameterValue { name: name.clone(), value }).collect();
        Message::CpeResponse(CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters }))
    }

    fn body(value: &str) -> String {
        format!(
            "<cwmp:GetParameterValuesResponse><ParameterList enc:arrayType='cwmp:ParameterValueStruct[1]'>\
             <ParameterValueStruct><Name>Device.A</Name>{value}</ParameterValueStruct></ParameterList>\
             </cwmp:GetParameterValuesResponse>"
        )
    }

    #[test]
    fn cwmp_075_types_as_said() {
        for (attribute, kind, remarks) in [
            ("xsi:type='xsd:unsignedInt'", ValueType::UnsignedInt, vec![]),
            ("xsi:type='enc:base64'", ValueType::Base64, vec![]),
            ("xsi:type='xsd:base64Binary'", ValueType::Base64, vec![]),
            ("xsi:type=' boolean '", ValueType::Boolean, vec![]),
            ("xsi:type='object'", ValueType::String, vec!["value_type_unknown"]),
            ("xsi:type=''", ValueType::String, vec!["value_type_unknown"]),
            ("", ValueType::String, vec!["value_type_missing"]),
            ("nowhere:type='xsd:int'", ValueType::Int, vec!["prefix_undeclared"]),
        ] {
            let read = body(&format!("<Value {attribute}>1</Value>"));
            assert_reads(&read, &response(vec![Value::new(kind, "1")]), &remarks);
        }
        let unknown = crate::test_envelope::decoded(&body("<Value xsi:type='x:object'/>"));
        assert_eq!(unknown.remarks[0].detail(), Some("x:object"), "CWMP-075: what was said is kept");
    }

    #[test]
    fn cwmp_069_a_struct_without_value_or_name() {
        assert_reads(&body(""), &response(vec![Value::default()]), &["value_missing"]);
        let nameless = body("").replace("<Name>Device.A</Name>", "<Value xsi:type='xsd:string'>x</Value>");
        assert_reads(&nameless, &response(vec![]), &["argument_missing"]);
    }

    #[test]
    fn text_is_unescaped_and_kept_whole() {
        let value = "<Value xsi:type='xsd:string'> a&amp;b&#x41;<![CDATA[<c>]]>&lt;<!-- no -->\r\nd </Value>";
        assert_reads(&body(value), &response(vec![Value::string(" a&bA<c><\nd ")]), &[]);
    }

    #[test]
    fn cwmp_082_escapes_and_references() {
        let xml = write(response(vec![Value::string("&<>\"'\t\n\r\u{7f}\u{e9}\u{1F600}")])).expect("CWMP-082");
        let expected = "&amp;&lt;&gt;&quot;&apos;\t\n&#13;&#127;&#233;&#128512;</Value>";
        assert!(xml.contains(expected), "CWMP-082: {xml}");
    }

    #[test]
    fn cwmp_083_what_xml_cannot_carry_is_refused() {
        for c in ['\0', '\u{1}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let error = write(response(vec![Value::string(c)])).expect_err("CWMP-083");
            assert_eq!(error, EncodeError::InvalidCharacter { field: "Value", found: c.into() });
        }
    }

    #[test]
    fn cwmp_074_each_value_has_its_type() {
        let xml = write(response(vec![Value::new(ValueType::Boolean, "true")])).expect("CWMP-074");
        assert!(xml.contains("<Value xsi:type=\"xsd:boolean\">1</Value>"), "CWMP-077: {xml}");
    }
}

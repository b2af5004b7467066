use super::{COMMAND_KEY_CHARS_MAX, TIME_CHARS_MAX, TRANSFER_TEXT_CHARS_MAX};
use crate::arguments::{Arguments, invalid, number, text};
use crate::value::check_date_time;
use crate::xml::{Reader, Writer};
use crate::{CwmpNamespace, DecodeError, EncodeError, Fault, Remark};

/// TransferComplete (TR-069 A.3.3.2).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransferComplete {
    /// CommandKey of the transfer (CWMP-338).
    pub command_key: String,
    /// FaultStruct; code 0 is success (CWMP-339).
    pub fault: Fault,
    /// StartTime, as sent.
    pub start_time: String,
    /// CompleteTime, as sent.
    pub complete_time: String,
}

const METHOD: &str = "TransferComplete";

impl TransferComplete {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut complete = Self::default();
        let mut fault = None;
        let mut arguments = Arguments::new(&["CommandKey", "FaultStruct", "StartTime", "CompleteTime"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "CommandKey" => complete.command_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?,
                "FaultStruct" => fault = Some(decode_fault(r)?),
                "StartTime" => complete.start_time = text(r, argument, TIME_CHARS_MAX)?,
                _ => complete.complete_time = text(r, argument, TIME_CHARS_MAX)?,
            }
        }
        // Without it nobody knows whether the transfer succeeded (CWMP-339).
        complete.fault = fault.ok_or_else(|| invalid(r, METHOD, "FaultStruct", "is missing"))?;
        arguments.note_missing(r, &["CommandKey", "StartTime", "CompleteTime"]);
        Ok(complete)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        check_fault_code(self.fault.code, w.namespace())?;
        check_date_time("StartTime", &self.start_time)?;
        check_date_time("CompleteTime", &self.complete_time)?;
        w.open("cwmp:TransferComplete");
        w.text("CommandKey", &self.command_key, COMMAND_KEY_CHARS_MAX)?;
        w.open("FaultStruct");
        w.number("FaultCode", self.fault.code);
        w.text("FaultString", &self.fault.text, TRANSFER_TEXT_CHARS_MAX)?;
        w.close("FaultStruct");
        w.text("StartTime", &self.start_time, TIME_CHARS_MAX)?;
        w.text("CompleteTime", &self.complete_time, TIME_CHARS_MAX)?;
        w.close("cwmp:TransferComplete");
        Ok(())
    }
}

fn decode_fault(r: &mut Reader<'_>) -> Result<Fault, DecodeError> {
    let mut fault = Fault::default();
    let mut members = Arguments::new(&["FaultCode", "FaultString"]);
    while let Some((member, _)) = members.next(r)? {
        match member {
            "FaultCode" => fault.code = number(r, METHOD, member)?,
            _ => fault.text = text(r, member, TRANSFER_TEXT_CHARS_MAX)?,
        }
    }
    if !members.has("FaultCode") {
        return Err(invalid(r, METHOD, "FaultCode", "is missing"));
    }
    if !members.has("FaultString") {
        r.note(Remark::FaultStringMissing);
    }
    if !matches!(fault.code, 0 | 9000..=9899) {
        r.note(Remark::FaultCodeRange);
    }
    Ok(fault)
}

/// The codes a transfer may end with, by namespace (CWMP-168, from the schemas).
fn check_fault_code(code: u32, namespace: CwmpNamespace) -> Result<(), EncodeError> {
    let exists = match namespace {
        CwmpNamespace::V1_0 => matches!(code, 0 | 9001 | 9002 | 9010..=9012),
        CwmpNamespace::V1_1 => matches!(code, 0 | 9001 | 9002 | 9010..=9012 | 9014..=9019 | 9800..=9899),
        _ => matches!(code, 0 | 9001 | 9002 | 9010..=9012 | 9014..=9020 | 9033..=9899),
    };
    if exists {
        return Ok(());
    }
    Err(EncodeError::NotInNamespace { field: "FaultCode", text: code.to_string(), namespace })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write_in};
    use crate::{CpeRequest, DecodeClass, Message};

    const TIME: &str = "0001-01-01T00:00:00Z";

    fn complete(code: u32, text: &str) -> Message {
        Message::CpeRequest(CpeRequest::TransferComplete(TransferComplete {
            command_key: "k".to_owned(),
            fault: Fault { code, text: text.to_owned(), parameters: vec![] },
            start_time: TIME.to_owned(),
            complete_time: TIME.to_owned(),
        }))
    }

    fn body(parts: &[&str]) -> String {
        format!("<cwmp:TransferComplete>{}</cwmp:TransferComplete>", parts.concat())
    }

    #[test]
    fn cwmp_069_fault_struct_first_or_last() {
        let key = "<CommandKey>k</CommandKey>";
        let fault = "<FaultStruct><FaultCode>9018</FaultCode><FaultString>bad</FaultString></FaultStruct>";
        let times = format!("<StartTime>{TIME}</StartTime><CompleteTime>{TIME}</CompleteTime>");
        assert_reads(&body(&[key, fault, &times]), &complete(9018, "bad"), &[]);
        assert_reads(&body(&[fault, key, &times]), &complete(9018, "bad"), &["argument_order"]);
        assert_reads(&body(&[key, &times, fault]), &complete(9018, "bad"), &["argument_order"]);
    }

    #[test]
    fn cwmp_339_without_a_code_there_is_no_result() {
        for fault in ["", "<FaultStruct/>", "<FaultStruct><FaultCode>x</FaultCode></FaultStruct>"] {
            let error = read(&body(&["<CommandKey>k</CommandKey>", fault])).expect_err("CWMP-099");
            assert_eq!(error.class(), DecodeClass::InvalidArguments, "CWMP-099: {fault}");
        }
    }

    #[test]
    fn cwmp_168_fault_codes_by_namespace() {
        use CwmpNamespace::{V1_0, V1_1, V1_2};
        for (code, namespaces) in [
            (0, vec![V1_0, V1_1, V1_2]),
            (9012, vec![V1_0, V1_1, V1_2]),
            (9018, vec![V1_1, V1_2]),
            (9020, vec![V1_2]),
            (9801, vec![V1_1, V1_2]),
            (9005, vec![]),
        ] {
            for namespace in [V1_0, V1_1, V1_2] {
                let ok = write_in(namespace, complete(code, "")).is_ok();
                assert_eq!(ok, namespaces.contains(&namespace), "CWMP-168: {code} in {namespace:?}");
            }
        }
    }

    #[test]
    fn cwmp_084_fault_string_of_a_transfer_256_characters() {
        assert!(write_in(CwmpNamespace::V1_0, complete(0, &"\u{e9}".repeat(256))).is_ok(), "CWMP-084");
        let error = write_in(CwmpNamespace::V1_0, complete(0, &"e".repeat(257))).expect_err("CWMP-084");
        assert_eq!(error, EncodeError::TooLong { field: "FaultString", limit: 256, chars: 257 });
    }
}

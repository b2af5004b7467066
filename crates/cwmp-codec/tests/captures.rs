//! Messages of quirky devices, of our own making, one folder for each quirk. The short form says what came out of each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cwmp_codec::{CpeRequest, CpeResponse, DecodeError, Decoded, Envelope, Limits, Message, Remark, decode};
use expect_test::{Expect, expect};

/// Decodes every capture of `quirk` and compares the short forms.
fn check(quirk: &str, expected: &Expect) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(quirk);
    let mut files: Vec<_> = fs::read_dir(folder).expect("the folder").map(|f| f.expect("an entry").path()).collect();
    files.sort();
    let mut out = String::new();
    for file in files {
        let body = fs::read(&file).expect("a capture");
        let short = match decode(&body, None, &Limits::default()) {
            Ok(decoded) => short(&decoded),
            Err(error) => short_error(&error),
        };
        let number = file.file_name().and_then(|n| n.to_str()).map_or("", |n| &n[..2]);
        writeln!(out, "{number} {short}").expect("a String");
    }
    expected.assert_eq(&out);
}

fn short(decoded: &Decoded) -> String {
    let Envelope { namespace, header, message } = &decoded.envelope;
    let id = header.id.as_deref().unwrap_or("-");
    let namespace = namespace.map_or("no namespace", |n| n.urn().trim_start_matches("urn:dslforum-org:"));
    let remarks: Vec<String> = decoded.remarks.iter().map(short_remark).collect();
    let remarks = if remarks.is_empty() { String::new() } else { format!("\n   {}", remarks.join(", ")) };
    format!("{namespace} id={id} {}{remarks}", short_message(message))
}

fn short_message(message: &Message) -> String {
    match message {
        Message::CpeRequest(CpeRequest::Inform(i)) => {
            let events: Vec<_> = i.events.iter().map(|e| format!("{}/{}", e.code, e.command_key)).collect();
            let first = i.parameters.first().map_or("", |p| p.value.text.as_str());
            let device = &i.device;
            let serial = &device.serial_number;
            format!(
                "Inform {} {}-{serial} {events:?} retry={} value={first:?}",
                device.manufacturer, device.oui, i.retry_count
            )
        }
        Message::CpeResponse(CpeResponse::GetParameterValues(r)) => {
            let one =
                |p: &cwmp_model::ParameterValue| format!("{}={:?}:{}", p.name, p.value.text, p.value.kind.as_str());
            format!("GetParameterValuesResponse {}", r.parameters.iter().map(one).collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn short_remark(remark: &Remark) -> String {
    let detail = remark.detail().map(|d| format!("({d})")).unwrap_or_default();
    format!("{}{detail} CWMP-{:03}", remark.as_str(), remark.requirement())
}

fn short_error(error: &DecodeError) -> String {
    format!("{:?}: {error}", error.class())
}

#[test]
fn quirk_arguments_in_cwmp_namespace() {
    check(
        "arguments-in-cwmp-namespace",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
           argument_in_cwmp_namespace CWMP-069
    "#]],
    );
}

#[test]
fn quirk_array_type_wrong() {
    check(
        "array-type-wrong",
        &expect![[r#"
        01 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
        02 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
           array_length_wrong CWMP-073
        03 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
           array_with_xsi_type CWMP-073, array_type_missing CWMP-073
    "#]],
    );
}

#[test]
fn quirk_boolean_words() {
    check(
        "boolean-words",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeResponse(GetParameterNames(GetParameterNamesResponse { parameters: [ParameterInfo { name: "Device.A", writable: true }, ParameterInfo { name: "Device.B", writable: false }] }))
    "#]],
    );
}

#[test]
fn quirk_control_characters() {
    check(
        "control-characters",
        &expect![[r#"
        01 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1..0":string
           invalid_characters CWMP-083
        02 cwmp-1-0 id=7 Fault(Fault { code: 9002, text: "°žøkg", parameters: [] })
           charset_wrong CWMP-031, invalid_characters CWMP-083
    "#]],
    );
}

#[test]
fn quirk_cut_short() {
    check(
        "cut-short",
        &expect![[r#"
        01 NotAnEnvelope: the body ends at byte 1060 inside `soap:Envelope`; a Content-Length counted in characters cuts it short like this
    "#]],
    );
}

#[test]
fn quirk_default_namespace() {
    check(
        "default-namespace",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeResponse(GetParameterNames(GetParameterNamesResponse { parameters: [ParameterInfo { name: "Device.", writable: false }] }))
        02 no namespace id=- CpeResponse(Reboot)
           id_missing CWMP-087, cwmp_namespace_missing CWMP-068
    "#]],
    );
}

#[test]
fn quirk_detail_in_faultstring() {
    check(
        "detail-in-faultstring",
        &expect![[r#"
        01 cwmp-1-0 id=7 Fault(Fault { code: 9002, text: "Internal error", parameters: [] })
           fault_detail_misplaced CWMP-094
    "#]],
    );
}

#[test]
fn quirk_fault_struct_last() {
    check(
        "fault-struct-last",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeRequest(TransferComplete(TransferComplete { command_key: "", fault: Fault { code: 9015, text: "no route", parameters: [] }, start_time: "0001-01-01T00:00:00Z", complete_time: "0001-01-01T00:00:00Z" }))
           argument_order CWMP-069
    "#]],
    );
}

#[test]
fn quirk_fault_without_string() {
    check(
        "fault-without-string",
        &expect![[r#"
        01 cwmp-1-0 id=7 Fault(Fault { code: 9002, text: "", parameters: [] })
           fault_string_missing CWMP-094
        02 cwmp-1-0 id=7 Fault(Fault { code: 9002, text: "", parameters: [] })
        03 cwmp-1-0 id=7 Fault(Fault { code: 0, text: "Error", parameters: [] })
           fault_string_other CWMP-094, fault_detail_missing CWMP-094, fault_string_missing CWMP-094
    "#]],
    );
}

#[test]
fn quirk_header_missing() {
    check(
        "header-missing",
        &expect![[r#"
        01 cwmp-1-0 id=- Fault(Fault { code: 9002, text: "Internal error", parameters: [] })
           header_missing CWMP-087
        02 cwmp-1-0 id=- CpeResponse(Reboot)
           id_missing CWMP-087
        03 cwmp-1-0 id= CpeResponse(Reboot)
           id_empty CWMP-087
    "#]],
    );
}

#[test]
fn quirk_inform_loose() {
    check(
        "inform-loose",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
           argument_order CWMP-069, max_envelopes_other CWMP-113, current_time_form CWMP-081, retry_count_missing CWMP-199
        02 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 [] retry=0 value="1.0.0"
        03 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 [] retry=0 value="1.0.0"
           event_list_missing CWMP-180
        04 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["M Reboot/rb-17", "1 BOOT/"] retry=0 value="1.0.0"
    "#]],
    );
}

#[test]
fn quirk_latin_1_unlabelled() {
    check(
        "latin-1-unlabelled",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Société G 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
           charset_wrong CWMP-031
        02 cwmp-1-0 id=7 Inform Société G 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
    "#]],
    );
}

#[test]
fn quirk_must_understand_form() {
    check(
        "must-understand-form",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeResponse(Reboot)
           must_understand_form CWMP-087
        02 cwmp-1-0 id=7 CpeResponse(Reboot)
           must_understand_form CWMP-087
    "#]],
    );
}

#[test]
fn quirk_must_understand_unknown() {
    check(
        "must-understand-unknown",
        &expect![[r#"
        01 MustUnderstand: the header entry `Token` has mustUnderstand 1 and is not known
        02 cwmp-1-0 id=7 CpeResponse(Reboot)
           header_unknown CWMP-092
    "#]],
    );
}

#[test]
fn quirk_namespaces_mixed() {
    check(
        "namespaces-mixed",
        &expect![[r#"
        01 cwmp-1-2 id=7 CpeResponse(Reboot)
           cwmp_namespaces_mixed CWMP-169
        02 cwmp-1-4 id=7 CpeResponse(Reboot)
           cwmp_namespace_invented CWMP-166
        03 cwmp-1-2 id=7 CpeResponse(Reboot)
           cwmp_namespace_unknown CWMP-167
    "#]],
    );
}

#[test]
fn quirk_no_cwmp_namespace() {
    check(
        "no-cwmp-namespace",
        &expect![[r#"
        01 no namespace id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
           cwmp_namespace_missing CWMP-068
    "#]],
    );
}

#[test]
fn quirk_no_more_requests() {
    check(
        "no-more-requests",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeRequest(TransferComplete(TransferComplete { command_key: "fw-42", fault: Fault { code: 0, text: "", parameters: [] }, start_time: "2024-05-01T10:00:00Z", complete_time: "2024-05-01T10:01:00Z" }))
           no_more_requests CWMP-091
    "#]],
    );
}

#[test]
fn quirk_prefix_any() {
    check(
        "prefix-any",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
    "#]],
    );
}

#[test]
fn quirk_prefix_undeclared() {
    check(
        "prefix-undeclared",
        &expect![[r#"
        01 cwmp-1-0 id=7 Fault(Fault { code: 9005, text: "Invalid parameter name", parameters: [] })
           prefix_undeclared CWMP-067
        02 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
           prefix_undeclared CWMP-067
    "#]],
    );
}

#[test]
fn quirk_schema_1999() {
    check(
        "schema-1999",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
           schema_namespace_old CWMP-066
    "#]],
    );
}

#[test]
fn quirk_set_parameter_values_faults() {
    check(
        "set-parameter-values-faults",
        &expect![[r#"
        01 cwmp-1-0 id=7 Fault(Fault { code: 9003, text: "Invalid arguments", parameters: [ParameterFault { name: "Device.Time.LocalTimeZone", code: 9007, text: "not a zone" }, ParameterFault { name: "Device.Time.Enable", code: 9008, text: "" }] })
    "#]],
    );
}

#[test]
fn quirk_soap_1_2() {
    check(
        "soap-1.2",
        &expect![[r#"
        01 Soap12: the body is a SOAP 1.2 envelope, CWMP is SOAP 1.1
    "#]],
    );
}

#[test]
fn quirk_soap_bound_to_encoding() {
    check(
        "soap-bound-to-encoding",
        &expect![[r#"
        01 cwmp-1-0 id=7 Inform Acme 00D09E-SN0001 ["2 PERIODIC/"] retry=0 value="1.0.0"
    "#]],
    );
}

#[test]
fn quirk_status_missing() {
    check(
        "status-missing",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeResponse(SetParameterValues(SetParameterValuesResponse { status: 0 }))
           status_missing CWMP-226
        02 cwmp-1-0 id=7 CpeResponse(AddObject(AddObjectResponse { instance: 0, status: 0 }))
           instance_number_zero CWMP-243, status_missing CWMP-226
    "#]],
    );
}

#[test]
fn quirk_unknown_method() {
    check(
        "unknown-method",
        &expect![[r#"
        01 cwmp-1-0 id=7 Unknown { method: "X_ACME_Beep" }
        02 cwmp-1-0 id=7 Unknown { method: "Beep" }
    "#]],
    );
}

#[test]
fn quirk_value_missing() {
    check(
        "value-missing",
        &expect![[r#"
        01 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="":string
           value_missing CWMP-069
    "#]],
    );
}

#[test]
fn quirk_value_type_missing() {
    check(
        "value-type-missing",
        &expect![[r#"
        01 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
           value_type_missing CWMP-074
        02 cwmp-1-0 id=7 GetParameterValuesResponse Device.DeviceInfo.SoftwareVersion="1.0.0":string
           value_type_unknown(object) CWMP-075
    "#]],
    );
}

#[test]
fn quirk_white_space_in_front() {
    check(
        "white-space-in-front",
        &expect![[r#"
        01 cwmp-1-0 id=7 CpeResponse(Reboot)
           white_space_in_front CWMP-103
        02 cwmp-1-0 id=7 CpeResponse(Reboot)
    "#]],
    );
}

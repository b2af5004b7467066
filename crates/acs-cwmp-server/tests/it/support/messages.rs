//! Envelopes as devices write them.

pub(crate) const OUI: &str = "00AABB";
pub(crate) const CLASS: &str = "IGD";
pub(crate) const SERIAL: &str = "S1";
pub(crate) const DEVICE: &str = "00AABB-IGD-S1";

pub(crate) fn envelope(id: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">{id}</cwmp:ID></soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"#
    )
}

pub(crate) fn inform(events: &[&str]) -> String {
    inform_of(SERIAL, events, 0)
}

/// Events with a `/` have a CommandKey behind it.
pub(crate) fn inform_of(serial: &str, events: &[&str], retry_count: u32) -> String {
    let entries: String = events
        .iter()
        .map(|event| {
            let (code, key) = event.split_once('/').unwrap_or((event, ""));
            format!("<EventStruct><EventCode>{code}</EventCode><CommandKey>{key}</CommandKey></EventStruct>")
        })
        .collect();
    let value = |name: &str, value: &str| {
        format!(
            r#"<ParameterValueStruct><Name>{name}</Name><Value xsi:type="xsd:string">{value}</Value></ParameterValueStruct>"#
        )
    };
    let values =
        value("Device.DeviceInfo.SoftwareVersion", "1.0") + &value("Device.ManagementServer.Password", "canary-secret");
    envelope(
        "1",
        &format!(
            r#"<cwmp:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>{OUI}</OUI><ProductClass>{CLASS}</ProductClass><SerialNumber>{serial}</SerialNumber></DeviceId><Event soap-enc:arrayType="cwmp:EventStruct[{}]">{entries}</Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-31T12:00:00Z</CurrentTime><RetryCount>{retry_count}</RetryCount><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[2]">{values}</ParameterList></cwmp:Inform>"#,
            events.len()
        ),
    )
}

pub(crate) fn transfer_complete(key: &str) -> String {
    envelope(
        "2",
        &format!(
            "<cwmp:TransferComplete><CommandKey>{key}</CommandKey><FaultStruct><FaultCode>0</FaultCode><FaultString></FaultString></FaultStruct><StartTime>2026-01-31T12:00:00Z</StartTime><CompleteTime>2026-01-31T12:01:00Z</CompleteTime></cwmp:TransferComplete>"
        ),
    )
}

pub(crate) fn get_rpc_methods() -> String {
    envelope("3", "<cwmp:GetRPCMethods/>")
}

pub(crate) fn reboot_response(id: &str) -> String {
    envelope(id, "<cwmp:RebootResponse/>")
}

pub(crate) fn values_response(id: &str, value: &str) -> String {
    envelope(
        id,
        &format!(
            r#"<cwmp:GetParameterValuesResponse><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[1]"><ParameterValueStruct><Name>Device.X</Name><Value xsi:type="xsd:string">{value}</Value></ParameterValueStruct></ParameterList></cwmp:GetParameterValuesResponse>"#
        ),
    )
}

pub(crate) fn fault(id: &str, code: u32) -> String {
    envelope(
        id,
        &format!(
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault><FaultCode>{code}</FaultCode><FaultString>no</FaultString></cwmp:Fault></detail></soap-env:Fault>"
        ),
    )
}

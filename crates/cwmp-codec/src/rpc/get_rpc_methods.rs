use crate::arguments::{Arguments, invalid, texts};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// GetRPCMethodsResponse of a CPE (CWMP-222).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetRpcMethodsResponse {
    /// MethodList, unknown names included.
    pub methods: Vec<String>,
}

const METHOD_NAME_CHARS_MAX: usize = 64;

impl GetRpcMethodsResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut methods = Vec::new();
        let mut arguments = Arguments::new(&["MethodList"]);
        while let Some((_, element)) = arguments.next(r)? {
            methods.clear();
            texts(r, &element, |_, text| {
                methods.push(text.trim().to_owned());
                Ok(())
            })?;
        }
        if !arguments.has("MethodList") {
            return Err(invalid(r, "GetRPCMethodsResponse", "MethodList", "is missing"));
        }
        Ok(Self { methods })
    }
}

/// The response of either side (CWMP-221).
pub(crate) fn encode_methods(w: &mut Writer<'_>, methods: &[String]) -> Result<(), EncodeError> {
    if methods.is_empty() {
        return Err(EncodeError::Empty { field: "MethodList" });
    }
    w.open("cwmp:GetRPCMethodsResponse");
    w.open_array("MethodList", "xsd:string", methods.len());
    for method in methods {
        w.text("string", method, METHOD_NAME_CHARS_MAX)?;
    }
    w.close("MethodList");
    w.close("cwmp:GetRPCMethodsResponse");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, wrapped, write};
    use crate::{AcsRequest, AcsResponse, CpeRequest, CpeResponse, Limits, Message, decode_from_acs};

    const BODY: &str = "<cwmp:GetRPCMethodsResponse><MethodList enc:arrayType='xsd:string[2]'><string>Inform</string><string>X_VENDOR_Foo</string></MethodList></cwmp:GetRPCMethodsResponse>";

    fn methods() -> Vec<String> {
        vec!["Inform".to_owned(), "X_VENDOR_Foo".to_owned()]
    }

    #[test]
    fn cwmp_222_unknown_names_are_kept() {
        let response = GetRpcMethodsResponse { methods: methods() };
        assert_reads(BODY, &Message::CpeResponse(CpeResponse::GetRpcMethods(response)), &[]);
    }

    #[test]
    fn cwmp_221_the_sender_tells_the_two_directions_apart() {
        let from_acs = |body: &str| {
            decode_from_acs(wrapped(body).as_bytes(), None, &Limits::default()).expect("readable").envelope.message
        };
        assert_eq!(from_acs(BODY), Message::AcsResponse(AcsResponse::GetRpcMethods(methods())));
        assert_eq!(from_acs("<cwmp:GetRPCMethods/>"), Message::AcsRequest(AcsRequest::GetRpcMethods));
        assert_reads("<cwmp:GetRPCMethods></cwmp:GetRPCMethods>", &Message::CpeRequest(CpeRequest::GetRpcMethods), &[]);
    }

    #[test]
    fn cwmp_221_a_list_has_members_of_64_characters() {
        let list = |methods| write(Message::AcsResponse(AcsResponse::GetRpcMethods(methods)));
        assert_eq!(list(vec![]), Err(EncodeError::Empty { field: "MethodList" }));
        assert!(list(vec!["m".repeat(64)]).is_ok());
        assert!(list(vec!["m".repeat(65)]).is_err());
    }
}

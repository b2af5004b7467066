//! `Debug` of the messages that hold a secret in the clear on their way over mutual TLS (P26).

use std::fmt;

use crate::v1;

macro_rules! hidden {
    ($($message:ident { $($shown:ident),* })*) => {
        $(impl fmt::Debug for v1::$message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        })*
    };
}

hidden! {
    CpeCredential { username, connection_request_username }
    CpeVerifier { device }
    Download { command_key, file_type, file_size }
    DownloadUrl { username, file_size }
    GetParameterValuesResponse {}
    HandedSession { account }
    ParameterRecord { name, secret }
    SetParameterValues { parameter_key }
    SetValue { path }
    WakeRequest { device, username }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed_p26() {
        const SECRET: &str = "correct-horse";
        let text = || SECRET.to_owned();
        let bytes = || SECRET.as_bytes().to_vec();
        let value = || v1::ParameterValue { name: "Device.X".into(), r#type: 1, text: text() };
        let verifier = v1::CpeVerifier { password: bytes(), ..v1::CpeVerifier::default() };
        let download = v1::Download { password: text(), url: text(), ..v1::Download::default() };
        let wake = v1::WakeRequest { password: bytes(), ..v1::WakeRequest::default() };
        let set_value = v1::SetValue { sealed_text: bytes(), ..v1::SetValue::default() };
        let url = v1::DownloadUrl { sealed_password: bytes(), url: text(), ..v1::DownloadUrl::default() };
        let credential = v1::CpeCredential {
            sealed_password: bytes(),
            sealed_connection_request_password: bytes(),
            sealed_pending_connection_request_password: bytes(),
            ..v1::CpeCredential::default()
        };
        let parameter = v1::ParameterRecord { text: text(), sealed_text: bytes(), ..v1::ParameterRecord::default() };
        let set = v1::SetParameterValues { parameters: vec![value()], parameter_key: "k".into() };
        let got = v1::GetParameterValuesResponse { parameters: vec![value()] };
        let printed = format!(
            "{verifier:?} {download:?} {wake:?} {set_value:?} {url:?} {credential:?} {parameter:?} {set:?} {got:?}"
        );
        assert!(!printed.contains(SECRET) && !printed.contains(&format!("{:?}", SECRET.as_bytes())), "{printed}");
        assert!(printed.contains("parameter_key: \"k\""), "{printed}");
    }
}

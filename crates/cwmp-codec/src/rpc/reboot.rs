//! Reboot (TR-069 A.3.2.9). Its one argument is held by [`AcsRequest::Reboot`](crate::AcsRequest::Reboot).

use super::COMMAND_KEY_CHARS_MAX;
use crate::arguments::{Arguments, text};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// The CommandKey of the open Reboot.
pub(crate) fn decode_reboot(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let mut command_key = String::new();
    let mut arguments = Arguments::new(&["CommandKey"]);
    while let Some((argument, _)) = arguments.next(r)? {
        command_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?;
    }
    arguments.note_missing(r, &["CommandKey"]);
    Ok(command_key)
}

/// Writes a Reboot.
pub(crate) fn encode_reboot(w: &mut Writer<'_>, command_key: &str) -> Result<(), EncodeError> {
    w.open("cwmp:Reboot");
    w.text("CommandKey", command_key, COMMAND_KEY_CHARS_MAX)?;
    w.close("cwmp:Reboot");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, write};
    use crate::{AcsRequest, Message};

    fn reboot(command_key: &str) -> Message {
        Message::AcsRequest(AcsRequest::Reboot { command_key: command_key.to_owned() })
    }

    #[test]
    fn cwmp_247_command_key_of_32_characters() {
        let body = |key: &str| format!("<cwmp:Reboot><CommandKey>{key}</CommandKey></cwmp:Reboot>");
        let long = "k".repeat(33);
        assert_reads(&body("rb-17"), &reboot("rb-17"), &[]);
        assert_reads(&body(&long), &reboot(&long), &["text_too_long"]);
        assert_reads("<cwmp:Reboot/>", &reboot(""), &["argument_missing"]);
        assert!(write(reboot(&"k".repeat(32))).is_ok(), "CWMP-084");
        let error = write(reboot(&long)).expect_err("CWMP-084");
        assert_eq!(error, EncodeError::TooLong { field: "CommandKey", limit: 32, chars: 33 });
    }
}

use std::sync::LazyLock;

use super::{Catalogue, EntryKind, ItemType, Root};
use crate::{ParameterPath, ValueType};

/// Words that make a parameter a secret by its last name, in any case of letters (CWMP-533).
const SECRET_WORDS: [&str; 4] = ["password", "passphrase", "secret", "key"];

/// Last names with such a word that hold no secret: identifiers, algorithms, counts.
const OPEN_NAMES: [&str; 19] = [
    "parameterkey",
    "commandkey",
    "tlskeyexchangeprotocols",
    "tlsencryptionkeysizes",
    "tlsauthenticationkeysizes",
    "encryptionkeysizes",
    "encryptionkeylength",
    "srtpkeyingmethods",
    "srtpencryptionkeysizes",
    "keyingmethods",
    "mackeyalgorithm",
    "keyidentifier",
    "keyidentifiergenerationpolicy",
    "interfacemackeysets",
    "homenetworkpublickeyid",
    "wepkeyindex",
    "authenticationkeyfilelocation",
    "passworduserselectable",
    "passwordrequired",
];

/// The last names without such a word of the parameters that the catalogue calls secret: a handful, so that most names are
/// told without looking them up.
static SECRET_LEAVES: LazyLock<Vec<&str>> = LazyLock::new(secret_leaves);

/// Ends of such names that count or number something.
const OPEN_ENDS: [&str; 2] = ["numberofentries", "index"];

/// Whether the value of `path` has to be masked, encrypted at rest, and sent only to a device that proved who it is:
/// hidden or secured in the catalogue, or a last name with password, passphrase, secret or key in it (CWMP-533). A number,
/// boolean or dateTime of the catalogue is no secret by its name alone. An object has no value.
pub fn is_secret_name(path: &ParameterPath) -> bool {
    if path.is_object() {
        return false;
    }
    let leaf = path.leaf();
    let has_word = has_secret_word(leaf);
    if !has_word && !SECRET_LEAVES.contains(&leaf) {
        return false;
    }
    let leaf = leaf.to_ascii_lowercase();
    let is_open = OPEN_NAMES.contains(&leaf.as_str()) || OPEN_ENDS.iter().any(|end| leaf.ends_with(end));
    match Catalogue::find(path) {
        Some(entry) if entry.is_secret() => true,
        Some(entry) => has_word && !is_open && holds_text(entry.item_type()),
        None => has_word && !is_open,
    }
}

fn has_secret_word(leaf: &str) -> bool {
    let bytes = leaf.as_bytes();
    let begins_at = |at: usize, word: &str| {
        bytes.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    // Few letters begin one of the words.
    let starts = (0..bytes.len()).filter(|at| matches!(bytes[*at] | 0x20, b'p' | b's' | b'k'));
    starts.into_iter().any(|at| SECRET_WORDS.iter().any(|word| begins_at(at, word)))
}

fn secret_leaves() -> Vec<&'static str> {
    let entries = Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries());
    let mut leaves: Vec<&str> = entries
        .filter(|entry| entry.kind() == EntryKind::Parameter && entry.is_secret())
        .map(|entry| entry.leaf())
        .filter(|leaf| !has_secret_word(leaf))
        .collect();
    leaves.sort_unstable();
    leaves.dedup();
    leaves
}

const fn holds_text(item_type: Option<ItemType>) -> bool {
    matches!(item_type, Some(ItemType::Basic(ValueType::String | ValueType::Base64 | ValueType::HexBinary)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::Root;
    use super::*;

    fn is_secret(text: &str) -> bool {
        is_secret_name(&ParameterPath::new(text).unwrap())
    }

    #[test]
    fn no_secret_of_the_catalogue_is_missed_cwmp_533() {
        for entry in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()) {
            if entry.kind() == EntryKind::Parameter && entry.is_secret() {
                let path = entry.path().replace("{i}", "1");
                assert!(is_secret(&path), "{path}");
            }
        }
    }

    #[test]
    fn secrets_are_known_by_model_or_name_cwmp_533() {
        for name in [
            "Device.ManagementServer.Password",
            "Device.ManagementServer.ConnectionRequestPassword",
            "Device.WiFi.AccessPoint.1.Security.KeyPassphrase",
            "Device.WiFi.AccessPoint.1.Security.PreSharedKey",
            "Device.WiFi.AccessPoint.1.WPS.PIN",
            "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.WEPKey.2.WEPKey",
            "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.X_ACME_WPAKey",
            "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password",
            "InternetGatewayDevice.Services.VoiceService.1.VoiceProfile.1.Line.1.SIP.AuthPassword",
            "Device.X_ACME.adminPASSWORD",
            "Device.X_ACME.ClientSecret",
            "Device.X_ACME.WEPKey1",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn other_names_stay_open_cwmp_533() {
        for name in [
            "Device.ManagementServer.ParameterKey",
            "Device.X_ACME.CommandKey",
            "Device.ManagementServer.Username",
            "Device.DeviceInfo.SerialNumber",
            "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.WEPKeyIndex",
            "InternetGatewayDevice.QueueManagement.Classification.1.ClassificationKey",
            "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.WEPKey.",
            "Device.X_ACME.KeyNumberOfEntries",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn the_secrets_without_a_telling_word_are_few() {
        assert!(SECRET_LEAVES.len() < 24, "each name is compared with all of them: {SECRET_LEAVES:?}");
    }

    #[test]
    fn the_names_that_the_word_alone_makes_secret() {
        let mut names: Vec<&str> = Vec::new();
        for entry in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()) {
            if !entry.is_secret() && is_secret(&entry.path()) {
                names.push(entry.leaf());
            }
        }
        names.sort_unstable();
        names.dedup();
        expect!["ExamplePassword Key NetworkKey Password PasswordHash SMTPPassword"].assert_eq(&names.join(" "));
    }
}

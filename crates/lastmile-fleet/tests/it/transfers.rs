use cwmp_codec::{AcsRequest, Download};
use data_encoding::HEXLOWER;
use lastmile_fleet::ledger::Fact;
use sha2::{Digest as _, Sha256};

use crate::acs::Acs;
use crate::{SOON, events, one_device};

#[tokio::test]
async fn firmware_is_fetched_installed_and_reported_cwmp_338() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let image = [b"LASTMILE-FIRMWARE 2.0.0\n".as_slice(), &[7; 200_000]].concat();
    let call = acs.download("fw.bin", &image, "dl-1");
    acs.give(&device.identity().serial_number, AcsRequest::Download(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert!(device.wait_idle(SOON).await);
    assert_eq!(events(&acs)[2], ["1 BOOT", "7 TRANSFER COMPLETE", "M Download"]);
    let version = device.path("DeviceInfo.SoftwareVersion");
    let inform = acs.state().informs[2].clone();
    assert!(inform.parameters.iter().any(|p| p.name == version && p.value.text == "2.0.0"));
    let transfers = acs.state().transfers.clone();
    assert_eq!((transfers.len(), transfers[0].command_key.as_str(), transfers[0].fault.code), (1, "dl-1", 0));
    let account = fleet.ledger().account();
    assert_eq!(account.transfers.len(), 1);
    assert!(account.transfers[0].answered && account.transfers[0].key == "dl-1");
    assert_eq!(ended(&fleet), (0, image.len() as u64, HEXLOWER.encode(&Sha256::digest(&image)), 1));
    // New firmware outlives a factory reset.
    device.factory_reset();
    assert!(device.wait_completed(4, SOON).await);
    assert_eq!(device.value(&version).as_deref(), Some("2.0.0"));
}

#[tokio::test]
async fn a_cut_transfer_goes_on_where_it_stopped() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let image: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut call = acs.download("config", &image, "dl-2");
    call.file_type = "2 Web Content".to_owned();
    acs.state().cuts.extend([10_000, 50_000]);
    acs.give(&device.identity().serial_number, AcsRequest::Download(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert_eq!(acs.state().transfers[0].fault.code, 0);
    let ranges = acs.state().ranges.clone();
    assert_eq!(ranges.len(), 3);
    assert!(ranges[0].is_empty() && ranges[1].starts_with("bytes=") && ranges[2].starts_with("bytes="), "{ranges:?}");
    assert_eq!(ended(&fleet), (0, image.len() as u64, HEXLOWER.encode(&Sha256::digest(&image)), 3));
}

#[tokio::test]
async fn a_configuration_file_sets_values() {
    let acs = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    let code = device.path("DeviceInfo.ProvisioningCode");
    let mut call = acs.download("config", format!("{}=green\n", code.as_str()).as_bytes(), "dl-3");
    call.file_type = "3 Vendor Configuration File".to_owned();
    acs.give(&device.identity().serial_number, AcsRequest::Download(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert_eq!(device.value(&code).as_deref(), Some("green"));
}

#[tokio::test]
async fn transfers_that_fail_say_why_cwmp_339() {
    let acs = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    let missing = Download { url: acs.url.replace("/cwmp", "/none"), ..acs.download("x", b"abc", "gone") };
    let wrong_size = Download { file_size: 4, ..acs.download("x", b"abc", "size") };
    let no_server = Download { url: "http://127.0.0.1:1/x".to_owned(), ..acs.download("x", b"abc", "server") };
    for call in [missing, wrong_size, no_server] {
        acs.give(&device.identity().serial_number, AcsRequest::Download(call));
    }
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await);
    assert!(device.wait_idle(SOON).await);
    let mut ends: Vec<(String, u32)> =
        acs.state().transfers.iter().map(|t| (t.command_key.clone(), t.fault.code)).collect();
    ends.sort();
    // A TR-098 device of CWMP 1.0 knows only 9010.
    assert_eq!(ends, [("gone".to_owned(), 9010), ("server".to_owned(), 9010), ("size".to_owned(), 9010)]);
    assert_eq!(device.value(&device.path("DeviceInfo.SoftwareVersion")).as_deref(), Some("1.0.0"));
}

/// Fault, bytes, SHA-256 and requests of the last transfer.
fn ended(fleet: &lastmile_fleet::Fleet) -> (u32, u64, String, u32) {
    let ended = |fact| match fact {
        Fact::DownloadEnded { fault, bytes, sha256, requests, .. } => Some((fault, bytes, sha256, requests)),
        _ => None,
    };
    fleet.ledger().lines().into_iter().rev().find_map(|line| ended(line.fact)).unwrap()
}

//! Opening: who may, what stands in the way, and how long it takes.

use std::fs;
use std::time::{Duration, Instant};

use acs_store::contract::sample::{device, first_patch, object, stamp};
use acs_store::{Devices, Objects, ObjectsPatch};
use acs_store_embedded::OpenError;

use super::ledger;

#[test]
fn a_second_process_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = ledger::open(folder.path()).unwrap();
    let error = ledger::open(folder.path()).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    let clone = store.clone();
    drop(store);
    assert!(ledger::open(folder.path()).is_err(), "a clone still has it");
    drop(clone);
    ledger::open(folder.path()).expect("free again");
}

#[test]
fn another_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(ledger::open(folder.path()).unwrap());
    fs::write(folder.path().join("format"), "lastmile-embedded 2\n").unwrap();
    let error = ledger::open(folder.path()).expect_err("a newer format");
    assert!(matches!(&error, OpenError::Format { found, .. } if found == "lastmile-embedded 2"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), "lastmile-embedded 2\n");
}

#[test]
fn p20_a_first_start_cut_short_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    // Killed while the engine was made: files without the mark that they are complete.
    let half_made = folder.path().join("engine.new");
    fs::create_dir_all(&half_made).unwrap();
    fs::write(half_made.join("0.jnl"), [0; 16]).unwrap();
    fs::write(folder.path().join("format"), "").unwrap();
    ledger::open(folder.path()).expect("begun anew");
    assert!(!half_made.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ledger::open(&file.join("data")).expect_err("a file is in the way");
    assert!(error.to_string().contains("file/data"), "{error}");
}

/// 10,000 devices with 60 objects of 8 parameters each: 600,000 rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes in a debug build; run it with --release"]
async fn restart_with_ten_thousand_devices_takes_at_most_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let options = acs_store_embedded::Options {
        disk_reserve_bytes: 0,
        ..acs_store_embedded::Options::new(std::sync::Arc::new(acs_proto::records::Unsealed))
    };
    let store = acs_store_embedded::Embedded::open(folder.path(), options.clone()).unwrap();
    let began = Instant::now();
    for chunk in 0..100 {
        let writes = (0..100).map(|i| {
            let (store, n) = (&store, chunk * 100 + i);
            async move {
                store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
                let upsert = (0..60).map(|o| {
                    let path = format!("InternetGatewayDevice.LANDevice.1.Hosts.Host.{o}.");
                    let values = ["IPAddress", "MACAddress", "HostName", "Active", "InterfaceType", "A", "B", "C"];
                    object(&path, &values.map(|name| (name, "192.168.100.100")), true)
                });
                let patch = ObjectsPatch { stamp: stamp(10), upsert: upsert.collect(), ..ObjectsPatch::default() };
                store.patch_objects(&device(n), patch).await.unwrap();
            }
        });
        futures::future::join_all(writes).await;
    }
    println!("filled in {:?}", began.elapsed());
    // As after a kill: nothing is flushed by closing. A second handle cannot be opened meanwhile, so the folder is copied.
    let copied = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .args(["-a", "--sparse=always"])
        .arg(folder.path().join("."))
        .arg(copied.path())
        .status();
    assert!(status.unwrap().success());
    drop(store);
    let size = std::process::Command::new("du").arg("-sh").arg(copied.path()).output().unwrap();
    println!("size {}", String::from_utf8_lossy(&size.stdout));
    for (what, path) in [("killed", copied.path()), ("closed", folder.path())] {
        let began = Instant::now();
        let store = acs_store_embedded::Embedded::open(path, options.clone()).unwrap();
        let opened = began.elapsed();
        println!("{what}: open after {opened:?}");
        assert_eq!(store.count_devices().await.unwrap(), 10_000);
        assert!(opened < Duration::from_secs(5), "{what}: {opened:?}");
    }
}

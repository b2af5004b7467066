//! A data folder that is full: nothing is promised any more, nothing is lost, and it goes on by itself (P11).

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cpe::Cpe;
use crate::support::judge::text;
use crate::support::{Options, SOON, Server, until};

/// A small file system of its own; gone with the value.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not permitted.
    fn mount(mib: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={mib}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "lastmile-test"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut ballast = File::create(self.path().join("ballast")).expect("the disk takes a file");
        let block = vec![0; 64 << 10];
        while ballast.write_all(&block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).expect("the ballast goes");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_loses_nothing_and_recovers_p11() {
    let Some(disk) = SmallDisk::mount(160) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the test has to mount a small file system");
        eprintln!("not run: mounting a small file system is not permitted here");
        return;
    };
    let mut options = Options::default().flag("first-contact", "none").set("data.disk_reserve_mib", "16");
    // A write that was under way when the room went fails, and the store opens itself anew.
    options = options.expect_error("No space left on device");
    options.data = Some(disk.path().join("data"));
    let server = Server::start_with(options).await;
    let api = server.api();
    let mut cpe = Cpe::new(&server.acs_url(), "FULL");
    cpe.inform(&[("1 BOOT", "")]).await;
    assert_eq!(cpe.empty_post().await.status, 204);
    let id = cpe.id();
    until("the device is known", SOON, || async { (api.list("/devices").await.len() == 1).then_some(()) }).await;
    let task = json!({"kind": "reboot", "wanted": "next_session"});
    let before = api.create(&id, &task, Some("before")).await.expect(202);

    disk.fill();
    let refused = until("a task is refused", SOON, || async {
        let reply = api.create(&id, &task, None).await;
        (reply.status >= 500).then_some(reply)
    })
    .await;
    let problem = refused.problem(503);
    assert!(text(&problem, "detail").len() > 10, "it says what happened: {problem:#}");
    let inform = cwmp_codec::encode(&cpe.inform_message(&[("2 PERIODIC", "")], 0)).unwrap();
    let answer = cpe.post(&inform).await;
    assert_eq!(answer.status, 503, "never a receipt that is not durable: {answer:?}");
    assert!(answer.retry_after.is_some(), "{answer:?}");
    until("what is there can be looked at", SOON, || async {
        let reply = api.get(&format!("/tasks/{}", text(&before, "id"))).await;
        (reply.status == 200).then(|| assert_eq!(reply.body["state"], "queued"))
    })
    .await;
    until("it says that it is not ready", SOON, || async { (!api.is_ready().await).then_some(()) }).await;

    disk.make_room();
    until("it is ready again by itself", SOON, || async { api.is_ready().await.then_some(()) }).await;
    let after = until("tasks are taken again", SOON, || async {
        let reply = api.create(&id, &task, Some("after")).await;
        (reply.status == 202).then_some(reply.body)
    })
    .await;
    cpe.inform(&[("2 PERIODIC", "")]).await;
    let request = cpe.empty_post().await;
    assert_eq!(request.request().method(), "Reboot", "the task of before is done first");
    let known: Vec<Value> = api.list(&format!("/devices/{id}/tasks")).await;
    for kept in [&before, &after] {
        assert!(known.iter().any(|task| task["id"] == kept["id"]), "P1: {kept} is lost");
    }
    // Two Informs were answered, and exactly those are in the log; the refused one may be, it was received.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let informs = api.events().await.into_iter().filter(|event| event["type"] == "acs.inform.v1").count();
    assert!((2..=3).contains(&informs), "P7: {informs}");
    server.finish();
}

use std::path::Path;

use cwmp_codec::{AcsRequest, AddObject, SetParameterValues};
use cwmp_model::{ParameterValue, Value};
use lastmile_fleet::{Fleet, FleetConfig, StartError};

use crate::acs::Acs;
use crate::{SOON, config, events};

async fn start(acs: &Acs, folder: &Path, seed: u64) -> Result<Fleet, StartError> {
    Fleet::start(FleetConfig { state: Some(folder.to_owned()), seed, ..config(acs) }).await
}

#[tokio::test]
async fn a_restarted_fleet_is_the_same_devices() {
    let folder = tempfile::tempdir().unwrap();
    let acs = Acs::start().await;
    let fleet = start(&acs, folder.path(), 1).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await);
    let serial = device.identity().serial_number;
    let code = device.path("DeviceInfo.ProvisioningCode");
    let table = device.path("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.");
    let parameters = vec![ParameterValue { name: code.clone(), value: Value::string("blue") }];
    acs.give(&serial, AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key: "k".into() }));
    acs.give(&serial, AcsRequest::AddObject(AddObject { object: table.clone(), parameter_key: "k2".into() }));
    let image = acs.download("fw", b"LASTMILE-FIRMWARE 3\n", "d");
    acs.give(&serial, AcsRequest::Download(image));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert!(device.wait_idle(SOON).await);
    fleet.shutdown(SOON).await;

    let fleet = start(&acs, folder.path(), 1).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await);
    assert_eq!(device.identity().serial_number, serial);
    assert_eq!(events(&acs).last().unwrap(), &["1 BOOT"], "no bootstrap: it knows its ACS");
    assert_eq!(device.value(&code).as_deref(), Some("blue"));
    assert_eq!(device.value(&device.path("ManagementServer.ParameterKey")).as_deref(), Some("k2"));
    assert_eq!(device.instances(&table), [1, 2]);
    let url = device.value(&device.path("ManagementServer.ConnectionRequestURL")).unwrap();
    assert!(url.contains(&fleet.listen_address().to_string()), "{url}");
    device.factory_reset();
    assert!(device.wait_completed(2, SOON).await);
    assert_eq!(device.value(&device.path("DeviceInfo.SoftwareVersion")).as_deref(), Some("3"));
    assert_eq!(device.value(&code).as_deref(), Some(""));
    drop(fleet);

    let other = start(&acs, folder.path(), 2).await;
    assert!(matches!(other, Err(StartError::State(_))), "devices of another seed are other devices");
}

#[tokio::test]
async fn a_new_acs_url_makes_a_first_contact() {
    let (old, new) = (Acs::start().await, Acs::start().await);
    let (_fleet, device) = crate::one_device(&old).await;
    let name = device.path("ManagementServer.URL");
    let parameters = vec![ParameterValue { name, value: Value::string(new.url.as_str()) }];
    let call = SetParameterValues { parameters, parameter_key: String::new() };
    old.give(&device.identity().serial_number, AcsRequest::SetParameterValues(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert_eq!(events(&new), [["0 BOOTSTRAP"]]);
}

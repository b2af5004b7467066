use acs_events::AppendError;
use acs_proto::{ErrorClass, ServiceError};
use acs_types::{DeviceId, TaskId};

pub(crate) fn store(error: acs_store::Error) -> ServiceError {
    let class = match &error {
        acs_store::Error::Unavailable(_) | acs_store::Error::NoSpace(_) => ErrorClass::Unavailable,
        _ => ErrorClass::Internal,
    };
    ServiceError::new(class, "store", error.to_string())
}

pub(crate) fn log(error: AppendError) -> ServiceError {
    ServiceError::new(ErrorClass::Unavailable, "event_log", error.to_string())
}

pub(crate) fn no_device(device: &DeviceId) -> ServiceError {
    let text = format!("device {device} is not known; it has to send an Inform first");
    ServiceError::new(ErrorClass::NotFound, "device_not_found", text)
}

pub(crate) fn no_task(task: &TaskId) -> ServiceError {
    ServiceError::new(ErrorClass::NotFound, "task_not_found", format!("task {task} is not known"))
}

/// Too many writers at once on one device.
pub(crate) fn contended(device: &DeviceId) -> ServiceError {
    let text = format!("the tasks of device {device} change too fast, try again");
    ServiceError::new(ErrorClass::Unavailable, "contended", text)
}

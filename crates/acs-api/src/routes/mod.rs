//! The routes, a file per resource. Each handler is thin: it reads parameters, asks a service, and answers with a DTO.
//! Paths are for ever.

mod audit;
mod catalogue;
mod devices;
mod events;
mod faults;
mod files;
pub(crate) mod health;
mod meta;
mod parameters;
mod path;
mod refused_informs;
mod sessions;
mod tasks;
mod tokens;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Api;

/// What all paths of the API begin with.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every route with its entry in the OpenAPI document.
pub(crate) fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(devices::list_devices))
        .routes(routes!(devices::get_device, devices::change_device, devices::delete_device))
        .routes(routes!(devices::wake_device))
        .routes(routes!(parameters::list_parameters))
        .routes(routes!(parameters::get_tree))
        .routes(routes!(tasks::list_device_tasks, tasks::create_task))
        .routes(routes!(tasks::get_device_task))
        .routes(routes!(tasks::cancel_device_task))
        .routes(routes!(tasks::retry_device_task))
        .routes(routes!(tasks::list_tasks))
        .routes(routes!(tasks::get_task))
        .routes(routes!(tasks::cancel_task))
        .routes(routes!(tasks::retry_task))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::get_session))
        .routes(routes!(faults::list_device_faults))
        .routes(routes!(faults::list_faults))
        .routes(routes!(files::list_files, files::upload_file))
        .routes(routes!(files::get_file, files::delete_file))
        .routes(routes!(refused_informs::list_refused_informs))
        .routes(routes!(events::stream_events))
        .routes(routes!(audit::list_audit))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::delete_token))
        .routes(routes!(catalogue::complete_name))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(meta::version))
        .routes(routes!(meta::openapi))
        .routes(routes!(meta::metrics))
}

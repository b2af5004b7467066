//! What a device is asked to do: reading and writing parameters, objects, files, restarts. Each is a task.

use acs_types::Secret;
use serde_json::{Value, json};

use super::client::{ListOptions, Page, Query};
use super::exit::Failure;
use super::names::{self, Assignment, TypedName};
use super::output::{Column, text, time, value};
use super::waiting::{self, TaskOptions, WAIT, WAIT_LONG};
use super::{Ctl, duration, files, resolve, task_text};

/// `get`
#[derive(Debug, clap::Args)]
pub(super) struct GetArgs {
    /// The device.
    device: String,
    /// Parameters, or objects with their final dot.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Shows what was last read, without asking the device.
    #[arg(long, conflicts_with_all = ["wait", "no_wait", "next_session", "expires", "key"])]
    cached: bool,
    #[command(flatten)]
    task: TaskOptions,
}

/// `set`
#[derive(Debug, clap::Args)]
pub(super) struct SetArgs {
    /// The device.
    device: String,
    /// Parameters with their new values; all are set or none.
    #[arg(required = true, value_name = "NAME=VALUE")]
    values: Vec<Assignment>,
    /// The type to send for a parameter; without it the device's last report decides, then the data model.
    #[arg(long = "type", value_name = "NAME=TYPE")]
    types: Vec<TypedName>,
    #[command(flatten)]
    task: TaskOptions,
}

/// `refresh`
#[derive(Debug, clap::Args)]
pub(super) struct RefreshArgs {
    /// The device.
    device: String,
    /// The object to read; without it the whole tree.
    path: Option<String>,
    #[command(flatten)]
    task: TaskOptions,
}

/// `names`
#[derive(Debug, clap::Args)]
pub(super) struct NamesArgs {
    /// The device.
    device: String,
    /// Where to begin; without it the whole tree.
    path: Option<String>,
    /// Only the direct children.
    #[arg(long)]
    next_level: bool,
    #[command(flatten)]
    task: TaskOptions,
}

/// `tree`
#[derive(Debug, clap::Args)]
pub(super) struct TreeArgs {
    /// The device.
    device: String,
    /// The object; without it the whole tree.
    path: Option<String>,
    /// How many objects below each other are shown.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u8).range(0..=64))]
    depth: u8,
}

/// `add`
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The device.
    device: String,
    /// The table.
    table: String,
    /// Values of the new instance, by their name below it.
    #[arg(value_name = "NAME=VALUE")]
    values: Vec<Assignment>,
    /// The type to send for a value.
    #[arg(long = "type", value_name = "NAME=TYPE")]
    types: Vec<TypedName>,
    #[command(flatten)]
    task: TaskOptions,
}

/// `delete`
#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// The device.
    device: String,
    /// The instance, such as WiFi.SSID.2.
    object: String,
    #[command(flatten)]
    task: TaskOptions,
}

/// `download`
#[derive(Debug, clap::Args)]
pub(super) struct DownloadArgs {
    /// The device.
    device: String,
    /// A file of this server, by its id or name.
    #[arg(required_unless_present = "url", conflicts_with = "url")]
    file: Option<String>,
    /// A file of another server: http, https or ftp.
    #[arg(long, requires = "file_type")]
    url: Option<String>,
    /// What it is: firmware, web, config, tone, ringer, stored-firmware, or a FileType of Download.
    #[arg(long = "type", value_name = "TYPE")]
    file_type: Option<String>,
    /// The user name for --url.
    #[arg(long, requires = "url")]
    username: Option<String>,
    /// The password for --url.
    #[arg(
        long,
        requires = "url",
        env = "LASTMILE_DOWNLOAD_PASSWORD",
        hide_env_values = true,
        value_parser = super::client::secret
    )]
    password: Option<Secret>,
    /// Bytes of the file at --url.
    #[arg(long, requires = "url", value_name = "BYTES")]
    size: Option<u32>,
    /// The file's name on the device.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// How long the device waits before it begins.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    delay: Option<std::time::Duration>,
    #[command(flatten)]
    task: TaskOptions,
}

/// `reboot`
#[derive(Debug, clap::Args)]
pub(super) struct RebootArgs {
    /// The device.
    device: String,
    #[command(flatten)]
    task: TaskOptions,
}

/// `factory-reset`
#[derive(Debug, clap::Args)]
pub(super) struct FactoryResetArgs {
    /// The device.
    device: String,
    /// Yes, its settings are to be lost.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    task: TaskOptions,
}

/// A device as it is needed to ask it for something.
struct Target {
    id: String,
    /// The root object; empty: not known yet.
    root: String,
}

impl Target {
    async fn find(ctl: &Ctl, device: &str) -> Result<Self, Failure> {
        let device = resolve::device(&ctl.client, device).await?;
        let root = device["root"].as_str().unwrap_or_default().to_owned();
        Ok(Self { id: text(&device, "id"), root })
    }

    fn name(&self, name: &str) -> Result<String, Failure> {
        names::complete_root(&self.root, name)
    }

    /// The object, or the whole tree.
    fn object_or_all(&self, name: Option<&str>) -> Result<String, Failure> {
        name.map_or(Ok(String::new()), |name| names::complete_object(&self.root, name))
    }
}

const VALUES: [Column; 3] = [
    Column::new("NAME", |value| text(value, "path")),
    Column::wrapping("VALUE", value),
    Column::new("TYPE", |value| text(value, "type")),
];

const STORED: [Column; 4] = [
    Column::new("NAME", |value| text(value, "path")),
    Column::wrapping("VALUE", value),
    Column::new("TYPE", |value| text(value, "type")),
    Column::new("READ", |value| time(value, "value_at")),
];

/// Reads values, or shows those last read.
pub(super) async fn get(ctl: &Ctl, args: GetArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let mut paths = Vec::with_capacity(args.paths.len());
    for path in &args.paths {
        paths.push(target.name(path)?);
    }
    if args.cached {
        return ctl.out.list(&stored(ctl, &target, &paths).await?, &STORED);
    }
    let body = json!({"kind": "get_values", "paths": paths});
    let Some(mut task) = waiting::run(ctl, &target.id, body, &args.task, WAIT).await? else { return Ok(()) };
    if task_text::has_more_values(&task) {
        return ctl.out.list(&stored(ctl, &target, &paths).await?, &STORED);
    }
    let Value::Array(items) = task["result"]["values"].take() else { return ctl.out.text(&task_text::done(&task)) };
    ctl.out.list(&Page { items, next: None }, &VALUES)
}

/// What is stored of these paths.
async fn stored(ctl: &Ctl, target: &Target, paths: &[String]) -> Result<Page, Failure> {
    let mut all = Page { items: Vec::new(), next: None };
    for path in paths {
        let query = vec![("path", path.clone())];
        let found = ctl.client.list(&["devices", &target.id, "parameters"], &query, &ListOptions::all()).await?;
        if found.items.is_empty() {
            let why = format!("nothing of `{path}` has been read from {} yet", target.id);
            return Err(Failure::NotFound(format!("{why}; without --cached the device is asked")));
        }
        all.items.extend(found.items);
    }
    Ok(all)
}

/// Sets values.
pub(super) async fn set(ctl: &Ctl, args: SetArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let values = names::set_values(&args.values, &args.types, |name| target.name(name))?;
    let body = json!({"kind": "set_values", "values": values});
    waiting::run_and_tell(ctl, &target.id, body, &args.task, WAIT).await
}

/// Reads names and values of an object.
pub(super) async fn refresh(ctl: &Ctl, args: RefreshArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let body = json!({"kind": "refresh", "path": target.object_or_all(args.path.as_deref())?});
    waiting::run_and_tell(ctl, &target.id, body, &args.task, WAIT).await
}

/// Reads names and shows them.
pub(super) async fn names(ctl: &Ctl, args: NamesArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let path = args.path.as_deref().map_or(Ok(String::new()), |path| target.name(path))?;
    let body = json!({"kind": "get_names", "path": path, "next_level": args.next_level});
    let Some(task) = waiting::run(ctl, &target.id, body, &args.task, WAIT).await? else { return Ok(()) };
    if !path.is_empty() && !path.ends_with('.') {
        return ctl.out.text(&task_text::done(&task));
    }
    let depth = if args.next_level { 1 } else { 64 };
    let mut rows = Vec::new();
    add_names(&tree_of(ctl, &target, &path, depth).await?, depth, &mut rows);
    ctl.out.rows(&[("NAME", false), ("WRITABLE", false)], rows)
}

/// The names below a node: objects `depth` deep, and the parameters of all but the deepest.
fn add_names(node: &Value, depth: u8, rows: &mut Vec<Vec<String>>) {
    let parameters = node["parameters"].as_array().into_iter().flatten();
    rows.extend(parameters.map(|parameter| vec![text(parameter, "path"), text(parameter, "writable")]));
    for object in node["objects"].as_array().into_iter().flatten() {
        rows.push(vec![text(object, "path"), text(object, "writable")]);
        if depth > 1 {
            add_names(object, depth - 1, rows);
        }
    }
}

/// Shows the tree as last read.
pub(super) async fn tree(ctl: &Ctl, args: TreeArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let path = target.object_or_all(args.path.as_deref())?;
    let tree = tree_of(ctl, &target, &path, args.depth).await?;
    if ctl.out.is_json() {
        return ctl.out.json(&tree);
    }
    let mut lines = Vec::new();
    draw(&tree, 0, &mut lines);
    if lines.is_empty() {
        let why = format!("nothing has been read from {} yet", target.id);
        return Err(Failure::NotFound(format!("{why}; `lastmile ctl refresh {}` reads it", target.id)));
    }
    ctl.out.text(&lines.join("\n"))
}

async fn tree_of(ctl: &Ctl, target: &Target, path: &str, depth: u8) -> Result<Value, Failure> {
    let query: Query = vec![("path", path.to_owned()), ("depth", depth.to_string())];
    ctl.client.get(&["devices", &target.id, "tree"], &query).await
}

/// One line per object and parameter, each below its object.
fn draw(node: &Value, level: usize, lines: &mut Vec<String>) {
    let is_model = node["path"] == "";
    let inner = if is_model { level } else { level + 1 };
    let objects = node["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !is_model {
        let hidden = node["objects_below"].as_u64().unwrap_or(0).saturating_sub(objects.len() as u64);
        let hidden = if hidden > 0 { format!("  (objects not shown: {hidden})") } else { String::new() };
        lines.push(format!("{:level$}{}.{hidden}", "", text(node, "name"), level = level * 2));
    }
    for parameter in node["parameters"].as_array().into_iter().flatten() {
        lines.push(format!("{:level$}{} = {}", "", text(parameter, "name"), value(parameter), level = inner * 2));
    }
    for object in objects {
        draw(object, inner, lines);
    }
}

/// Adds an instance.
pub(super) async fn add(ctl: &Ctl, args: AddArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let object = names::complete_object(&target.root, &args.table)?;
    let values = names::set_values(&args.values, &args.types, |name| Ok(name.to_owned()))?;
    let body = json!({"kind": "add_object", "object": object, "values": values});
    waiting::run_and_tell(ctl, &target.id, body, &args.task, WAIT).await
}

/// Deletes an instance.
pub(super) async fn delete(ctl: &Ctl, args: DeleteArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let body = json!({"kind": "delete_object", "object": names::complete_object(&target.root, &args.object)?});
    waiting::run_and_tell(ctl, &target.id, body, &args.task, WAIT).await
}

/// Has the device fetch a file.
pub(super) async fn download(ctl: &Ctl, args: DownloadArgs) -> Result<(), Failure> {
    let target = Target::find(ctl, &args.device).await?;
    let mut body = json!({"kind": "download"});
    match (&args.file, args.url) {
        (Some(file), _) => body["file_id"] = json!(files::find(ctl, file).await?),
        (None, url) => body["url"] = json!(url),
    }
    let password = args.password.filter(|_| body["url"].is_string());
    for (field, value) in [
        ("file_type", args.file_type.map(Value::from)),
        ("username", args.username.map(Value::from)),
        ("password", password.map(|password| Value::from(password.reveal()))),
        ("file_size", args.size.map(Value::from)),
        ("target_file_name", args.target.map(Value::from)),
        ("delay_seconds", args.delay.map(|delay| Value::from(delay.as_secs()))),
    ] {
        if let Some(value) = value {
            body[field] = value;
        }
    }
    waiting::run_and_tell(ctl, &target.id, body, &args.task, WAIT_LONG).await
}

/// Restarts the device.
pub(super) async fn reboot(ctl: &Ctl, args: RebootArgs) -> Result<(), Failure> {
    let device = resolve::device_id(&ctl.client, &args.device).await?;
    waiting::run_and_tell(ctl, &device, json!({"kind": "reboot"}), &args.task, WAIT_LONG).await
}

/// Resets the device to factory settings.
pub(super) async fn factory_reset(ctl: &Ctl, args: FactoryResetArgs) -> Result<(), Failure> {
    let device = resolve::device_id(&ctl.client, &args.device).await?;
    if !args.yes {
        return Err(Failure::Usage(format!("a factory reset of {device} loses its settings; add --yes")));
    }
    waiting::run_and_tell(ctl, &device, json!({"kind": "factory_reset"}), &args.task, WAIT_LONG).await
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn node(path: &str, parameters: Value, objects: Value, objects_below: u64) -> Value {
        let name = path.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        json!({"path": path, "name": name, "writable": true, "parameters": parameters, "objects": objects,
            "objects_below": objects_below})
    }

    fn sample() -> Value {
        let parameter = |path: &str, name: &str, value: Value, secret: bool| json!({"path": path, "name": name, "value": value, "secret": secret, "writable": false});
        let row = node(
            "Device.WiFi.SSID.1.",
            json!([
                parameter("Device.WiFi.SSID.1.SSID", "SSID", json!("home"), false),
                parameter("Device.WiFi.SSID.1.X_Key", "X_Key", json!(null), true)
            ]),
            json!([]),
            0,
        );
        let table = node("Device.WiFi.SSID.", json!([]), json!([row]), 1);
        let wifi = node("Device.WiFi.", json!([]), json!([table]), 3);
        node("", json!([]), json!([node("Device.", json!([]), json!([wifi]), 1)]), 1)
    }

    #[test]
    fn trees_are_drawn_without_secrets() {
        // P26
        let mut lines = Vec::new();
        draw(&sample(), 0, &mut lines);
        expect![[r#"
            Device.
              WiFi.  (objects not shown: 2)
                SSID.
                  1.
                    SSID = home
                    X_Key = (secret)"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn names_are_listed_as_deep_as_they_were_read() {
        let names = |depth| {
            let mut rows = Vec::new();
            add_names(&sample(), depth, &mut rows);
            rows.into_iter().map(|row| row.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["Device. yes"]);
        let all = names(64);
        assert_eq!(all.len(), 6);
        assert_eq!(all[4], "Device.WiFi.SSID.1.SSID no");
    }
}

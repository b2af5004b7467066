//! What the figures were measured on, and the little arithmetic they need.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

/// The machine as it was when the measurement began.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    load: String,
    kernel: String,
    fdatasync_micros: f64,
}

impl Machine {
    /// Looks at the machine, and at the disk that `folder` is on.
    pub(crate) fn look(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease"),
            fdatasync_micros: fdatasync_micros(folder),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let Self { cpu, cores, load, kernel, fdatasync_micros } = self;
        json!({"cpu": cpu, "cores": cores, "load_before": load, "kernel": kernel, "fdatasync_micros": fdatasync_micros})
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, load, kernel, fdatasync_micros } = self;
        write!(
            f,
            "{cpu}, {cores} cores, Linux {kernel}, load before {load}, fdatasync {fdatasync_micros:.0} us (median)"
        )
    }
}

/// What making 4 KiB at the end of a file durable takes: the median.
fn fdatasync_micros(folder: &Path) -> f64 {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path).expect("a file");
    let once = |_| {
        let began = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
        began.elapsed().as_secs_f64() * 1e6
    };
    let median = median((0..300).map(once));
    let _ = fs::remove_file(path);
    median
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The smallest value that at least this share of all does not exceed.
pub(crate) fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share).ceil() as usize;
    values[place.clamp(1, values.len()) - 1]
}

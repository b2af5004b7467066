//! What an idle periodic session costs the processes of the cluster in CPU, by role: haproxy, brokers and database excluded.
//!
//! The figure falls as the rate rises: at some tens of sessions a second most of it is threads that wake up for one message,
//! and what processes do without any session is a part of it, too. The rate belongs to the figure.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::{CPE_LOGIN, CPES, Cluster, ROLES};
use crate::services::server;

/// Known devices of the load, all with their first contact behind them before anything is counted.
const DEVICES: u32 = 200;
/// Reports of the load, one a second, before the first one that counts.
const SETTLING: usize = 2;
/// Milliseconds of one tick of `/proc/PID/stat`.
const TICK: u64 = 10;

#[derive(Args)]
pub(crate) struct Load {
    /// Sessions per second that are offered, one rate after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [50, 100, 200])]
    rates: Vec<u32>,
    /// For how long each rate is counted.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Counts without any session, too.
    #[arg(long)]
    idle: bool,
}

/// CPU of each role in milliseconds.
type Spent = BTreeMap<&'static str, f64>;

pub(super) fn run(cluster: &Cluster, load: &Load) -> Result<()> {
    if load.idle {
        let (before, began) = (spent(cluster)?, Instant::now());
        std::thread::sleep(std::time::Duration::from_secs(load.seconds.into()));
        let row = row(&since(&spent(cluster)?, &before), began.elapsed().as_secs_f64());
        println!("idle, ms of CPU per second: {row}");
    }
    for rate in &load.rates {
        let (sessions, spent) = offer(cluster, *rate, load.seconds)?;
        println!("{rate}/s, ms of CPU per session: {} ({sessions:.0} sessions with Digest)", row(&spent, sessions));
    }
    Ok(())
}

/// Sessions at this rate: how many there were while CPU was counted, and how much.
fn offer(cluster: &Cluster, rate: u32, seconds: u32) -> Result<(f64, Spent)> {
    let (user, password) = CPE_LOGIN;
    let mut command = cluster.binary("lastmile-fleet");
    command.env("LASTMILE_FLEET_PASSWORD", password).args(["load", "--auth", "digest", "--user", user]);
    let duration = seconds as usize + SETTLING + 2;
    for (flag, value) in [
        ("--acs", format!("http://127.0.0.1:{CPES}/")),
        ("--devices", DEVICES.to_string()),
        ("--rate", rate.to_string()),
        ("--duration", duration.to_string()),
    ] {
        command.arg(flag).arg(value);
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("the load did not start")?;
    let told = BufReader::new(child.stderr.take().context("the load says nothing")?);
    let (mut reports, mut sessions, mut before, mut after) = (0, 0.0, None, None);
    for line in told.lines() {
        let line = line.context("what the load says")?;
        let Some(per_second) = report(&line) else { continue };
        reports += 1;
        if reports == SETTLING {
            before = Some(spent(cluster)?);
        } else if before.is_some() && after.is_none() {
            sessions += per_second;
            if reports == SETTLING + seconds as usize {
                after = Some(spent(cluster)?);
            }
        }
    }
    let ended = child.wait().context("the end of the load")?;
    ensure!(ended.success(), "sessions failed at {rate}/s; look into the logs that `cargo xtask cluster status` names");
    let (before, after) = before.zip(after).context("the load ended too soon")?;
    Ok((sessions, since(&after, &before)))
}

/// The sessions of the last second in a report such as `   3.0 s     49.8/s  in flight 1`.
fn report(line: &str) -> Option<f64> {
    let mut words = line.split_whitespace();
    let (_, unit, rate) = (words.next()?.parse::<f64>().ok()?, words.next()?, words.next()?);
    rate.strip_suffix("/s").filter(|_| unit == "s")?.parse().ok()
}

/// The CPU of all processes so far.
fn spent(cluster: &Cluster) -> Result<Spent> {
    let mut all = Spent::new();
    for role in &ROLES {
        let process = server::running(&cluster.folder.join(role.name));
        let process = process.with_context(|| format!("{} does not run; `cargo xtask cluster up`", role.name))?;
        let file = format!("/proc/{process}/stat");
        let stat = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let ticks = ticks(&stat).with_context(|| format!("{file} has no CPU time"))?;
        *all.entry(role.role).or_default() += (ticks * TICK) as f64;
    }
    Ok(all)
}

/// User and system time in `/proc/PID/stat`: the 14th and 15th field, counted behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn since(after: &Spent, before: &Spent) -> Spent {
    after.iter().map(|(role, now)| (*role, now - before.get(role).unwrap_or(&0.0))).collect()
}

fn row(spent: &Spent, over: f64) -> String {
    let of = |(role, ms): (&&str, &f64)| format!("{role} {:.2}", ms / over);
    let roles: Vec<_> = spent.iter().map(of).collect();
    format!("{:.2} = {}", spent.values().sum::<f64>() / over, roles.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_the_load_is_read() {
        assert_eq!(report("   3.0 s     49.8/s  in flight     1  p50 17.0 p95 44.8 ms  failed 0  cpu 4 %"), Some(49.8));
        for other in ["", "200 devices", "  \"seconds\": 3.0,", "3.0 ms 4/s"] {
            assert_eq!(report(other), None, "{other}");
        }
    }

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b 1) S 1 2 3 4 5 6 7 8 9 10 31 11 0 0 20 0 9 0 100 1000";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("42 (a"), None);
    }

    #[test]
    fn a_row_adds_up() {
        let spent = since(&[("cwmp", 30.0), ("ingest", 15.0)].into(), &[("cwmp", 10.0)].into());
        assert_eq!(row(&spent, 10.0), "3.50 = cwmp 2.00 + ingest 1.50");
    }
}

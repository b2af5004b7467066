//! Load: sessions at a rate, or as many at a time, for a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::{FirstContact, FleetConfig, RetryRule};
use crate::fleet::StartError;
use crate::statistics::{Statistics, Summary, cpu_time};
use crate::{Fleet, SessionReport};

/// Longest load run.
pub const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long sessions in progress may take to end when the time is over.
const GRACE: Duration = Duration::from_secs(60);
/// How often the rate is looked after.
const TICK: Duration = Duration::from_millis(5);

/// What load to make.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// How many sessions.
    pub pace: Pace,
    /// For how long, up to [`DURATION_MAX`].
    pub duration: Duration,
    /// The event that each session is opened for.
    pub event: String,
    /// Let every device have its first session before anything is counted.
    pub warm_up: bool,
}

/// How many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Sessions begun per second, whatever becomes of them.
    Rate(f64),
    /// Sessions open at a time; the next begins when one ends.
    Concurrency(usize),
}

/// How it goes, each second.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Sessions that ended per second since the last one.
    pub rate: f64,
    /// Sessions that are open.
    pub in_flight: usize,
    /// Sessions since the last one.
    pub lately: Summary,
    /// Share of one core that this process used.
    pub cpu: Option<f64>,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// Devices of the fleet.
    pub devices: usize,
    /// Their seed.
    pub seed: u64,
    /// What was asked for.
    pub pace: Pace,
    /// How long sessions were begun, in seconds.
    pub seconds: f64,
    /// Sessions that completed per second.
    pub sessions_per_second: f64,
    /// Sessions that the rate asked for and no free device was there for.
    pub not_begun: u64,
    /// Sessions that had not ended when the run gave up on them.
    pub unfinished: usize,
    /// The sessions.
    #[serde(flatten)]
    pub sessions: Summary,
    /// Share of one core that this process used.
    pub cpu: Option<f64>,
}

impl LoadReport {
    /// The share of sessions that failed or did not end; 1 if there were none at all.
    pub fn failure_share(&self) -> f64 {
        let unfinished = self.unfinished as u64;
        let bad = self.sessions.failed + unfinished;
        let all = self.sessions.completed + bad;
        if all == 0 { 1.0 } else { bad as f64 / all as f64 }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        write!(f, "{seconds:6.1} s {:8.1}/s  in flight {:5}  {}", self.rate, self.in_flight, self.lately)?;
        match self.cpu {
            Some(cpu) => write!(f, "  cpu {:.0} %", cpu * 100.0),
            None => Ok(()),
        }
    }
}

/// Makes load and says how it went; ends by itself.
///
/// The fleet has no sessions of its own but those that the ACS causes: nothing periodic, no retries.
///
/// # Errors
/// As [`Fleet::start`], and a load that makes no sense.
pub async fn run(
    fleet: FleetConfig,
    load: LoadConfig,
    mut progress: impl FnMut(&Progress),
) -> Result<LoadReport, StartError> {
    check(&load)?;
    let quiet = FleetConfig {
        first_contact: FirstContact::Triggered,
        periodic: Duration::ZERO,
        retry: RetryRule::Never,
        honour_retry_after: false,
        ..fleet
    };
    let (devices, seed) = (quiet.devices, quiet.seed);
    let meter = Arc::new(Meter::new(devices));
    let observed = meter.clone();
    let fleet = Fleet::start_observed(quiet, Some(Box::new(move |report| observed.ended(report)))).await?;
    let mut generator = Generator { fleet, meter, event: load.event, next: 0, not_begun: 0 };
    if load.warm_up {
        generator.warm_up(load.pace).await;
    }
    let (start, cpu) = (Instant::now(), cpu_time());
    generator.make(load.pace, start + load.duration, &mut progress).await;
    let seconds = start.elapsed().as_secs_f64();
    generator.meter.drained(GRACE).await;
    let sessions = generator.meter.statistics.all();
    Ok(LoadReport {
        devices,
        seed,
        pace: load.pace,
        seconds,
        sessions_per_second: sessions.completed as f64 / seconds.max(0.001),
        not_begun: generator.not_begun,
        unfinished: generator.meter.in_flight(),
        sessions,
        cpu: share(cpu, start.elapsed()),
    })
}

fn check(load: &LoadConfig) -> Result<(), StartError> {
    let problem = match load.pace {
        Pace::Rate(rate) if !rate.is_finite() || rate <= 0.0 => "the rate must be above 0",
        Pace::Concurrency(0) => "at least one session at a time is needed",
        _ if load.duration.is_zero() || load.duration > DURATION_MAX => "a load runs for up to 24 hours, and not for 0",
        _ => return Ok(()),
    };
    Err(StartError::Config(problem.to_owned()))
}

/// Begins sessions.
struct Generator {
    fleet: Fleet,
    meter: Arc<Meter>,
    event: String,
    /// The device to try next.
    next: usize,
    not_begun: u64,
}

impl Generator {
    /// One session of every device, so many at a time.
    async fn warm_up(&mut self, pace: Pace) {
        let at_a_time = match pace {
            Pace::Concurrency(count) => count,
            Pace::Rate(rate) => rate.ceil() as usize,
        };
        for _ in 0..self.fleet.len() {
            self.meter.room(at_a_time, None).await;
            self.begin();
        }
        self.meter.drained(GRACE).await;
        self.meter.statistics.reset();
    }

    async fn make(&mut self, pace: Pace, end: Instant, progress: &mut impl FnMut(&Progress)) {
        let start = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut watch = Watch { start, last: start, cpu: cpu_time() };
        let mut begun: u64 = 0;
        while Instant::now() < end {
            match pace {
                Pace::Rate(rate) => {
                    ticks.tick().await;
                    let due = (start.elapsed().as_secs_f64() * rate) as u64;
                    while begun < due {
                        begun += 1;
                        self.not_begun += u64::from(!self.begin());
                    }
                }
                Pace::Concurrency(count) => {
                    self.meter.room(count, Some(TICK)).await;
                    while self.meter.in_flight() < count && self.begin() {}
                }
            }
            if watch.last.elapsed() >= Duration::from_secs(1) {
                progress(&watch.look(&self.meter));
            }
        }
    }

    /// Lets the next device without a session open one; `false` if every device has one.
    fn begin(&mut self) -> bool {
        for _ in 0..self.fleet.len() {
            let index = self.next;
            self.next = (self.next + 1) % self.fleet.len();
            if self.meter.begin(index) {
                if let Some(device) = self.fleet.device(index) {
                    device.trigger(&self.event);
                }
                return true;
            }
        }
        false
    }
}

/// Knows which devices have a session that was begun for the load.
struct Meter {
    statistics: Statistics,
    busy: Vec<AtomicBool>,
    in_flight: AtomicUsize,
    ended: Notify,
}

impl Meter {
    fn new(devices: usize) -> Self {
        Self {
            statistics: Statistics::default(),
            busy: (0..devices).map(|_| AtomicBool::new(false)).collect(),
            in_flight: AtomicUsize::new(0),
            ended: Notify::new(),
        }
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn begin(&self, index: usize) -> bool {
        let begun = !self.busy[index].swap(true, Ordering::Relaxed);
        if begun {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        begun
    }

    fn ended(&self, report: &SessionReport) {
        self.statistics.add(report);
        if self.busy[report.device].swap(false, Ordering::Relaxed) {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.ended.notify_one();
    }

    /// Until fewer than `count` sessions are open, or for `limit`.
    async fn room(&self, count: usize, limit: Option<Duration>) {
        let room = async {
            while self.in_flight() >= count {
                self.ended.notified().await;
            }
        };
        let _ = tokio::time::timeout(limit.unwrap_or(GRACE), room).await;
    }

    async fn drained(&self, limit: Duration) {
        self.room(1, Some(limit)).await;
    }
}

/// Looks once a second.
struct Watch {
    start: Instant,
    last: Instant,
    cpu: Option<Duration>,
}

impl Watch {
    fn look(&mut self, meter: &Meter) -> Progress {
        let span = self.last.elapsed();
        self.last = Instant::now();
        let cpu = share(std::mem::replace(&mut self.cpu, cpu_time()), span);
        let lately = meter.statistics.lately();
        let ended = lately.completed + lately.failed;
        Progress {
            elapsed: self.start.elapsed(),
            rate: ended as f64 / span.as_secs_f64(),
            in_flight: meter.in_flight(),
            lately,
            cpu,
        }
    }
}

fn share(before: Option<Duration>, span: Duration) -> Option<f64> {
    let used = cpu_time()?.checked_sub(before?)?;
    Some(used.as_secs_f64() / span.as_secs_f64().max(0.001))
}

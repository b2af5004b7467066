//! fjall against redb under our load: `cargo bench -p acs-store-embedded --bench engines`. The decision stands in
//! `docs/001-engine.md`.
//!
//! One Inform is one event record of 1.5 KB and two small rows (summary, session). Both engines do the same: batches of 1,
//! 16 and 128 Informs with one sync each, point reads, prefix scans over the objects of a device.
#![allow(clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase, TableDefinition};

const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
const DEVICES: u32 = 10_000;
const OBJECTS_PER_DEVICE: u32 = 60;

trait EngineUnderTest {
    fn open(folder: &Path) -> Self;
    fn write_informs(&self, first: u64, count: u64);
    fn write_objects(&self, device: u32);
    fn get_summary(&self, device: u32) -> usize;
    fn scan_objects(&self, device: u32) -> usize;
}

struct Fjall {
    database: Database,
    events: Keyspace,
    rows: Keyspace,
    objects: Keyspace,
}

struct Redb(redb::Database);

fn event() -> Vec<u8> {
    // As incompressible as protobuf of names and numbers is: about half.
    (0..1500_u32).map(|i| if i % 2 == 0 { b'a' } else { (i.wrapping_mul(2_654_435_761) >> 24) as u8 }).collect()
}

fn summary_key(device: u32) -> Vec<u8> {
    format!("s00AABB-IGD-{device:06}").into_bytes()
}

fn session_key(device: u32, n: u64) -> Vec<u8> {
    format!("S00AABB-IGD-{device:06}\0{n:016}").into_bytes()
}

fn object_key(device: u32, object: u32) -> Vec<u8> {
    format!("00AABB-IGD-{device:06}\0InternetGatewayDevice.LANDevice.1.Hosts.Host.{object}.").into_bytes()
}

/// The device of Inform `n`.
fn device_of(n: u64) -> u32 {
    (n.wrapping_mul(2_654_435_761) % u64::from(DEVICES)) as u32
}

impl EngineUnderTest for Fjall {
    fn open(folder: &Path) -> Self {
        let database = Database::builder(folder).cache_size(64 << 20).open().unwrap();
        let keyspace = |name: &str| {
            database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(16 << 20)).unwrap()
        };
        Self { events: keyspace("events"), rows: keyspace("rows"), objects: keyspace("objects"), database }
    }

    fn write_informs(&self, first: u64, count: u64) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for n in first..first + count {
            batch.insert(&self.events, n.to_be_bytes(), event());
            batch.insert(&self.rows, summary_key(device_of(n)), vec![b's'; 300]);
            batch.insert(&self.rows, session_key(device_of(n), n), vec![b'h'; 400]);
        }
        batch.commit().unwrap();
    }

    fn write_objects(&self, device: u32) {
        let mut batch = self.database.batch();
        for object in 0..OBJECTS_PER_DEVICE {
            batch.insert(&self.objects, object_key(device, object), vec![b'o'; 300]);
        }
        batch.commit().unwrap();
    }

    fn get_summary(&self, device: u32) -> usize {
        self.rows.get(summary_key(device)).unwrap().map_or(0, |v| v.len())
    }

    fn scan_objects(&self, device: u32) -> usize {
        let prefix = format!("00AABB-IGD-{device:06}\0");
        self.objects.prefix(prefix).map(|row| row.into_inner().unwrap().1.len()).sum()
    }
}

impl EngineUnderTest for Redb {
    fn open(folder: &Path) -> Self {
        let database = redb::Database::builder().set_cache_size(64 << 20).create(folder.join("redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        for table in [EVENTS, ROWS, OBJECTS] {
            transaction.open_table(table).unwrap();
        }
        transaction.commit().unwrap();
        Self(database)
    }

    fn write_informs(&self, first: u64, count: u64) {
        let transaction = self.0.begin_write().unwrap();
        {
            let mut events = transaction.open_table(EVENTS).unwrap();
            let mut rows = transaction.open_table(ROWS).unwrap();
            for n in first..first + count {
                events.insert(&n.to_be_bytes()[..], &event()[..]).unwrap();
                rows.insert(&summary_key(device_of(n))[..], &[b's'; 300][..]).unwrap();
                rows.insert(&session_key(device_of(n), n)[..], &[b'h'; 400][..]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn write_objects(&self, device: u32) {
        let transaction = self.0.begin_write().unwrap();
        {
            let mut objects = transaction.open_table(OBJECTS).unwrap();
            for object in 0..OBJECTS_PER_DEVICE {
                objects.insert(&object_key(device, object)[..], &[b'o'; 300][..]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn get_summary(&self, device: u32) -> usize {
        let transaction = self.0.begin_read().unwrap();
        let rows = transaction.open_table(ROWS).unwrap();
        rows.get(&summary_key(device)[..]).unwrap().map_or(0, |v| v.value().len())
    }

    fn scan_objects(&self, device: u32) -> usize {
        let transaction = self.0.begin_read().unwrap();
        let objects = transaction.open_table(OBJECTS).unwrap();
        let (from, to) = (format!("00AABB-IGD-{device:06}\0"), format!("00AABB-IGD-{device:06}\u{1}"));
        objects.range(from.as_bytes()..to.as_bytes()).unwrap().map(|row| row.unwrap().1.value().len()).sum()
    }
}

/// User and system time of this process: what an operation costs beside waiting for the disk.
fn cpu() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    std::time::Duration::from_millis(ticks * 10)
}

fn run<E: EngineUnderTest>(criterion: &mut Criterion, name: &str) {
    let folder = tempfile::tempdir_in(std::env::var("BENCH_FOLDER").unwrap_or_else(|_| ".".into())).unwrap();
    let engine = E::open(folder.path());
    let mut next = 0;
    let mut group = criterion.benchmark_group("commit");
    for count in [1, 16, 128] {
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::new(name, count), &count, |bencher, &count| {
            bencher.iter(|| {
                engine.write_informs(next, count);
                next += count;
            });
        });
    }
    group.finish();
    let (before, informs) = (cpu(), 100_000);
    for _ in 0..informs / 50 {
        engine.write_informs(next, 50);
        next += 50;
    }
    println!("{name}: {:?} of CPU for one Inform, in batches of 50, merging included", (cpu() - before) / informs);

    (0..DEVICES).for_each(|device| engine.write_objects(device));
    let mut device = 0;
    let mut turn = move || {
        device = (device + 7919) % DEVICES;
        device
    };
    criterion.bench_function(&format!("get/{name}"), |b| b.iter(|| black_box(engine.get_summary(turn()))));
    criterion.bench_function(&format!("scan 60/{name}"), |b| b.iter(|| black_box(engine.scan_objects(turn()))));
    std::mem::forget(engine);
    let size = std::process::Command::new("du").arg("-sh").arg(folder.path()).output().unwrap();
    println!("{name}: {next} Informs and {DEVICES} devices take {}", String::from_utf8_lossy(&size.stdout));
}

/// How long it takes to open what a killed process left.
fn reopen<E: EngineUnderTest>(name: &str) {
    let folder = tempfile::tempdir_in(std::env::var("BENCH_FOLDER").unwrap_or_else(|_| ".".into())).unwrap();
    let engine = E::open(folder.path());
    (0..DEVICES).for_each(|device| engine.write_objects(device));
    for n in 0..1000 {
        engine.write_informs(n * 50, 50);
    }
    // Copied while open, as a kill would leave it.
    let copy = tempfile::tempdir_in(std::env::var("BENCH_FOLDER").unwrap_or_else(|_| ".".into())).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(folder.path().join(".")).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    drop(engine);
    let began = std::time::Instant::now();
    let engine = E::open(copy.path());
    println!("{name}: opened after a kill in {:?}", began.elapsed());
    assert!(engine.get_summary(device_of(0)) > 0);
}

fn engines(criterion: &mut Criterion) {
    run::<Fjall>(criterion, "fjall");
    run::<Redb>(criterion, "redb");
    reopen::<Fjall>("fjall");
    reopen::<Redb>("redb");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3)).without_plots();
    targets = engines
}
criterion_main!(benches);

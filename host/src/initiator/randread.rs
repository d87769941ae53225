//! The `iscsi-randread` benchmark: random reads at a queue depth, every block of each compared.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::check::{log_in, prepare_lun};
use super::child::Reporter;
use super::extents::{Stamping, Writes, sequence};
use super::ffi::Library;
use super::job::{Failure, FailureKind, Latency, Measured, Randread, Report, millis};
use super::link::{Finished, Issue, Link, Work};
use super::random::{Random, fresh_seed, number};
use super::scsi::{self, Capacity};
use super::stamp::mix;

/// Sequential writes that stamp the region: size and number in flight. They go as immediate data,
/// up to LIO's FirstBurstLength: for more the target asks, and gives a host that is busy elsewhere
/// 3 s to answer before it closes the connection (`NA_DATAOUT_TIMEOUT`, which open access cannot
/// change).
const STAMP_BYTES: u32 = 64 * 1024;
const STAMP_DEPTH: usize = 16;
const DEFAULT_REGION: u64 = 16 << 20;
const DEPTH_MAX: u32 = 1024;
const BLOCK_MAX: u32 = 4 << 20;
/// The most memory the buffers in flight may take.
const BUFFERS_MAX: u64 = 256 << 20;
const SAMPLES_MAX: u32 = 1000;
const SECONDS_MAX: f64 = 86_400.0;

/// Gives the session back where the job has it stay.
pub(super) fn run(
    library: &Library,
    job: &Randread,
    reporter: &mut Reporter,
) -> Result<Option<Link>, Failure> {
    check_numbers(job).map_err(usage)?;
    let mut link = log_in(library, &job.target, &job.limits, reporter)?;
    let capacity = prepare_lun(&mut link, job.lun, reporter)?;
    let region = Region::plan(job, capacity).map_err(usage)?;
    let seed = job.seed.unwrap_or_else(fresh_seed);
    let nonce = mix(seed ^ mix(u64::from(job.lun) | 1 << 32));
    let stamping = Stamping { lun: job.lun, block_len: capacity.block_len, nonce };
    match job.contents.uncompared() {
        None => stamp_region(&mut link, stamping, region, reporter)?,
        Some(because) => {
            let (ms, lun, blocks) = (reporter.ms(), job.lun, 0);
            reporter.send(&Report::Uncompared { ms, lun, blocks, because })?;
        }
    }
    measure(&mut link, job, stamping, region, seed, reporter)?;
    if job.stay { Ok(Some(link)) } else { link.logout().map(|()| None) }
}

fn usage(cause: String) -> Failure {
    Failure::new(FailureKind::Usage, "iscsi-randread", cause)
}

/// What can be said of a job before the LUN is known.
fn check_numbers(job: &Randread) -> Result<(), String> {
    let &Randread { block_size, queue_depth, seconds, warmup_seconds, samples, .. } = job;
    let buffers = u64::from(block_size) * u64::from(queue_depth);
    if job.lun > scsi::LUN_MAX {
        Err(format!("LUN {} is above {}", job.lun, scsi::LUN_MAX))
    } else if !(1..=DEPTH_MAX).contains(&queue_depth) {
        Err(format!("queue_depth {queue_depth} is not from 1 to {DEPTH_MAX}"))
    } else if !(1..=BLOCK_MAX).contains(&block_size) {
        Err(format!("block_size {block_size} is not from 1 to {BLOCK_MAX}"))
    } else if buffers > BUFFERS_MAX {
        Err(format!("block_size times queue_depth is {buffers}, more than {BUFFERS_MAX}"))
    } else if !(1..=SAMPLES_MAX).contains(&samples) {
        Err(format!("samples {samples} is not from 1 to {SAMPLES_MAX}"))
    } else if !(0.01..=SECONDS_MAX).contains(&seconds) {
        Err(format!("seconds {seconds} is not from 0.01 to {SECONDS_MAX}"))
    } else if !(0.0..=SECONDS_MAX).contains(&warmup_seconds) {
        Err(format!("warmup_seconds {warmup_seconds} is not from 0 to {SECONDS_MAX}"))
    } else {
        Ok(())
    }
}

/// The part of a LUN that is written and read, and the size of the reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Region {
    bytes: u64,
    blocks: u64,
    blocks_per_read: u32,
    /// Places a read may start at.
    slots: u64,
}

impl Region {
    fn plan(job: &Randread, capacity: Capacity) -> Result<Self, String> {
        let (read, block) = (job.block_size, capacity.block_len);
        if !read.is_multiple_of(block) {
            return Err(format!(
                "block_size {read} is not a multiple of the {block}-byte blocks of LUN {}",
                job.lun
            ));
        }
        let whole = capacity.bytes();
        let fitting = whole.min(DEFAULT_REGION.max(u64::from(read)));
        let bytes = job.region_bytes.unwrap_or(fitting - fitting % u64::from(read));
        if bytes == 0 || !bytes.is_multiple_of(u64::from(read)) || bytes > whole {
            return Err(format!(
                "a region of {bytes} bytes is not a multiple of block_size {read} within the {whole} \
                 bytes of LUN {}",
                job.lun
            ));
        }
        let (blocks, slots) = (bytes / u64::from(block), bytes / u64::from(read));
        Ok(Self { bytes, blocks, blocks_per_read: read / block, slots })
    }
}

fn stamp_region(
    link: &mut Link,
    stamping: Stamping,
    region: Region,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    let started = Instant::now();
    let piece = (STAMP_BYTES / stamping.block_len).max(1);
    let mut writes = Writes { extents: sequence(region.blocks, piece), stamping };
    let buffers = (STAMP_DEPTH, stamping.bytes(piece));
    link.drive(stamping.lun, &format!("write LUN {}", stamping.lun), buffers, &mut writes)?;
    let took_ms = millis(started.elapsed());
    reporter.send(&Report::Stamped { ms: reporter.ms(), bytes: region.bytes, took_ms })
}

fn measure(
    link: &mut Link,
    job: &Randread,
    stamping: Stamping,
    region: Region,
    seed: u64,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    let now = Instant::now();
    let window = Window {
        start: now + Duration::from_secs_f64(job.warmup_seconds),
        length: Duration::from_secs_f64(job.seconds),
        samples: job.samples,
    };
    let tally = Tally::new(window).map_err(usage)?;
    let random = Random::new(seed);
    let compared = job.contents.uncompared().is_none();
    let mut reads = RandomReads { random, stamping, compared, region, tally, now, reporter };
    let buffers = (number(job.queue_depth), number(job.block_size));
    link.drive(job.lun, &format!("read LUN {}", job.lun), buffers, &mut reads)?;
    let RandomReads { tally, reporter, .. } = reads;
    reporter.send(&Report::Measured(tally.measured(job.block_size, region.bytes, seed)))
}

/// When to measure.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: Instant,
    length: Duration,
    samples: u32,
}

impl Window {
    fn end(&self) -> Instant {
        self.start + self.length
    }

    fn interval(&self) -> Duration {
        self.length / self.samples.max(1)
    }
}

/// Reads at random places until the window ends.
struct RandomReads<'r> {
    random: Random,
    stamping: Stamping,
    compared: bool,
    region: Region,
    tally: Tally,
    /// Time of the last completion, which is near enough to decide whether to go on.
    now: Instant,
    reporter: &'r mut Reporter,
}

impl Work for RandomReads<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Issue> {
        if self.now >= self.tally.window.end() {
            return None;
        }
        let blocks = self.region.blocks_per_read;
        let lba = self.random.below(self.region.slots) * u64::from(blocks);
        self.stamping.spoil(buffer);
        Some(Issue { command: scsi::read(lba, blocks), len: buffer.len(), lba })
    }

    fn finished(&mut self, finished: &Finished<'_>) -> Result<(), Failure> {
        let &Finished { lba, buffer, submitted, completed } = finished;
        self.now = completed;
        if self.compared {
            self.stamping.compare(buffer, lba)?;
        }
        let latency = completed.saturating_duration_since(submitted);
        let sample = self.tally.count(completed, latency);
        sample.map_or(Ok(()), |sample| self.reporter.send(&sample))
    }
}

/// What has been counted so far.
struct Tally {
    window: Window,
    latencies: Histogram<u64>,
    /// When the interval that is not over yet began: with a read that ended. So it ends, and what
    /// the device's time does not divide is not cut off.
    began: Option<Instant>,
    /// Reads that ended in it since.
    current: u32,
    /// Reads per second of those that are.
    samples: Vec<f64>,
    reads: u64,
    /// A read has ended after the window.
    over: bool,
}

impl Tally {
    fn new(window: Window) -> Result<Self, String> {
        // from 1 ns to 100 s; longer ones count as that
        let latencies = Histogram::new_with_bounds(1, 100_000_000_000, 3);
        let latencies = latencies.map_err(|error| error.to_string())?;
        let samples = Vec::with_capacity(number(window.samples));
        Ok(Self { window, latencies, began: None, current: 0, samples, reads: 0, over: false })
    }

    /// Counts a read if it ended in the window; gives the sample of the interval it ends.
    fn count(&mut self, completed: Instant, latency: Duration) -> Option<Report> {
        if completed < self.window.start {
            return None;
        }
        if completed >= self.window.end() {
            return self.close(completed);
        }
        self.reads += 1;
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(nanoseconds);
        let Some(began) = self.began else {
            self.began = Some(completed);
            return None;
        };
        self.current += 1;
        let is_over = completed.saturating_duration_since(began) >= self.window.interval();
        is_over.then(|| self.sample(began, completed))
    }

    /// The first read to end after the window ends what is left of it, where that is worth a sample.
    fn close(&mut self, completed: Instant) -> Option<Report> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        self.current += 1;
        let began = self.began.unwrap_or(self.window.start);
        let lasted = completed.saturating_duration_since(began) >= self.window.interval() / 2;
        let has_room = self.samples.len() < number(self.window.samples);
        (lasted && has_room).then(|| self.sample(began, completed))
    }

    fn sample(&mut self, began: Instant, ended: Instant) -> Report {
        let iops = f64::from(self.current) / ended.saturating_duration_since(began).as_secs_f64();
        let index = u32::try_from(self.samples.len()).unwrap_or(u32::MAX);
        self.samples.push(iops);
        self.current = 0;
        self.began = Some(ended);
        Report::Sample { index, iops }
    }

    fn measured(&self, block_size: u32, region_bytes: u64, seed: u64) -> Measured {
        let seconds = self.window.length.as_secs_f64();
        let iops = float(self.reads) / seconds;
        Measured {
            reads: self.reads,
            seconds,
            iops,
            mb_per_s: iops * f64::from(block_size) / 1e6,
            latency: self.latency(),
            samples: self.samples.clone(),
            region_bytes,
            seed,
        }
    }

    fn latency(&self) -> Latency {
        let at = |quantile| micros(self.latencies.value_at_quantile(quantile));
        Latency {
            min_us: micros(self.latencies.min()),
            mean_us: self.latencies.mean() / 1000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: micros(self.latencies.max()),
        }
    }
}

fn micros(nanoseconds: u64) -> f64 {
    float(nanoseconds) / 1000.0
}

/// Reads, and nanoseconds up to 100 s, stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Randread {
        let line = br#"{"target":{"portal":"127.0.0.1:1","iqn":"i"},
            "lun":2,"block_size":4096,"queue_depth":32,"seconds":5}"#;
        serde_json::from_slice(line).unwrap()
    }

    const MIB: u64 = 1 << 20;

    fn capacity(bytes: u64, block_len: u32) -> Capacity {
        Capacity { blocks: bytes / u64::from(block_len), block_len }
    }

    #[test]
    fn the_region_is_the_whole_lun_or_its_first_16_mib() {
        let region = Region::plan(&job(), capacity(64 * MIB, 512)).unwrap();
        assert_eq!(
            region,
            Region { bytes: 16 * MIB, blocks: 32768, blocks_per_read: 8, slots: 4096 }
        );
        let small = Region::plan(&job(), capacity(MIB + 512, 512)).unwrap();
        assert_eq!((small.bytes, small.slots), (MIB, 256));
        let big = Region::plan(&job(), capacity(64 * MIB, 4096)).unwrap();
        assert_eq!((big.blocks, big.blocks_per_read), (4096, 1));
    }

    #[test]
    fn a_block_size_that_does_not_fit_is_refused_with_numbers() {
        let odd = Randread { block_size: 6000, ..job() };
        let error = Region::plan(&odd, capacity(MIB, 512)).unwrap_err();
        assert_eq!(error, "block_size 6000 is not a multiple of the 512-byte blocks of LUN 2");
        let small = Randread { block_size: 512, ..job() };
        assert!(Region::plan(&small, capacity(MIB, 4096)).is_err());
        assert!(Region::plan(&job(), capacity(2048, 512)).is_err(), "not one read fits");
    }

    #[test]
    fn regions_stay_on_the_lun_and_on_whole_reads() {
        for region in [0, 4095, 2 * MIB] {
            let job = Randread { region_bytes: Some(region), ..job() };
            let error = Region::plan(&job, capacity(MIB, 512)).unwrap_err();
            assert!(error.contains(&region.to_string()), "{error}");
        }
        let exact = Randread { region_bytes: Some(MIB), ..job() };
        assert_eq!(Region::plan(&exact, capacity(MIB, 512)).unwrap().bytes, MIB);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(check_numbers(&job()), Ok(()));
        for bad in [
            Randread { lun: 0x4000, ..job() },
            Randread { queue_depth: 0, ..job() },
            Randread { queue_depth: 1025, ..job() },
            Randread { block_size: 0, ..job() },
            Randread { block_size: 1 << 20, queue_depth: 1024, ..job() },
            Randread { samples: 0, ..job() },
            Randread { seconds: f64::NAN, ..job() },
            Randread { seconds: 1e300, ..job() },
            Randread { warmup_seconds: -1.0, ..job() },
        ] {
            assert!(check_numbers(&bad).is_err(), "{bad:?}");
        }
    }

    /// Reads completing at these milliseconds, in a window from 100 to 500 ms of 4 samples.
    fn tally_of(completions: &[u64]) -> (Tally, Vec<f64>) {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        let length = Duration::from_millis(400);
        let mut tally = Tally::new(Window { start: at(100), length, samples: 4 }).unwrap();
        let mut reports = Vec::new();
        for ms in completions {
            reports.extend(tally.count(at(*ms), Duration::from_millis(2)));
        }
        let told = (0..).zip(&reports).map(|(n, report)| match report {
            Report::Sample { index, iops } if *index == n => (iops * 1e3).round() / 1e3,
            other => panic!("{other:?}"),
        });
        let told = told.collect();
        (tally, told)
    }

    #[test]
    fn only_reads_that_end_in_the_window_count() {
        let (tally, _) = tally_of(&[50, 99, 100, 150, 499, 500, 600]);
        assert_eq!(tally.reads, 3);
        assert_eq!(tally.latencies.len(), 3);
        let measured = tally.measured(4096, MIB, 9);
        assert_eq!((measured.iops, measured.mb_per_s), (7.5, 0.030_72));
        assert_eq!((measured.seconds, measured.seed), (0.4, 9));
        assert!((measured.latency.p50_us - 2000.0).abs() < 2.0, "{:?}", measured.latency);
    }

    #[test]
    fn samples_last_from_one_completion_to_another_and_a_stall_is_in_one() {
        let every = |step: u64| (0..=600 / step).map(|n| n * step).collect::<Vec<_>>();
        for (completions, expected) in [
            // 30 ms does not divide an interval of 100.
            (every(30), &[33.333, 33.333, 33.333][..]),
            (every(250), &[4.0]),
            // From 110 to 210, over the stall to 450, and what is left until 510.
            (vec![110, 120, 210, 450, 460, 510, 520], &[20.0, 4.167, 33.333]),
            (vec![110, 210, 900], &[10.0, 1.449]),
            (vec![50, 600], &[2.0]),
        ] {
            assert_eq!(tally_of(&completions).1, expected, "{completions:?}");
        }
    }
}

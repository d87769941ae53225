//! Workload kernels, their sampling, and the statistics of one run.
//!
//! No device, no network, no threads, no foreign code: the same kernels run in a guest as PID 1 and on the host itself.
//!
//! ```
//! use std::time::Duration;
//! use lunlab_bench::hash::{self, Budget};
//! use lunlab_bench::statistics::Summary;
//!
//! let millisecond = Duration::from_millis(1);
//! let budget = Budget { warm_up: millisecond, samples: 5, sample_time: millisecond };
//! for series in hash::series() {
//!     let mut nanoseconds = Vec::new();
//!     hash::measure(series, budget, &mut |sample| nanoseconds.push(sample))?;
//!     let summary = Summary::of(&nanoseconds).expect("five finite samples");
//!     assert!(summary.median > 0.0, "{}", series.name);
//! }
//! # Ok::<(), hash::WrongDigest>(())
//! ```

pub mod calibration;
pub mod digest;
pub mod hash;
pub mod pattern;
pub mod sampling;
pub mod statistics;
pub mod unit;
pub mod workload;

/// Every workload that a spec can name and that runs in the guest, or with `--local` on the host.
///
/// A new one is a file here and a line in this list; one that needs devices or sockets has its
/// driver in `lunlab-workloads` beside that.
pub const WORKLOADS: &[workload::Workload] = &[calibration::WORKLOAD];

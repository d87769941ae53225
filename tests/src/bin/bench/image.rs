//! The image step: with nothing of ours in the cache, and unchanged.

use crate::figures::{Figure, Goal, Report, Samples};
use crate::{Failure, Subject};
use lunlab::cache::Cache;
use lunlab::image::{BaseSegment, Needs, base_segment, write_initrd};
use lunlab::run::needs::{programs, wanted};
use lunlab_initramfs::image::GuestFile;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// As large as a run's own segment is, within a page.
const SEGMENT: [u8; 2048] = [0; 2048];

/// Measures the step inside lunlab, and the whole command that does nothing else.
pub(crate) fn measure(
    subject: &Subject,
    rounds: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    let (mut inside, mut looking) = (Pair::default(), Pair::default());
    let mut command = Pair::default();
    let mut size = 0;
    for _ in 0..rounds {
        let scratch = tempfile::tempdir_in(subject.cache.root())?;
        let cache = Cache::at(scratch.path().join("library"))?;
        let cold = step(subject, &cache, scratch.path())?;
        let warm = step(subject, &cache, scratch.path())?;
        if !cold.base.built || warm.base.built {
            return Err("the image was not built when it should have been, or twice".into());
        }
        size = cold.base.size;
        inside.push(cold.milliseconds, warm.milliseconds);
        looking.push(cold.looking, warm.looking);
        let home = emptied_cache(subject, scratch.path())?;
        command.push(build(subject, &home)?, build(subject, &home)?);
    }
    let (cold, warm) = inside.samples();
    report.add(Figure::new("image, cache empty", "ms", cold).with_goal(Goal::AtMost(50.0)));
    report.add(Figure::new("image, unchanged", "ms", warm).with_goal(Goal::AtMost(5.0)));
    let (_, warm) = looking.samples();
    report.add(Figure::new("  of which: finding the kernel's modules", "ms", warm));
    let (cold, warm) = command.samples();
    report.add(Figure::new("whole lunlab image build, cache empty", "ms", cold));
    report.add(Figure::new("whole lunlab image build, unchanged", "ms", warm));
    let megabytes = u32::try_from(size).map_or(f64::INFINITY, f64::from) / 1e6;
    report.add(Figure::single("image size", "MB", megabytes).with_goal(Goal::AtMost(3.5)));
    Ok(())
}

#[derive(Default)]
struct Pair {
    cold: Vec<f64>,
    warm: Vec<f64>,
}

impl Pair {
    fn push(&mut self, cold: f64, warm: f64) {
        self.cold.push(cold);
        self.warm.push(warm);
    }

    fn samples(self) -> (Samples, Samples) {
        (self.cold.into_iter().collect(), self.warm.into_iter().collect())
    }
}

/// The step, once.
struct Step {
    milliseconds: f64,
    /// What of them goes into listing what the kernel has. (That is done once more when the
    /// segment is built.)
    looking: f64,
    base: BaseSegment,
}

/// All that a run does for its image: what the kernel has, the base segment, the run's initrd.
fn step(subject: &Subject, cache: &Cache, scratch: &Path) -> Result<Step, Failure> {
    let initrd = scratch.join("initrd");
    let plan = &subject.plan;
    let needs = Needs {
        features: wanted(&plan.spec, plan.transport.transport),
        modules: plan.spec.kernel.modules.clone(),
    };
    let begun = Instant::now();
    plan.kernel.contents(cache)?;
    let looking = begun.elapsed().as_secs_f64() * 1000.0;
    let base = base_segment(cache, &plan.kernel, &needs, &subject.agent, &programs(&plan.spec)?)?;
    let segment = GuestFile { path: "/lunlab", mode: 0o600, bytes: &SEGMENT };
    write_initrd(&base, &[segment], &initrd)?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    std::fs::remove_file(initrd)?;
    Ok(Step { milliseconds, looking, base })
}

/// A cache home that has the kernel, unpacked, and the helper programs, but no image of ours.
fn emptied_cache(subject: &Subject, scratch: &Path) -> Result<std::path::PathBuf, Failure> {
    let home = scratch.join("home");
    let root = home.join("lunlab");
    std::fs::create_dir_all(&root)?;
    for kept in ["kernels", "vmlinux", "bin"] {
        let original = subject.cache.root().join(kept);
        if original.exists() {
            std::os::unix::fs::symlink(original, root.join(kept))?;
        }
    }
    Ok(home)
}

fn build(subject: &Subject, cache_home: &Path) -> Result<f64, Failure> {
    let begun = Instant::now();
    let output = Command::new(&subject.lunlab)
        .args(["image", "build", "--output"])
        .arg(cache_home.join("image"))
        .env("XDG_CACHE_HOME", cache_home)
        .stdin(Stdio::null())
        .output()?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("lunlab image build: {}: {words}", output.status).into());
    }
    Ok(took)
}

//! The guest's initrd: a base segment from the cache, and what one run adds.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lunlab_initramfs::image::{Base, GuestFile, LoadedModule, per_run_segment};

use crate::cache::{Cache, FileIdentity, Record, Stored};
use crate::digest::Digest;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::kernel::features::Feature;
use crate::kernel::plan::plan_modules;

/// How long an image is kept unused, and how many are.
const KEEP_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
const KEEP: usize = 20;

/// What the image must hold for a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Features of the kernel.
    pub features: Vec<Feature>,
    /// Modules beyond those, as the spec's `kernel.modules` names them.
    pub modules: Vec<String>,
}

/// A file of the guest's beside the agent and the modules: a program, or a library it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its contents.
    pub bytes: Cow<'static, [u8]>,
}

/// The part of the initrd that is the same in every run of one kernel, agent and set of needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSegment {
    /// Where it is in the cache.
    pub path: PathBuf,
    /// The SHA-256 of its contents.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was built now, rather than found.
    pub built: bool,
    /// Paths in the guest of the channel's modules, in load order.
    pub channel: Vec<String>,
    /// Paths in the guest of the other modules, in load order.
    pub rest: Vec<String>,
}

/// Finds the base segment in the cache, or builds it there.
///
/// Found means: every module, list and directory it was made from is as it was, by device, inode, size and times; nothing but
/// those is read.
///
/// # Errors
/// Environment: the kernel lacks something, a module cannot be read, or the cache cannot be written.
pub fn base_segment(
    cache: &Cache,
    kernel: &Kernel,
    needs: &Needs,
    agent: &[u8],
    programs: &[Program],
) -> Result<BaseSegment, Error> {
    let key = key_of(kernel, needs, agent, programs);
    if let Some(record) = cache.recall("image", &key)
        && let Some(stored) = record.output
    {
        return Ok(BaseSegment::new(stored, &record.facts, false));
    }
    cache.prune("image", KEEP, KEEP_FOR);
    build(cache, kernel, needs, (agent, programs), &key)
}

impl BaseSegment {
    fn new(stored: Stored, facts: &[String], built: bool) -> Self {
        let of = |kind: &str| {
            facts.iter().filter_map(|fact| fact.strip_prefix(kind)).map(str::to_owned).collect()
        };
        Self {
            path: stored.path,
            digest: stored.digest,
            size: stored.size,
            built,
            channel: of("channel "),
            rest: of("rest "),
        }
    }
}

/// All that the result depends on besides the files that the record lists. The program is among it, for how it builds.
fn key_of(kernel: &Kernel, needs: &Needs, agent: &[u8], programs: &[Program]) -> String {
    let programs: Vec<String> =
        programs.iter().map(|each| format!("{} {}", each.path, Digest::of(&each.bytes))).collect();
    let program =
        FileIdentity::of(Path::new("/proc/self/exe")).map(|identity| identity.to_string());
    format!(
        "{}\n{}\n{kernel:?}\n{needs:?}\n{programs:?}",
        program.unwrap_or_default(),
        Digest::of(agent)
    )
}

fn build(
    cache: &Cache,
    kernel: &Kernel,
    needs: &Needs,
    (agent, programs): (&[u8], &[Program]),
    key: &str,
) -> Result<BaseSegment, Error> {
    let mut record = Record::begin();
    inputs_of(kernel).into_iter().for_each(|path| record.depends_on(path));
    let plan = plan_modules(&kernel.contents(cache)?, &needs.features, &needs.modules)?;
    let (channel, rest) = (plan.channel.len(), plan.rest.len());
    let all = plan.channel.into_iter().chain(plan.rest);
    let mut modules = Vec::with_capacity(channel + rest);
    for module in all {
        record.depends_on(&module.path);
        modules.push(LoadedModule::from(module));
    }
    let files =
        programs.iter().map(|each| GuestFile { path: &each.path, mode: 0o755, bytes: &each.bytes });
    let files: Vec<GuestFile<'_>> = files.collect();
    let image = Base { agent, modules: &modules, files: &files }
        .build()
        .map_err(|error| Error::internal(format!("build the image: {error}")))?;
    let kind = |index| if index < channel { "channel" } else { "rest" };
    let order = image.load_order.iter().enumerate();
    record.facts = order.map(|(index, path)| format!("{} {path}", kind(index))).collect();
    let stored = cache.store("image", &image.bytes)?;
    record.output = Some(stored.clone());
    cache.record("image", key, &record);
    Ok(BaseSegment::new(stored, &record.facts, true))
}

/// What decides which modules there are; the modules chosen come on top.
fn inputs_of(kernel: &Kernel) -> Vec<PathBuf> {
    let mut inputs = Vec::new();
    if let Some(modules) = &kernel.modules {
        inputs.extend(modules.inputs());
    }
    match &kernel.config {
        Some(config) => inputs.push(config.clone()),
        // It may be inside.
        None => inputs.push(kernel.images.primary().to_owned()),
    }
    inputs
}

/// Writes the initrd of one run: the base segment, then an archive of `files`, to a new file of mode 0600.
///
/// # Errors
/// Environment, when a file cannot be read or written (as when `to` exists); internal, when `files` cannot be in an archive.
pub fn write_initrd(base: &BaseSegment, files: &[GuestFile<'_>], to: &Path) -> Result<(), Error> {
    let segment = per_run_segment(files)
        .map_err(|error| Error::internal(format!("build the run's part of the image: {error}")))?;
    copy_with(base, &segment, to).map_err(|error| {
        Error::environment(format!("write {} from {}: {error}", to.display(), base.path.display()))
    })
}

fn copy_with(base: &BaseSegment, segment: &[u8], to: &Path) -> io::Result<()> {
    let mut source = File::open(&base.path)?;
    let mut target = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    // Within one file system the kernel copies, or shares the blocks.
    let copied = io::copy(&mut source, &mut target)?;
    if copied != base.size {
        return Err(io::Error::other(format!("{copied} bytes instead of {}", base.size)));
    }
    // Archives begin at multiples of four.
    let padding = base.size.next_multiple_of(4) - base.size;
    io::copy(&mut io::Read::take(io::repeat(0), padding), &mut target)?;
    target.write_all(segment)
}

//! `lunlab image build` and `lunlab image list`.

use crate::cache::Cache;
use crate::cli::ImageBuild;
use crate::commands::run::override_kernel;
use crate::commands::spec_file::load_spec;
use crate::embedded;
use crate::error::Error;
use crate::image::{Needs, base_segment};
use crate::output;
use crate::run::needs::{programs, wanted};
use crate::run::plan::{choose_transport, find_kernel};
use crate::transport::choice::TransportChoice;
use lunlab_initramfs::newc::Reader;
use std::io::Read;
use std::path::Path;

/// The largest archive that is listed.
const MAX_ARCHIVE: u64 = 4 << 30;

/// Builds the image of a spec.
pub(super) fn build(build: ImageBuild) -> Result<u8, Error> {
    let (mut spec, _) = load_spec(build.spec.as_deref())?;
    override_kernel(&mut spec, &build.kernel)?;
    if let Some(transport) = build.transport {
        spec.channel.transport = transport;
    }
    let cache = Cache::open()?;
    let kernel = find_kernel(&spec, build.kernel.modules.as_deref(), &cache)?;
    let transport = match spec.channel.transport {
        // What the host has for it does not matter to an image.
        TransportChoice::Only(transport) => transport,
        choice => choose_transport(choice, &kernel.contents(&cache)?, &cache)?.transport,
    };
    let agent = match &build.agent {
        Some(path) => std::fs::read(path)
            .map_err(|error| Error::usage(format!("--agent: read {}: {error}", path.display())))?,
        None => embedded::agent()?.to_vec(),
    };
    let features = wanted(&spec, transport);
    let needs = Needs { features, modules: spec.kernel.modules.clone() };
    let programs = programs(&spec)?;
    let base = base_segment(&cache, &kernel, &needs, &agent, &programs)?;
    std::fs::copy(&base.path, &build.output).map_err(|error| {
        Error::environment(format!("write {}: {error}", build.output.display()))
    })?;
    output::progress(&format!(
        "{}: {} kB, kernel {}, {} modules, sha256 {}",
        build.output.display(),
        base.size / 1000,
        kernel.release,
        base.channel.len() + base.rest.len(),
        base.digest
    ));
    Ok(0)
}

/// Lists an archive.
pub(super) fn list(file: &Path) -> Result<u8, Error> {
    let bytes =
        read(file).map_err(|error| Error::usage(format!("read {}: {error}", file.display())))?;
    let mut seen = 0;
    for entry in Reader::new(&bytes) {
        let entry = entry.map_err(|error| {
            Error::usage(format!("{}: {error}", file.display()))
                .with_hint("lunlab reads newc archives, uncompressed; `zcat` or `xzcat` first")
        })?;
        seen += 1;
        if !output::line(&line_of(&entry)) {
            // Whoever was reading has seen enough.
            return Ok(0);
        }
    }
    if seen == 0 {
        return Err(Error::usage(format!("{}: no archive in it", file.display())));
    }
    Ok(0)
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(MAX_ARCHIVE).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(MAX_ARCHIVE).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn line_of(entry: &lunlab_initramfs::newc::Entry<'_>) -> String {
    let path = String::from_utf8_lossy(entry.path);
    let size = entry.data.len();
    let owner = format!("{} {}", entry.uid, entry.gid);
    let mode = entry.mode_string();
    let path = crate::escape::terminal(&path);
    match entry.kind() {
        lunlab_initramfs::newc::Kind::Symlink => {
            let target = crate::escape::terminal(&String::from_utf8_lossy(entry.data));
            format!("{mode} {owner:>7} {size:>10} {path} -> {target}")
        }
        lunlab_initramfs::newc::Kind::CharacterDevice
        | lunlab_initramfs::newc::Kind::BlockDevice => {
            let (major, minor) = entry.node_device;
            format!("{mode} {owner:>7} {:>10} {path}", format!("{major}, {minor}"))
        }
        _ => format!("{mode} {owner:>7} {size:>10} {path}"),
    }
}

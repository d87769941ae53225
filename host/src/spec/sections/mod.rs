//! The tables of a spec, one function each: TOML in, plain data out.

mod acl;
mod alua_group;
pub(super) mod attributes;
mod benchmark;
mod chap;
mod disk;
pub(super) mod examples;
mod kernel;
pub(super) mod keys;
mod storage_object;
mod target;
mod workload;

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::reader::{Reader, Section};
use super::{Base, Discovery, Network, Run, Spec, TIMEOUT};
use keys::{CHANNEL, DISCOVERY, KERNEL, MACHINE, NETWORK, ROOT, RUN};

/// Reads a whole spec. Where something is wrong the reader has the fault and the data a value that
/// does no harm.
pub(super) fn read<'a>(
    table: &'a Spanned<DeTable<'a>>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Spec {
    let root = Section::root(table, ROOT, reader);
    let disks = disk::read_all(&root, base, reader);
    let benchmarks = benchmark::read_all(&root, base, reader);
    let (benchmark_tables, benchmarks) = benchmarks.into_iter().unzip();
    Spec {
        kernel: kernel::read(root.section("kernel", KERNEL, reader), base, reader),
        machine: kernel::read_machine(root.section("machine", MACHINE, reader), reader),
        channel: kernel::read_channel(root.section("channel", CHANNEL, reader), reader),
        network: read_network(root.section("network", NETWORK, reader), reader),
        storage_objects: storage_object::read_all(&root, &disks, reader),
        disks,
        discovery: read_discovery(root.section("discovery", DISCOVERY, reader), base, reader),
        targets: target::read_all(&root, base, reader),
        benchmarks,
        benchmark_tables,
        run: read_run(root.section("run", RUN, reader), reader),
        notes: reader.take_notes(),
    }
}

fn read_network(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Network {
    let mode = section.and_then(|section| section.choice("mode", &Network::WORDS, reader));
    mode.unwrap_or(Network::None)
}

fn read_discovery(
    section: Option<Section<'_>>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Discovery {
    let Some(section) = section else { return Discovery::default() };
    require(&section, "chap", "{ userid = \"u\", password_file = \"f\" }", reader);
    Discovery { chap: chap::read(&section, base, reader) }
}

fn read_run(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Run {
    let Some(section) = section else { return Run { boot_timeout: None, timeout: TIMEOUT } };
    Run {
        boot_timeout: section.duration("boot_timeout", reader),
        timeout: section.duration("timeout", reader).unwrap_or(TIMEOUT),
    }
}

fn require(section: &Section<'_>, key: &str, needed: &str, reader: &mut Reader<'_>) {
    if !section.has(key) {
        section.missing(key, needed, reader);
    }
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| "FILE".to_owned(), |word| word.into_owned())
}

/// A text of the user's own, as it is.
fn text(section: &Section<'_>, key: &str, reader: &mut Reader<'_>) -> Option<String> {
    section.string(key, "a string", reader).map(str::to_owned)
}

/// A name that is compared in lower case (RFC 3722), told when it was not written so.
fn folded(section: &Section<'_>, key: &str, reader: &mut Reader<'_>) -> Option<String> {
    let written = section.string(key, "a string", reader)?;
    let name = written.to_ascii_lowercase();
    if name != written {
        reader.note(&section.path.key(key), format!("upper case became lower case: {name}"));
    }
    Some(name)
}

//! Prints how long each step from a directory of modules to a base segment takes.
//!
//! `cargo run --release -p lunlab-initramfs --example measure -- MODULES_DIR NAME…`
#![expect(clippy::print_stdout, reason = "printing is all it is for")]

use lunlab_initramfs::image::{Base, LoadedModule};
use lunlab_initramfs::modules::ModuleTree;
use std::path::Path;
use std::time::Instant;

/// As large as an agent may be.
const AGENT_LEN: usize = 700_000;
const ROUNDS: usize = 11;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("usage: measure MODULES_DIR NAME…")?;
    let names: Vec<String> = arguments.collect();
    for round in 1..=ROUNDS {
        measure(Path::new(&root), &names, round)?;
    }
    Ok(())
}

fn measure(root: &Path, names: &[String], round: usize) -> Result<(), Box<dyn std::error::Error>> {
    let agent = vec![0x5a; AGENT_LEN];
    let start = Instant::now();
    let tree = ModuleTree::open(root)?;
    let opened = start.elapsed();
    let closure = tree.closure(names)?;
    let resolved = start.elapsed();
    let modules: Vec<LoadedModule> = closure.into_iter().map(LoadedModule::from).collect();
    let stripped = start.elapsed();
    let image = Base { agent: &agent, modules: &modules, files: &[] }.build()?;
    let built = start.elapsed();
    println!(
        "round {round}: open {:.2} ms, closure and read {:.2} ms, strip {:.2} ms, assemble {:.2} ms, \
         all {:.2} ms; {} bytes, {} modules",
        opened.as_secs_f64() * 1e3,
        (resolved - opened).as_secs_f64() * 1e3,
        (stripped - resolved).as_secs_f64() * 1e3,
        (built - stripped).as_secs_f64() * 1e3,
        built.as_secs_f64() * 1e3,
        image.bytes.len(),
        image.load_order.len(),
    );
    if round == ROUNDS {
        image.load_order.iter().for_each(|path| println!("{path}"));
    }
    Ok(())
}

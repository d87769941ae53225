//! Makes what the program embeds: the agent (where `LUNLAB_AGENT` names it) and the accelerator's probe guest.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    embed_agent(&out)?;
    build_probe(&out)
}

/// Without an agent the host still builds, and says at run time what it lacks.
fn embed_agent(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=LUNLAB_AGENT");
    let source = match env::var_os("LUNLAB_AGENT").filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo:rerun-if-changed={}", path.display());
            fs::copy(&path, out.join("agent"))
                .map_err(|error| format!("LUNLAB_AGENT={}: {error}", path.display()))?;
            "Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/agent\")))"
        }
        None => "None",
    };
    fs::write(out.join("agent.rs"), source)?;
    Ok(())
}

/// Assembles the guest with the C compiler that Rust links with anyway. It is x86 code: elsewhere there is none.
fn build_probe(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=probe");
    println!("cargo:rerun-if-env-changed=CC");
    let guest = out.join("probe.elf");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("x86_64") {
        return Ok(fs::write(guest, b"")?);
    }
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,-T,probe/guest.ld", "-Wl,--build-id=none"])
        .args(["-Wl,-z,max-page-size=4096", "-s", "-o"])
        .arg(&guest)
        .arg("probe/guest.S")
        .status()
        .map_err(|error| format!("run {}: {error}", compiler.display()))?;
    if !status.success() {
        return Err(format!("assemble probe/guest.S with {}: {status}", compiler.display()).into());
    }
    Ok(())
}

//! Makes what the program embeds: the agent and the program for workloads (where `LUNLAB_AGENT` and `LUNLAB_WORKLOADS` name them) and the accelerator's probe guest.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    // Results of what the host's own initiator measures say how it was compiled.
    let level = env::var("OPT_LEVEL").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo:rustc-env=LUNLAB_OPT_LEVEL={level}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    embed(&out, "LUNLAB_AGENT", "agent")?;
    embed(&out, "LUNLAB_WORKLOADS", "workloads")?;
    build_probe(&out)
}

/// Without the guest's programs the host still builds, and says at run time what it lacks.
fn embed(out: &Path, variable: &str, name: &str) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed={variable}");
    let source = match env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo:rerun-if-changed={}", path.display());
            fs::copy(&path, out.join(name))
                .map_err(|error| format!("{variable}={}: {error}", path.display()))?;
            format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")))")
        }
        None => "None".to_owned(),
    };
    fs::write(out.join(format!("{name}.rs")), source)?;
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

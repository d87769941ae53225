//! Links the guest's program without what it can do without, and tells it what it is built for.

fn main() {
    println!("cargo:rerun-if-changed=without-unwinding.ld");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=LUNLAB_TARGET={target}");
    let is_guest = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl");
    if let (true, Ok(here)) = (is_guest, std::env::var("CARGO_MANIFEST_DIR")) {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{here}/without-unwinding.ld");
    }
}

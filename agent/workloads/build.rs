//! Tells the program how it is optimized, which results record, and links it without what it can do without.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let level = std::env::var("OPT_LEVEL").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo:rustc-env=LUNLAB_OPT_LEVEL={level}");
    // It aborts when it panics, as the agent does.
    println!("cargo:rerun-if-changed=../without-unwinding.ld");
    let is_musl = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl");
    if let (true, Ok(here)) = (is_musl, std::env::var("CARGO_MANIFEST_DIR")) {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{here}/../without-unwinding.ld");
    }
}

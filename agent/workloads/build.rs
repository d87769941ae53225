//! Tells the program how it is optimized, which results record.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let level = std::env::var("OPT_LEVEL").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo:rustc-env=LUNLAB_OPT_LEVEL={level}");
}

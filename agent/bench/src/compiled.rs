//! How this program was compiled, and what of the processor it can use: results that differ in it say nothing of a kernel.

/// In words, always in the same order; what it was optimized for only its own build script knows.
#[must_use]
pub fn words(level: &str) -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
    let features = features();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(" ") };
    format!("{}, {libc}, opt-level {level}, cpu features: {features}", std::env::consts::ARCH)
}

/// What the hash libraries look for at run time.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    for (name, has) in [
        ("sse4.1", std::is_x86_feature_detected!("sse4.1")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("sha", std::is_x86_feature_detected!("sha")),
    ] {
        found.extend(has.then_some(name));
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_name_what_makes_numbers_differ() {
        let words = super::words("z");
        for part in [std::env::consts::ARCH, "opt-level z", "cpu features"] {
            assert!(words.contains(part), "{words}");
        }
    }
}

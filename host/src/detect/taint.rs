//! The kernel's taint flags (Documentation/admin-guide/tainted-kernels.rst).

/// One flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taint {
    /// The letter oopses show; `?` for a bit that is not known.
    pub letter: char,
    /// What it means.
    pub meaning: &'static str,
}

/// The flags by bit, and whether one is set because something went wrong in the kernel. The others
/// say what was loaded or done on purpose.
const FLAGS: [(char, &str, bool); 20] = [
    ('P', "proprietary module was loaded", false),
    ('F', "module was force loaded", false),
    ('S', "kernel runs on an out of specification system", false),
    ('R', "module was force unloaded", false),
    ('M', "processor reported a machine check", true),
    ('B', "bad page or unexpected page flags", true),
    ('U', "taint was requested by user space", false),
    ('D', "kernel died recently: oops or BUG", true),
    ('A', "ACPI table was overridden", false),
    ('W', "kernel issued a warning", true),
    ('C', "staging driver was loaded", false),
    ('I', "workaround for a firmware bug", false),
    ('O', "module from outside the tree was loaded", false),
    ('E', "unsigned module was loaded", false),
    ('L', "soft lockup occurred", true),
    ('K', "kernel was live patched", false),
    ('X', "taint of the distribution", false),
    ('T', "kernel was built with randomized structures", false),
    ('N', "test was run in the kernel", false),
    ('J', "user space used a mutating debug operation of fwctl", false),
];

/// The flags set in `bits`, as in /proc/sys/kernel/tainted.
#[must_use]
pub fn decode(bits: u64) -> Vec<Taint> {
    (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1).map(flag).collect()
}

/// The flags that are set in `after` and not in `before` and mean that the kernel misbehaved.
#[must_use]
pub fn new_bugs(before: u64, after: u64) -> Vec<Taint> {
    let mask =
        (0..).zip(FLAGS).filter(|(_, flag)| flag.2).fold(0, |mask, (bit, _)| mask | 1 << bit);
    decode(after & !before & mask)
}

fn flag(bit: u32) -> Taint {
    let known = usize::try_from(bit).ok().and_then(|bit| FLAGS.get(bit));
    let (letter, meaning, _) = *known.unwrap_or(&('?', "a flag that is not known", false));
    Taint { letter, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(flags: &[Taint]) -> String {
        flags.iter().map(|flag| flag.letter).collect()
    }

    #[test]
    fn bits_have_the_letters_the_kernel_prints() {
        assert_eq!(letters(&decode((1 << 20) - 1)), "PFSRMBUDAWCIOELKXTNJ");
        assert_eq!(letters(&decode(512)), "W");
        assert_eq!(letters(&decode(1 << 63)), "?");
        assert_eq!(decode(0), []);
    }

    #[test]
    fn only_misbehaviour_that_is_new_counts() {
        assert_eq!(letters(&new_bugs(0, u64::MAX)), "MBDWL");
        assert_eq!(letters(&new_bugs(1 << 9, 1 << 9 | 1 << 7)), "D");
        assert_eq!(new_bugs(0, 1 << 12 | 1 << 13 | 1 << 18), []);
        assert_eq!(new_bugs(1 << 9, 0), []);
    }
}

//! What one line of the kernel log means.

use super::EventKind;

/// Lines that begin like this are events, the first match counting. The texts are the kernel's own
/// format strings, 5.10 to 6.18.
const BEGINNINGS: &[(&str, EventKind)] = &[
    ("Kernel panic - not syncing", EventKind::Panic),
    ("BUG: KASAN: ", EventKind::Kasan),
    ("KASAN: null-ptr-deref ", EventKind::Kasan),
    ("KASAN: maybe wild-memory-access ", EventKind::Kasan),
    ("KASAN: probably user-memory-access ", EventKind::Kasan),
    ("BUG: KMSAN: ", EventKind::Kmsan),
    ("BUG: KCSAN: ", EventKind::Kcsan),
    ("BUG: KFENCE: ", EventKind::Kfence),
    ("UBSAN: ", EventKind::Ubsan),
    // mm/fault.c of x86, arm64 and others
    ("BUG: unable to handle ", EventKind::Oops),
    ("BUG: kernel NULL pointer dereference", EventKind::Oops),
    ("Unable to handle kernel ", EventKind::Oops),
    ("BUG: stack guard page was hit", EventKind::Oops),
    ("BUG: IRQ stack guard page was hit", EventKind::Oops),
    ("BUG: TASK stack guard page was hit", EventKind::Oops),
    ("PANIC: double fault", EventKind::Oops),
    ("traps: PANIC: double fault", EventKind::Oops),
    ("Fixing recursive fault but reboot is needed", EventKind::Oops),
    ("BUG: soft lockup", EventKind::SoftLockup),
    ("watchdog: BUG: soft lockup", EventKind::SoftLockup),
    // kernel/locking/lockdep.c, kernel/rcu, kernel/sched/core.c
    ("BUG: sleeping function called from invalid context", EventKind::Lockdep),
    ("BUG: scheduling while atomic", EventKind::Lockdep),
    ("BUG: Invalid wait context", EventKind::Lockdep),
    ("[ BUG: Invalid wait context ]", EventKind::Lockdep),
    ("BUG: using ", EventKind::Lockdep),
    ("BUG: workqueue leaked ", EventKind::Lockdep),
    ("BUG: spinlock ", EventKind::Lockdep),
    ("BUG: rwlock ", EventKind::Lockdep),
    ("INFO: trying to register non-static key", EventKind::Lockdep),
    ("WARNING: possible circular locking dependency detected", EventKind::Lockdep),
    ("WARNING: possible recursive locking detected", EventKind::Lockdep),
    ("WARNING: possible irq lock inversion dependency detected", EventKind::Lockdep),
    ("WARNING: inconsistent lock state", EventKind::Lockdep),
    ("WARNING: suspicious RCU usage", EventKind::Lockdep),
    ("WARNING: bad unlock balance detected", EventKind::Lockdep),
    ("WARNING: bad contention detected", EventKind::Lockdep),
    ("WARNING: held lock freed", EventKind::Lockdep),
    ("WARNING: lock held when returning to user space", EventKind::Lockdep),
    ("WARNING: Nested lock was not taken", EventKind::Lockdep),
    // mm
    ("BUG: Bad page ", EventKind::BadPage),
    ("BUG: Bad rss-counter state", EventKind::BadPage),
    ("BUG: non-zero pgtables_bytes", EventKind::BadPage),
    ("refcount_t: ", EventKind::Refcount),
    ("list_add corruption", EventKind::ListCorruption),
    ("list_add double add", EventKind::ListCorruption),
    ("list_del corruption", EventKind::ListCorruption),
    ("unregister_netdevice: waiting for ", EventKind::NetdeviceLeak),
    ("mce: [Hardware Error]: ", EventKind::MachineCheck),
    ("kernel BUG at ", EventKind::Bug),
    ("CFI failure at ", EventKind::Bug),
];

/// What the processor's exceptions are called where the kernel dies of one: the line ends in the
/// count of such deaths, `[#1]`. User space dies of them too, in other words.
const EXCEPTIONS: &[&str] = &[
    "Oops",
    "general protection fault",
    "invalid opcode",
    "int3",
    "divide error",
    "stack segment",
    "alignment check",
    "control protection fault",
    "segment not present",
    "invalid TSS",
    "kernel stack overflow",
    "Internal error",
];

/// Lines that begin as BUG and only say that a table of lockdep or of printk is full.
const FULL_TABLES: &[&str] = &["BUG: MAX_LOCK", "BUG: MAX_STACK_TRACE", "BUG: recent printk"];

/// What a line of the kernel log, without prefixes, says has happened; nothing for ordinary lines.
///
/// Every form is bound to the start of the line, because drivers, file systems and programs put
/// words like BUG and WARNING behind their own name. A failed page allocation is no event: the
/// kernel may fail those.
#[must_use]
pub fn classify(line: &str) -> Option<EventKind> {
    let line = line.trim_start();
    if FULL_TABLES.iter().any(|text| line.starts_with(text)) {
        return None;
    }
    let known = BEGINNINGS.iter().find(|(text, _)| line.starts_with(text));
    match known.map(|(_, kind)| *kind) {
        Some(EventKind::Panic) if line.contains("Attempted to kill init") => {
            Some(EventKind::InitKilled)
        }
        Some(kind) => Some(kind),
        None => classify_composed(line),
    }
}

/// The forms that are known by more than their beginning.
fn classify_composed(line: &str) -> Option<EventKind> {
    if is_death(line) {
        Some(EventKind::Oops)
    } else if is_warning(line) {
        Some(EventKind::Warning)
    } else if is_lock_order(line) {
        Some(EventKind::Lockdep)
    } else if is_rcu_stall(line) {
        Some(EventKind::RcuStall)
    } else if is_hung_task(line) {
        Some(EventKind::HungTask)
    } else if is_hard_lockup(line) {
        Some(EventKind::HardLockup)
    } else if is_slab_report(line) {
        Some(EventKind::BadPage)
    } else if line.starts_with("kmemleak: ") && line.contains("new suspected memory leaks") {
        Some(EventKind::MemoryLeak)
    } else {
        line.starts_with("BUG: ").then_some(EventKind::Bug)
    }
}

/// `Oops: 0002 [#1] PREEMPT SMP`, `general protection fault, …: 0000 [#1]`: the count sets it apart
/// from what is said about programs.
fn is_death(line: &str) -> bool {
    let counted = || {
        let (_, rest) = line.split_once("[#")?;
        let (number, _) = rest.split_once(']')?;
        Some(!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    EXCEPTIONS.iter().any(|name| line.starts_with(name)) && counted() == Some(true)
}

/// `WARNING: CPU: 1 PID: 7 at kernel/x.c:3 f+0x1/0x2`, or since 6.19 `WARNING: kernel/x.c:3 at
/// f+0x1/0x2, CPU#1: comm/7`. A bare `WARNING:` may be any driver's opinion.
fn is_warning(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("WARNING: ") else { return false };
    let cpu = rest.starts_with("CPU: ") && rest.contains(" PID: ");
    let at = rest.starts_with("at ") || rest.contains(" at ");
    at && (cpu || rest.contains("+0x") || (rest.contains(" PID: ") || rest.contains("CPU#")))
}

/// `WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected`, and the task that leaves with
/// locks held: `WARNING: sh/12 still has locks held!`.
fn is_lock_order(line: &str) -> bool {
    line.starts_with("WARNING: ")
        && (line.contains("-unsafe lock order detected") || line.contains("still has locks held!"))
}

/// `rcu: INFO: rcu_preempt self-detected stall on CPU`, with or without its prefix.
fn is_rcu_stall(line: &str) -> bool {
    let line = line.strip_prefix("rcu: ").unwrap_or(line);
    line.starts_with("INFO: rcu") && line.contains(" stall")
}

/// `INFO: task kworker/0:1:12 blocked for more than 120 seconds.`, and newer kernels say in what.
fn is_hung_task(line: &str) -> bool {
    line.starts_with("INFO: task ")
        && line.split_once(" blocked ").is_some_and(|(_, rest)| rest.contains("for more than "))
}

/// `NMI watchdog: Watchdog detected hard LOCKUP on cpu 0`, under either name of the watchdog.
fn is_hard_lockup(line: &str) -> bool {
    let watchdog = ["watchdog: ", "NMI watchdog: ", "Watchdog "];
    watchdog.iter().any(|text| line.starts_with(text)) && line.contains("detected hard LOCKUP")
}

/// `BUG kmalloc-64 (Not tainted): Right Redzone overwritten`, of mm/slub.c.
fn is_slab_report(line: &str) -> bool {
    let tainted = |rest: &str| rest.contains(" (Tainted: ") || rest.contains(" (Not tainted)");
    line.strip_prefix("BUG ").is_some_and(tainted)
}

/// Takes what a console puts before the text off a line: a level `<4>`, the time `[    1.234567]`,
/// the caller `[    T1]`. Says whether there was a time.
pub(super) fn strip_console_prefix(line: &str) -> (&str, bool) {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = strip_bracketed(line, ('<', '>'), is_level).unwrap_or(line);
    let Some(rest) = strip_bracketed(line, ('[', ']'), is_time) else { return (line, false) };
    let rest = strip_bracketed(rest, ('[', ']'), is_caller).unwrap_or(rest);
    (rest.strip_prefix(' ').unwrap_or(rest), true)
}

fn strip_bracketed(
    line: &str,
    (open, close): (char, char),
    accepts: fn(&str) -> bool,
) -> Option<&str> {
    let (inside, rest) = line.strip_prefix(open)?.split_once(close)?;
    accepts(inside.trim()).then_some(rest)
}

fn is_level(text: &str) -> bool {
    is_number(text)
}

fn is_time(text: &str) -> bool {
    text.split_once('.').is_some_and(|(seconds, rest)| is_number(seconds) && is_number(rest))
}

fn is_caller(text: &str) -> bool {
    text.strip_prefix(['T', 'C']).is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

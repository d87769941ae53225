use super::*;

/// The log split into reports, as kmsg records of the kernel.
fn found(log: &str) -> Vec<(EventKind, String)> {
    let mut detector = Detector::new();
    log.lines().for_each(|line| detector.push_kmsg(4, line.trim_start()));
    detector.events().into_iter().map(|event| (event.kind, event.title)).collect()
}

#[track_caller]
fn one(log: &str, kind: EventKind, title: &str) {
    assert_eq!(found(log), [(kind, title.to_owned())], "{log}");
}

#[test]
fn panics_of_each_cause_are_panics() {
    for title in [
        "Kernel panic - not syncing: sysrq triggered crash",
        "Kernel panic - not syncing: Fatal exception in interrupt",
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2",
        "Kernel panic - not syncing: Attempted to kill the idle task!",
        "Kernel panic - not syncing: kernel: panic_on_warn set ...",
    ] {
        let log = format!(
            "sysrq: Trigger a crash
            {title}
            CPU: 0 PID: 96 Comm: sh Not tainted 6.1.0-18-cloud-amd64 #1  Debian 6.1.76-1
            Call Trace:
             <TASK>
             dump_stack_lvl+0x44/0x5c
             panic+0x118/0x2ed
             </TASK>
            Kernel Offset: 0x3000000 from 0xffffffff81000000
            ---[ end {title} ]---"
        );
        one(&log, EventKind::Panic, title);
    }
}

#[test]
fn the_end_of_init_is_told_from_other_panics() {
    let title = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b";
    one(title, EventKind::InitKilled, title);
}

#[test]
fn an_oops_is_one_event_from_its_bug_line_to_its_end() {
    let log = "\
        BUG: kernel NULL pointer dereference, address: 0000000000000000
        #PF: supervisor write access in kernel mode
        #PF: error_code(0x0002) - not-present page
        PGD 0 P4D 0
        Oops: 0002 [#1] PREEMPT SMP PTI
        CPU: 1 PID: 61 Comm: iscsi_trx Not tainted 6.1.0-18-cloud-amd64 #1  Debian 6.1.76-1
        RIP: 0010:fd_execute_rw_aio+0xab/0x1f0 [target_core_file]
        Call Trace:
         <TASK>
         ? __die_body.cold+0x1a/0x1f
         </TASK>
        Modules linked in: iscsi_target_mod target_core_file
        CR2: 0000000000000000
        ---[ end trace 0000000000000000 ]---
        RIP: 0010:fd_execute_rw_aio+0xab/0x1f0 [target_core_file]
        iscsi: unrelated later line";
    one(log, EventKind::Oops, "BUG: kernel NULL pointer dereference, address: 0000000000000000");
    let mut detector = Detector::new();
    log.lines().for_each(|line| detector.push_kmsg(1, line.trim_start()));
    let lines = &detector.events()[0].lines;
    assert_eq!(lines.len(), 14);
    assert_eq!(lines[13], "---[ end trace 0000000000000000 ]---");
}

#[test]
fn deaths_by_exception_are_oopses() {
    for title in [
        "BUG: unable to handle page fault for address: ffffc90000a3fff8",
        "BUG: unable to handle kernel paging request at ffff8881",
        "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP NOPTI",
        "general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1] SMP PTI",
        "general protection fault: 0000 [#2] SMP",
        "invalid opcode: 0000 [#1] SMP PTI",
        "int3: 0000 [#1] SMP PTI",
        "divide error: 0000 [#1] PREEMPT SMP",
        "Oops: divide error: 0000 [#1] SMP",
        "stack segment: 0000 [#1] SMP",
        "traps: PANIC: double fault, error_code: 0x0",
        "BUG: TASK stack guard page was hit at 00000000a7 (stack is 00..00)",
        "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
    ] {
        one(title, EventKind::Oops, title);
    }
}

#[test]
fn two_oopses_are_two_events() {
    let log = "\
        BUG: unable to handle page fault for address: ffffc90000a3fff8
        Oops: 0000 [#1] PREEMPT SMP PTI
        BUG: unable to handle page fault for address: ffffc90000a3eff8
        Oops: 0000 [#2] PREEMPT SMP PTI";
    assert_eq!(found(log).len(), 2);
}

#[test]
fn a_kasan_remark_belongs_to_the_oops_it_explains() {
    let log = "\
        Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP KASAN NOPTI
        KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]
        ---[ end trace 0000000000000000 ]---";
    assert_eq!(found(log)[0].0, EventKind::Oops);
    assert_eq!(found(log).len(), 1);
}

#[test]
fn bug_is_one_event_in_old_and_new_kernels() {
    for death in ["invalid opcode: 0000 [#1] SMP PTI", "Oops: invalid opcode: 0000 [#1] SMP NOPTI"]
    {
        let log = format!(
            "------------[ cut here ]------------
            kernel BUG at drivers/target/target_core_transport.c:2771!
            {death}
            RIP: 0010:target_put_sess_cmd+0x1/0x2
            ---[ end trace 0000000000000000 ]---"
        );
        one(&log, EventKind::Bug, "kernel BUG at drivers/target/target_core_transport.c:2771!");
    }
}

#[test]
fn bugs_without_a_kind_of_their_own_are_bugs() {
    for title in [
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!",
        "BUG: Dentry 00000000c0ffee00{i=3,n=x} still in use (1) [unmount of tmpfs tmpfs]",
        "CFI failure at f+0x1/0x2 (target: g+0x0/0x10; expected type: 0x12345678)",
    ] {
        one(title, EventKind::Bug, title);
    }
}

#[test]
fn warnings_of_all_formats_are_warnings() {
    for title in [
        "WARNING: CPU: 0 PID: 1 at kernel/workqueue.c:1672 __queue_delayed_work+0x55/0x60",
        "WARNING: CPU: 3 PID: 842 at drivers/x.c:12 x_probe+0x1b/0x30 [x]",
        "WARNING: CPU: 0 PID: 40 at fs/ext4/inode.c:99 0xffffffff81234567",
        "WARNING: kernel/locking/mutex.c:156 at mutex_lock+0x12/0x40, CPU#2: kworker/2:1/88",
        "WARNING: lib/test_x.c:7 at 0xffffffffc0000000 [x], CPU#0: sh/12",
    ] {
        let log = format!(
            "------------[ cut here ]------------
            {title}
            Modules linked in: x(O)
            RIP: 0010:x_probe+0x1b/0x30 [x]
            Call Trace:
             <TASK>
             </TASK>
            ---[ end trace 0000000000000000 ]---
            x: probed"
        );
        one(&log, EventKind::Warning, title);
    }
}

#[test]
fn broken_locking_rules_are_lockdep() {
    for title in [
        "WARNING: possible circular locking dependency detected",
        "WARNING: possible recursive locking detected",
        "WARNING: possible irq lock inversion dependency detected",
        "WARNING: inconsistent lock state",
        "WARNING: suspicious RCU usage",
        "WARNING: bad unlock balance detected!",
        "WARNING: held lock freed!",
        "WARNING: lock held when returning to user space!",
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
        "WARNING: sh/96 still has locks held!",
        "[ BUG: Invalid wait context ]",
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
        "BUG: scheduling while atomic: kworker/0:1/12/0x00000002",
        "BUG: using smp_processor_id() in preemptible [00000000] code: sh/96",
        "BUG: spinlock bad magic on CPU#0, swapper/0/1",
        "INFO: trying to register non-static key.",
    ] {
        let log = format!(
            "======================================================
            {title}
            6.1.76 #1 Tainted: G        W
            ------------------------------------------------------
            stack backtrace:
            Call Trace:
             <TASK>
             </TASK>
            unrelated later line"
        );
        one(&log, EventKind::Lockdep, title);
    }
}

#[test]
fn sanitizers_have_kinds_of_their_own() {
    for (title, kind) in [
        (
            "BUG: KASAN: slab-out-of-bounds in kmalloc_oob_right+0x1/0x2 [test_kasan]",
            EventKind::Kasan,
        ),
        ("BUG: KASAN: slab-use-after-free in iscsit_close+0x1/0x2", EventKind::Kasan),
        ("BUG: KMSAN: uninit-value in test_uninit+0x1/0x2", EventKind::Kmsan),
        ("UBSAN: array-index-out-of-bounds in drivers/target/x.c:12:7", EventKind::Ubsan),
        ("UBSAN: shift-out-of-bounds in lib/x.c:1:2", EventKind::Ubsan),
        ("BUG: KCSAN: data-race in f / g", EventKind::Kcsan),
        ("BUG: KFENCE: use-after-free read in test_use_after_free_read+0x1/0x2", EventKind::Kfence),
    ] {
        let rule = "==================================================================";
        let log = format!("{rule}\n{title}\nRead of size 1 at addr ffff888 by task sh/9\n{rule}");
        one(&log, kind, title);
    }
}

#[test]
fn lockups_stalls_and_hung_tasks_are_told_apart() {
    for (title, kind) in [
        ("INFO: task kworker/0:1:12 blocked for more than 120 seconds.", EventKind::HungTask),
        ("INFO: task sh:96 blocked in I/O wait for more than 122 seconds.", EventKind::HungTask),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:96]", EventKind::SoftLockup),
        ("NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", EventKind::HardLockup),
        ("watchdog: Watchdog detected hard LOCKUP on cpu 3", EventKind::HardLockup),
        ("watchdog: CPU2: Watchdog detected hard LOCKUP on cpu 2", EventKind::HardLockup),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", EventKind::RcuStall),
        ("rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", EventKind::RcuStall),
        (
            "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-.... } 21 jiffies s: 9 root: 0x1/.",
            EventKind::RcuStall,
        ),
        ("INFO: rcu_tasks detected stalls on tasks:", EventKind::RcuStall),
    ] {
        one(&format!("{title}\nCall Trace:\n <TASK>\n </TASK>\nlater"), kind, title);
    }
}

#[test]
fn damaged_memory_is_found() {
    for (title, kind) in [
        ("BUG: Bad page state in process sh  pfn:0af21", EventKind::BadPage),
        ("BUG: Bad page map in process sh  pte:8000000 pmd:0af21067", EventKind::BadPage),
        (
            "BUG: Bad rss-counter state mm:00000000c0ffee type:MM_ANONPAGES val:1",
            EventKind::BadPage,
        ),
        ("BUG kmalloc-64 (Not tainted): Right Redzone overwritten", EventKind::BadPage),
        ("BUG kmalloc-8 (Tainted: G    B  ): Object already free", EventKind::BadPage),
        (
            "unregister_netdevice: waiting for lo to become free. Usage count = 2",
            EventKind::NetdeviceLeak,
        ),
        (
            "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            EventKind::MemoryLeak,
        ),
        (
            "mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: b200000000070f0f",
            EventKind::MachineCheck,
        ),
    ] {
        one(title, kind, title);
    }
}

#[test]
fn the_reason_of_a_warning_or_bug_gives_the_event_its_kind() {
    let log = "\
        ------------[ cut here ]------------
        refcount_t: underflow; use-after-free.
        WARNING: CPU: 0 PID: 9 at lib/refcount.c:28 refcount_warn_saturate+0xbe/0x110
        ---[ end trace 0000000000000000 ]---";
    one(log, EventKind::Refcount, "refcount_t: underflow; use-after-free.");
    let log = "\
        list_del corruption. prev->next should be ffff888003a1, but was dead000000000100
        ------------[ cut here ]------------
        kernel BUG at lib/list_debug.c:51!
        invalid opcode: 0000 [#1] SMP PTI
        ---[ end trace 0000000000000000 ]---";
    let title = "list_del corruption. prev->next should be ffff888003a1, but was dead000000000100";
    // The line between the reason and the BUG is the only one there may be.
    assert_eq!(found(log)[0], (EventKind::ListCorruption, title.to_owned()));
    assert_eq!(found(log).len(), 1);
}

#[test]
fn ordinary_lines_are_no_events() {
    for line in [
        "mce: CPU supports 10 MCE banks",
        "mce: Using 10 MCE banks",
        "Warning: unmaintained driver is detected: ip_tables",
        "WARNING: this driver is experimental",
        "WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible!",
        "debug: BUG: nothing",
        "systemd[1]: Kernel panic - not syncing: just kidding",
        "sh[96]: Oops: 0002 [#1] PREEMPT",
        "traps: prog[123] general protection fault ip:401000 sp:7ffd error:0 in prog[400000+1000]",
        "traps: prog[123] trap invalid opcode ip:401000 sp:7ffd error:0 in prog[400000+1000]",
        "prog[123]: segfault at 0 ip 0000000000401000 sp 00007ffd error 6",
        "kworker/0:1: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO)",
        "Out of memory: Killed process 96 (sh) total-vm:1000kB",
        "kmemleak: Kernel memory leak detector initialized (mem pool available: 15712)",
        "kmemleak: Automatic memory scanning thread started",
        "watchdog: Delayed init of the lockup detector failed: -19",
        "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
        "rcu: INFO: rcu_preempt kthread is fine",
        "rcu: Hierarchical RCU implementation.",
        "INFO: lockdep is turned off.",
        "INFO: task scheduling is on",
        "BUG: MAX_LOCKDEP_CHAINS too low!",
        "Running tests: oops, BUG and WARNING paths",
        "Oops tracking enabled",
        "panic=-1 in the command line",
        "Kernel command line: panic_on_oops=1 oops=panic",
        "KASAN: stack instrumentation enabled",
        "kasan: KernelAddressSanitizer initialized (generic)",
        "kfence: initialized - using 2097152 bytes for 255 objects at 0x0-0x1",
        "---[ end Kernel panic - not syncing: Fatal exception ]---",
        "BUG",
        "",
    ] {
        assert_eq!(classify(line), None, "{line}");
    }
}

const OOPS: &str = "BUG: kernel NULL pointer dereference, address: 0000000000000008";

#[test]
fn user_space_cannot_fake_an_event_on_either_source() {
    let mut detector = Detector::new();
    // Facility 1 is user, 3 is daemon; level 3 either way.
    detector.push_kmsg(8 + 3, OOPS);
    detector.push_kmsg(24 + 3, "Kernel panic - not syncing: no");
    detector.push_console(&format!("[    1.500000] {OOPS}"));
    detector.push_console("[    1.600000] Kernel panic - not syncing: no");
    // A program's own output has no timestamp.
    detector.push_console("Kernel panic - not syncing: printed");
    assert_eq!(detector.events(), []);
    detector.push_kmsg(3, OOPS);
    assert_eq!(detector.events().len(), 1);
}

#[test]
fn console_prefixes_of_all_kinds_are_taken_off() {
    for prefix in [
        "",
        "[    1.234567] ",
        "[12345.678901] ",
        "[    1.234567][    T1] ",
        "[    1.234567][   C0] ",
        "<1>[    1.234567] ",
        "<1>[    1.234567][ T1234] ",
    ] {
        let mut detector = Detector::new();
        detector.push_console(&format!("{prefix}{OOPS}\r"));
        let events = detector.events();
        assert_eq!(events.len(), 1, "{prefix}");
        assert_eq!((events[0].title.as_str(), events[0].source), (OOPS, Source::Console));
    }
}

#[test]
fn the_console_only_adds_what_kmsg_did_not_deliver() {
    let panic = "Kernel panic - not syncing: Fatal exception";
    let mut detector = Detector::new();
    detector.push_kmsg(1, OOPS);
    for line in [OOPS, panic] {
        detector.push_console(&format!("[    1.000000] {line}"));
    }
    let seen: Vec<_> = detector.events().into_iter().map(|e| (e.kind, e.source)).collect();
    assert_eq!(seen, [(EventKind::Oops, Source::Kmsg), (EventKind::Panic, Source::Console)]);
    // A second event of the same title, which kmsg lost.
    detector.push_console(&format!("[    2.000000] {OOPS}"));
    assert_eq!(detector.events().len(), 3);
}

#[test]
fn reports_and_their_number_are_bounded() {
    let mut detector = Detector::new();
    for _ in 0..1000 {
        detector.push_kmsg(1, OOPS);
        for _ in 0..100 {
            detector.push_kmsg(1, &"ü".repeat(10_000));
        }
    }
    let events = detector.events();
    assert_eq!(events.len(), EVENTS_MAX);
    assert!(events.iter().all(|event| event.lines.len() == EVENT_LINES_MAX));
    assert!(events.iter().flat_map(|event| &event.lines).all(|line| line.len() <= 2 * LINE_MAX));
}

#[test]
fn a_record_of_several_lines_is_read_line_by_line() {
    let mut detector = Detector::new();
    detector.push_kmsg(1, &format!("something first\n{OOPS}\n#PF: more"));
    assert_eq!(detector.events()[0].lines, [OOPS, "#PF: more"]);
}

//! Storage that fails: devices and steps that the kernel refuses, and more written than the guest has memory for.

use lunlab_tests::{Lunlab, built};

use crate::specs::SHORT;

/// One storage object on a LUN.
fn exported(object: &str) -> String {
    let (_, target) = SHORT.split_once("[[target]]").unwrap();
    format!("[[storage_object]]\nname = \"disk0\"\n{object}\n[[target]]{target}")
}

/// What is not compressible is written to the LUN, by an initiator that is not ours.
const FILL: &str = r#"
[machine]
memory = "192M"
[[benchmark]]
workload = "host-command"
command = ["sh", "-c", "head -c 1048576 /dev/urandom > noise; exec qemu-io -f raw -c 'write -s noise 0 250M' $LUNLAB_URL_0"]
"#;

#[test]
fn writing_more_than_the_guest_has_memory_for_fails_for_the_initiator_alone() {
    for (object, said) in [
        ("backstore = \"fileio\"", "fd_do_rw() write returned "),
        ("backstore = \"block\"\ndevice = \"loop\"", "loop: Write error at byte offset"),
        ("backstore = \"block\"\ndevice = \"zram\"", "bio error: "),
    ] {
        let text = exported(&format!("{object}\nsize = \"256M\"")) + FILL;
        let run = Lunlab::run().spec(&text).start().leaves_nothing();
        let verdict = run.verdict("fail", 1);
        assert!(verdict.reason.contains(&format!("; kernel: {said}")), "{verdict:#?}");
        assert!(verdict.also.is_empty(), "{verdict:#?}");
        let output = run.result()["benchmarks"][0]["findings"]["output"].to_string();
        assert!(output.contains("write failed: "), "{output}");
        // The guest lives: it took its target down and said the last word.
        assert!(run.result()["timeline"].to_string().contains("torn-down"), "{}", run.story());
        run.shows("sparse storage of 256 MiB may take ")
            .shows("does not fit into the guest's memory");
    }
}

/// Whether a failing step is told with its number, its error, a line of the kernel's, and a way out beside the verdict.
#[track_caller]
fn step_fails(lunlab: Lunlab, parts: &[&str], hint: &str) {
    let run = lunlab.start().leaves_nothing();
    let verdict = run.verdict("provision", 9);
    assert!(verdict.reason.contains(" (step ") && verdict.also.is_empty(), "{verdict:#?}");
    for part in parts {
        assert!(verdict.reason.contains(part), "no {part:?} in {verdict:#?}");
    }
    let (_, after) = run.stdout.rsplit_once("PROVISION (exit 9)").unwrap();
    assert!(after.contains(&format!("hint             {hint}")), "{}", run.story());
}

#[test]
fn a_device_or_step_that_fails_is_told_with_what_the_kernel_said_of_it() {
    // How deep a disk's queue is, only the kernel knows.
    let disk = exported(
        "backstore = \"block\"\ndevice = \"disk\"\ndisk = \"d0\"\nattributes = { queue_depth = 100000 }",
    );
    let disk = format!("[[disk]]\nserial = \"d0\"\nsize = \"16M\"\n{disk}");
    step_fails(
        Lunlab::run().spec(&disk),
        &[
            "write 100000 to /sys/kernel/config/target/core/iblock_0/disk0/attrib/queue_depth: EINVAL",
            "; kernel: dev[",
            "exceeds TCM/SE_Device MAX TCQ",
        ],
        "at most hw_queue_depth",
    );
    let brd = exported("backstore = \"block\"\nsize = \"16M\"\ndevice = \"brd\"");
    let none = format!("{brd}\n[kernel]\nmodule_parameters = {{ brd = \"rd_nr=0\" }}\n");
    step_fails(
        Lunlab::run().spec(&none),
        &["find /dev/ram0: the kernel shows no such device", " (step 1 of "],
        "brd makes as many as its parameter rd_nr says",
    );
}

#[test]
fn a_portal_on_a_port_that_is_taken_says_so_though_the_kernel_answers_einval() {
    let rogue = built("LUNLAB_ROGUE", "target/agent/x86_64-unknown-linux-musl/agent/lunlab-rogue");
    let text = SHORT.replacen("tag = 1", "tag = 1\nportals = [\"127.0.0.1:3260\"]", 1);
    let options = ["--agent".as_ref(), rogue.as_os_str(), "--append".as_ref()];
    let lunlab = Lunlab::run().args(options).args(["lunlab_rogue=busy-port=3260"]).spec(&text);
    step_fails(
        lunlab,
        &[
            "tpgt_1/np/127.0.0.1:3260: EINVAL, caused by EADDRINUSE (step ",
            "; kernel: kernel_bind() failed: -98",
        ],
        "something else listens on this port",
    );
}

//! configfs-rs against the kernel's own configfs: `lunlab-configfs` makes the checks in a guest.

use lunlab_tests::{DEADLINE, boots, rtslib};

/// Every check the guest must have made. What each shows stands in tests/rtslib/src/configfs, and in
/// docs/lio.md what follows.
const CHECKS: [&str; 34] = [
    "every_attribute_of_a_known_default_is_written",
    "every_value_reads_back",
    "applying_again_changes_nothing",
    "the_defaults_in_the_tables_are_the_kernels",
    "the_tables_have_every_attribute_of_the_kernel",
    "a_busy_portal_is_einval_caused_by_eaddrinuse",
    "a_plan_that_fails_leaves_nothing",
    "a_change_that_fails_leaves_all_as_it_was",
    "a_change_gives_what_its_new_plan_alone_gives",
    "a_link_before_enable_is_enodev_with_a_hint",
    "block_size_set_before_enable_is_lost",
    "what_is_exported_keeps_its_block_size_and_serial",
    "enabling_twice_is_eexist",
    "control_takes_what_it_does_not_know",
    "enabling_makes_a_missing_file_and_leaves_it_empty",
    "a_number_followed_by_junk_is_taken",
    "cache_dynamic_acls_cannot_be_cleared_in_demo_mode",
    "credentials_keep_a_newline_and_cleared_ones_read_null",
    "an_alua_group_is_not_lba_dependent",
    "one_lun_may_have_two_directories",
    "a_portal_may_be_on_an_address_nobody_has",
    "a_portal_stands_once_in_a_target",
    "what_is_linked_cannot_be_removed",
    "loopback_without_a_nexus_gives_no_disk",
    "hw_max_sectors_is_the_backings",
    "a_ramdisk_cannot_unmap",
    "a_block_device_keeps_its_own_write_cache",
    "a_size_of_0_is_taken",
    "a_tag_out_of_range_is_einval",
    "a_long_value_is_taken_in_pieces",
    "a_write_of_nothing_is_efault",
    "an_attribute_that_is_missing_cannot_be_created",
    "a_link_is_resolved_from_the_current_directory",
    "null_blk_is_called_after_its_directory",
];

/// What is wrong with what the guest printed: a line for each check that did not pass or was not made, and one when
/// its control, which compares with a tree that was changed behind its back, did not fail.
fn wrong(printed: &str) -> Vec<String> {
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = |line: &str| lines.contains(&line);
    let missing = CHECKS.iter().filter(|name| !said(&format!("ok {name}")));
    let mut wrong: Vec<String> = missing.map(|name| format!("{name} is not ok")).collect();
    let control = |line: &&&str| line.starts_with("FAILED control: ");
    match lines.iter().find(control) {
        Some(line) if line.contains("attrib/login_timeout") => {}
        other => wrong.push(format!("the control did not fail as it must: {other:?}")),
    }
    let others = lines.iter().filter(|line| !control(line) && !line.starts_with("ok "));
    wrong.extend(others.map(|line| (*line).to_owned()));
    if lines.len() != CHECKS.len() + 1 {
        wrong.push(format!("{} lines for {} checks and a control", lines.len(), CHECKS.len()));
    }
    wrong
}

#[test]
fn the_kernel_does_as_configfs_rs_and_docs_lio_say() {
    let guest = rtslib::Guest::with_configfs_rs().unwrap_or_else(|error| panic!("{error}"));
    let turn = boots::one();
    let printed = guest.boot(&[], DEADLINE).unwrap_or_else(|error| panic!("{error}"));
    drop(turn);
    assert_eq!(wrong(&printed), [""; 0], "{printed}");
}

#[test]
fn a_check_that_failed_or_was_not_made_is_seen() {
    let mut lines = CHECKS.map(|name| format!("ok {name}")).to_vec();
    lines.push("FAILED control: target/…/attrib/login_timeout".to_owned());
    assert_eq!(wrong(&lines.join("\r\n")), [""; 0]);
    for n in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(n);
        assert_ne!(wrong(&fewer.join("\n")), [""; 0], "without line {n}");
        let mut failed = lines.clone();
        failed[n] = lines[n].replace("ok ", "FAILED ").replace("FAILED control: ", "ok control ");
        assert_ne!(wrong(&failed.join("\n")), [""; 0], "{}", failed[n]);
    }
    lines.push("ok something_else".to_owned());
    assert_ne!(wrong(&lines.join("\n")), [""; 0]);
}

#[test]
fn every_trap_in_the_document_is_checked() {
    let document = include_str!("../../../docs/lio.md");
    for name in CHECKS {
        assert!(document.contains(&format!("`{name}`")), "docs/lio.md does not name {name}");
    }
}

//! What LIO does and one would not expect, each shown on the kernel.

use crate::Named;
use crate::checks::{Bench, Outcome, ensure, refused};
use crate::configuration::{SMALL, small, steps};
use configfs_rs::plan::Step;
use configfs_rs::tree::CONFIGFS;
use configfs_rs::{Errno, TreePath};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// docs/lio.md names each of them.
pub(crate) const ALL: &[Named] = &[
    ("block_size_set_before_enable_is_lost", block_size_is_lost),
    ("what_is_exported_keeps_its_block_size_and_serial", exported_is_frozen),
    ("enabling_twice_is_eexist", enabling_twice),
    ("control_takes_what_it_does_not_know", control_takes_junk),
    ("enabling_makes_a_missing_file_and_leaves_it_empty", file_is_made),
    ("a_number_followed_by_junk_is_taken", junk_is_taken),
    ("cache_dynamic_acls_cannot_be_cleared_in_demo_mode", demo_mode_caches),
    ("credentials_keep_a_newline_and_cleared_ones_read_null", credentials),
    ("an_alua_group_is_not_lba_dependent", lba_dependent),
    ("one_lun_may_have_two_directories", two_spellings),
    ("a_portal_may_be_on_an_address_nobody_has", foreign_address),
    ("a_portal_stands_once_in_a_target", portal_stands_once),
    ("what_is_linked_cannot_be_removed", linked_stays),
    ("loopback_without_a_nexus_gives_no_disk", loopback_without_nexus),
    ("hw_max_sectors_is_the_backings", hw_max_sectors),
    ("a_ramdisk_cannot_unmap", ramdisk_cannot_unmap),
    ("a_block_device_keeps_its_own_write_cache", block_write_cache),
    ("a_size_of_0_is_taken", empty_file),
    ("a_tag_out_of_range_is_einval", tag_out_of_range),
    ("a_long_value_is_taken_in_pieces", long_value),
    ("a_write_of_nothing_is_efault", empty_write),
    ("an_attribute_that_is_missing_cannot_be_created", missing_attribute),
    ("a_link_is_resolved_from_the_current_directory", relative_link),
    ("null_blk_is_called_after_its_directory", null_blk_name),
];

const FILE: &str = "target/core/fileio_0/f";

/// A file of 1 MiB that is not enabled.
fn unenabled() -> Result<Vec<Step>, Box<dyn std::error::Error>> {
    Ok(vec![
        Step::make_directory("target/core/fileio_0")?,
        Step::make_directory(FILE)?,
        Step::write(
            &format!("{FILE}/control"),
            "fd_dev_name=/run/f,fd_dev_size=1048576",
            false,
            None,
        )?,
    ])
}

fn on_small(bench: &mut Bench, check: fn(&mut Bench) -> Outcome) -> Outcome {
    bench.with(&steps(small()?)?, check)
}

fn on_unenabled(bench: &mut Bench, check: fn(&mut Bench) -> Outcome) -> Outcome {
    let outcome = bench.with(&unenabled()?, check);
    let _may_not_be_there = fs::remove_file("/run/f");
    outcome
}

fn block_size_is_lost(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |bench| {
        let block_size = format!("{FILE}/attrib/block_size");
        bench.put(&block_size, "4096")?;
        bench.reads(&block_size, "4096")?;
        bench.put(&format!("{FILE}/enable"), "1")?;
        bench.reads(&block_size, "512")?;
        bench.put(&block_size, "4096")?;
        bench.reads(&block_size, "4096")
    })
}

fn exported_is_frozen(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        refused(bench.put(&format!("{FILE}/attrib/block_size"), "4096"), "EINVAL")?;
        refused(bench.put(&format!("{FILE}/wwn/vpd_unit_serial"), "another"), "EINVAL")
    })
}

fn enabling_twice(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| refused(bench.put(&format!("{FILE}/enable"), "1"), "EEXIST"))
}

fn control_takes_junk(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |bench| {
        let control = format!("{FILE}/control");
        bench.put(&control, "no_such_key=1,fd_dev_nmae=/x")?;
        refused(bench.put(&control, "fd_dev_size=1G"), "EINVAL")
    })
}

fn file_is_made(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |bench| {
        ensure(!Path::new("/run/f").exists(), "it is there before")?;
        bench.put(&format!("{FILE}/enable"), "1")?;
        let size = fs::metadata("/run/f")?.len();
        ensure(size == 0, format!("{size} bytes"))
    })
}

fn junk_is_taken(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let at = format!("{SMALL}/param/MaxBurstLength");
        bench.put(&at, "8192junk")?;
        bench.reads(&at, "8192junk")
    })
}

fn demo_mode_caches(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let cache = format!("{SMALL}/attrib/cache_dynamic_acls");
        bench.reads(&cache, "0")?;
        bench.put(&format!("{SMALL}/attrib/generate_node_acls"), "1")?;
        bench.reads(&cache, "1")?;
        bench.put(&cache, "0")?;
        bench.reads(&cache, "1")
    })
}

fn credentials(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let userid = format!("{SMALL}/auth/userid");
        // Not by the crate, which neither writes a newline nor gives one.
        let path = Path::new(CONFIGFS).join(&userid);
        open(&userid)?.write_all(b"user\n")?;
        let read = fs::read_to_string(path)?;
        ensure(read == "user\n\n", format!("{read:?}"))?;
        bench.put(&userid, "NULL")?;
        bench.reads(&userid, "NULL")
    })
}

fn lba_dependent(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let group = format!("{FILE}/alua/g");
        bench.reads(&format!("{group}/alua_support_lba_dependent"), "0")?;
        refused(bench.put(&format!("{group}/alua_access_state"), "4"), "EINVAL")
    })
}

fn two_spellings(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let eight = TreePath::new(&format!("{SMALL}/lun/lun_8"))?;
        bench.tree.make_group(&eight)?;
        // 010 is octal.
        let again = bench.makes(&format!("{SMALL}/lun/lun_010"));
        bench.tree.remove_group(&eight)?;
        again
    })
}

fn foreign_address(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| bench.makes(&format!("{SMALL}/np/203.0.113.7:3260")))
}

fn portal_stands_once(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let second = SMALL.replace("tpgt_1", "tpgt_2");
        let [first, second] =
            [SMALL, &second].map(|tpg| TreePath::new(&format!("{tpg}/np/127.0.0.1:3260")));
        let (first, second) = (first?, second?);
        let tpg = TreePath::new(&SMALL.replace("tpgt_1", "tpgt_2"))?;
        bench.tree.make_group(&tpg)?;
        bench.tree.make_group(&first)?;
        let outcome = refused(bench.tree.make_group(&second), "EINVAL");
        bench.tree.remove_group(&first)?;
        bench.tree.remove_group(&tpg)?;
        outcome
    })
}

fn linked_stays(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        refused(bench.tree.remove_group(&TreePath::new(FILE)?), "EBUSY")?;
        let lun = TreePath::new(&format!("{SMALL}/lun/lun_0"))?;
        refused(bench.tree.remove_group(&lun), "EBUSY")
    })
}

fn loopback_without_nexus(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let target = "target/loopback/naa.5001405d1b2e3f4a";
        let tpg = format!("{target}/tpgt_1");
        let lun = format!("{tpg}/lun/lun_0");
        let steps = [
            Step::make_directory("target/loopback")?,
            Step::make_directory(target)?,
            Step::make_directory(&tpg)?,
            Step::make_directory(&lun)?,
            Step::link(FILE, &format!("{lun}/f"))?,
        ];
        bench.with(&steps, |_| {
            let disks = fs::read_dir("/sys/class/scsi_device")?.count();
            ensure(disks == 0, format!("{disks} devices"))
        })
    })
}

fn hw_max_sectors(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        bench.reads(&format!("{FILE}/attrib/hw_max_sectors"), "16384")?;
        bench.reads("target/core/rd_mcp_0/r/attrib/hw_max_sectors", "4294967288")?;
        bench.reads("target/core/iblock_0/b/attrib/hw_max_sectors", "248")
    })
}

fn ramdisk_cannot_unmap(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let attributes = "target/core/rd_mcp_0/r/attrib";
        refused(bench.put(&format!("{attributes}/emulate_tpu"), "1"), "ENOSYS")?;
        refused(bench.put(&format!("{attributes}/emulate_rest_reord"), "1"), "ENOSYS")
    })
}

fn block_write_cache(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        refused(bench.put("target/core/iblock_0/b/attrib/emulate_write_cache", "1"), "EINVAL")
    })
}

fn empty_file(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |bench| {
        bench.put(&format!("{FILE}/control"), "fd_dev_size=0")?;
        bench.put(&format!("{FILE}/enable"), "1")?;
        bench.reads(&format!("{FILE}/enable"), "1")
    })
}

fn tag_out_of_range(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let tpg = TreePath::new(&SMALL.replace("tpgt_1", "tpgt_99999"))?;
        refused(bench.tree.make_group(&tpg), "EINVAL")
    })
}

/// An attribute as any program would open it.
fn open(attribute: &str) -> std::io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open(Path::new(CONFIGFS).join(attribute))
}

fn long_value(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |_| {
        let taken = open(&format!("{FILE}/control"))?.write(&[b'x'; 5000])?;
        ensure(taken == 4095, format!("{taken} bytes"))
    })
}

fn empty_write(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |_| {
        let error = open(&format!("{FILE}/control"))?.write(b"").err().map(Errno::from);
        ensure(error.and_then(Errno::name) == Some("EFAULT"), format!("{error:?}"))
    })
}

fn missing_attribute(bench: &mut Bench) -> Outcome {
    on_unenabled(bench, |_| {
        let at = Path::new(CONFIGFS).join(FILE).join("no_such_attribute");
        let kind = |create| {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(create).open(&at).err().map(|error| error.kind())
        };
        let kinds = (kind(false), kind(true));
        let expected = (Some(ErrorKind::NotFound), Some(ErrorKind::PermissionDenied));
        ensure(kinds == expected, format!("{kinds:?}"))
    })
}

fn relative_link(bench: &mut Bench) -> Outcome {
    on_small(bench, |bench| {
        let lun = TreePath::new(&format!("{SMALL}/lun/lun_8"))?;
        let at = bench.tree.absolute(&lun.child("f")?);
        bench.tree.make_group(&lun)?;
        let elsewhere = symlink(FILE, &at).map_err(|error| error.kind());
        std::env::set_current_dir(CONFIGFS)?;
        let there = symlink(FILE, &at);
        std::env::set_current_dir("/")?;
        let _may_not_be_there = fs::remove_file(&at);
        bench.tree.remove_group(&lun)?;
        ensure(elsewhere == Err(ErrorKind::NotFound), format!("from /: {elsewhere:?}"))?;
        Ok(there?)
    })
}

fn null_blk_name(bench: &mut Bench) -> Outcome {
    let device = TreePath::new("nullb/a_name")?;
    bench.tree.make_group(&device)?;
    let put = |name: &str, value: &str| bench.put(&format!("nullb/a_name/{name}"), value);
    let powered = put("size", "8").and_then(|()| put("power", "1"));
    let there = Path::new("/dev/a_name").exists();
    bench.tree.remove_group(&device)?;
    powered?;
    ensure(there, "no /dev/a_name")
}

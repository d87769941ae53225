//! Makes things go wrong on purpose, so that whoever relies on lunlab can see it notice.

use crate::channel::Link;
use crate::mounts::{CONFIGFS, mount_one};
use configfs_rs::tree::Tree;
use configfs_rs::{TreePath, Value};
use lunlab_protocol::event::Event;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Panics the kernel (Documentation/admin-guide/sysrq.rst, `c`).
///
/// # Errors
/// When the kernel has no sysrq.
pub fn panic_kernel() -> io::Result<()> {
    OpenOptions::new().write(true).open("/proc/sysrq-trigger")?.write_all(b"c")
}

/// Oopses the calling thread: LIO's store of `emulate_tpu` asks the backstore about unmap before
/// the backstore has a file (drivers/target/target_core_configfs.c, `emulate_tpu_store`).
/// Kernels that check for it answer with an error instead, which is told as a note.
pub fn oops(link: &Link) {
    let problem = match try_oops() {
        Ok(()) => "this kernel does not oops on emulate_tpu before enable".to_owned(),
        Err(problem) => problem,
    };
    link.tell(&Event::Note { text: &format!("provoke an oops: {problem}") });
}

fn try_oops() -> Result<(), String> {
    mount_one(&CONFIGFS).map_err(|error| error.to_string())?;
    let tree = Tree::new(CONFIGFS.at).map_err(|invalid| invalid.to_string())?;
    let path = |text: &str| TreePath::new(text).map_err(|invalid| invalid.to_string());
    for group in ["target/core/fileio_99", "target/core/fileio_99/oops"] {
        tree.make_group(&path(group)?).map_err(|error| error.to_string())?;
    }
    let attribute = path("target/core/fileio_99/oops/attrib/emulate_tpu")?;
    tree.write(&attribute, &Value::from(true)).map_err(|error| error.to_string())
}

//! A loop device over a sparse file (loop(4)).

use super::ioctl::{self, LoopSettings};
use super::system::{Node, System};
use super::{Device, DeviceError, Undo, open};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};

pub(super) fn set_up(system: &System, device: &Device) -> Result<(Node, Undo), Box<DeviceError>> {
    let file = create(&device.over, device.size)?;
    let undo = Undo::File { path: device.over.clone() };
    let (name, undo) = undo.on_failure(system, configure(system, device, &file))?;
    let undo = Undo::Loop { node: system.node(&name), undo: Box::new(undo) };
    undo.on_failure(system, check(system, device, &name))
}

/// Makes the file, sparse. One that is there already is somebody's.
fn create(path: &str, size: u64) -> Result<File, Box<DeviceError>> {
    let failed = |operation| {
        move |error: std::io::Error| {
            DeviceError::call(operation, path, Errno::from_io_error(&error).unwrap_or(Errno::IO))
        }
    };
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
    let file = file.map_err(failed("create"))?;
    let sized = file.set_len(size).map_err(failed("set size"));
    if let Err(error) = sized {
        let _first_error_counts = std::fs::remove_file(path);
        return Err(error.with_value(&size.to_string()));
    }
    Ok(file)
}

fn configure(system: &System, device: &Device, file: &File) -> Result<String, Box<DeviceError>> {
    let settings = settings(device)?;
    let path = system.node("loop-control");
    let control = open(&path, OFlags::RDWR)
        .map_err(|error| error.with_hint("is loop loaded? (CONFIG_BLK_DEV_LOOP)"))?;
    let number = ioctl::loop_free(&control)
        .map_err(|errno| DeviceError::call("LOOP_CTL_GET_FREE on", &path, errno))?;
    let name = format!("loop{number}");
    let path = system.node(&name);
    ioctl::loop_configure(&open(&path, OFlags::RDWR)?, file, &settings)
        .map_err(|errno| DeviceError::call("LOOP_CONFIGURE on", &path, errno))?;
    Ok(name)
}

fn settings(device: &Device) -> Result<LoopSettings, Box<DeviceError>> {
    let mut settings =
        LoopSettings { read_only: device.read_only, direct_io: false, block_size: 0 };
    for (key, value) in &device.parameters {
        match (key.as_str(), value.parse()) {
            ("direct_io", Ok(on @ 0..=1)) => settings.direct_io = on == 1,
            ("block_size", Ok(bytes)) => settings.block_size = bytes,
            _ => return Err(device.no_parameter(key, value)),
        }
    }
    Ok(settings)
}

/// The kernel falls back to buffered I/O without a word where the file cannot do without
/// (drivers/block/loop.c, `__loop_update_dio`).
fn check(system: &System, device: &Device, name: &str) -> Result<Node, Box<DeviceError>> {
    let asked = device.parameter("direct_io") == Some("1");
    if asked && system.read(&format!("block/{name}/loop/dio"))? == "0" {
        let cause = "the kernel goes through the page cache instead";
        return Err(DeviceError::because("use direct I/O on", &device.over, cause)
            .with_hint("its file system or its block size does not allow direct I/O"));
    }
    system.expect(name)
}

pub(super) fn take_down(node: &str) -> Result<(), Box<DeviceError>> {
    let device = rustix::fs::open(node, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| DeviceError::call("open", node, errno))?;
    ioctl::loop_clear(&device).map_err(|errno| DeviceError::call("LOOP_CLR_FD on", node, errno))
}

#[cfg(test)]
mod tests {
    use super::{create, settings};
    use crate::device::tests::device;
    use lunlab_protocol::target::DeviceKind;

    #[test]
    fn a_file_that_is_there_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file").display().to_string();
        assert_eq!(create(&path, 1 << 30).unwrap().metadata().unwrap().len(), 1 << 30);
        let error = create(&path, 5).unwrap_err();
        assert_eq!(error.to_string(), format!("create {path}: EEXIST"));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 30);
    }

    #[test]
    fn a_file_that_cannot_have_its_size_is_not_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file").display().to_string();
        let error = create(&path, u64::MAX).unwrap_err();
        assert!(error.to_string().contains(&u64::MAX.to_string()), "{error}");
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn settings_are_the_kernels_or_refused() {
        let with = |key, value| settings(&device(DeviceKind::Loop, "/x", &[(key, value)]));
        assert!(with("direct_io", "1").unwrap().direct_io);
        assert!(!with("direct_io", "0").unwrap().direct_io);
        assert_eq!(with("block_size", "4096").unwrap().block_size, 4096);
        for (key, value) in
            [("direct_io", "2"), ("direct_io", "yes"), ("block_size", "-1"), ("x", "1")]
        {
            let error = with(key, value).err().unwrap().to_string();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }
}

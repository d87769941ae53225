//! Targets of the device mapper on top of another device
//! (Documentation/admin-guide/device-mapper/{delay,dm-flakey}.rst, include/uapi/linux/dm-ioctl.h).

use super::ioctl::{self, DM_HEADER};
use super::system::{Node, System};
use super::{Device, DeviceError, Undo, open};
use lunlab_protocol::target::DeviceKind;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

#[derive(Clone, Copy)]
enum Command {
    Create,
    Remove,
    Suspend,
    Load,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "DM_DEV_CREATE of",
            Self::Remove => "DM_DEV_REMOVE of",
            Self::Suspend => "DM_DEV_SUSPEND (resume) of",
            Self::Load => "DM_TABLE_LOAD of",
        }
    }

    /// `DM_DEV_CREATE_CMD` and so on: their place in the kernel's own list.
    fn code(self) -> u8 {
        match self {
            Self::Create => 3,
            Self::Remove => 4,
            Self::Suspend => 6,
            Self::Load => 9,
        }
    }
}

/// `DM_NAME_LEN`, its NUL included.
const NAME: usize = 128;

/// `DM_READONLY_FLAG`.
const READ_ONLY: u32 = 1;

/// What a device is made of.
struct Table {
    target: &'static str,
    sectors: u64,
    parameters: String,
    read_only: bool,
}

pub(super) fn set_up(system: &System, device: &Device) -> Result<(Node, Undo), Box<DeviceError>> {
    let table = table(system, device)?;
    let name = format!("lunlab-{}", device.name);
    let control = control(system)?;
    let answer = send(&control, Command::Create, message(&name, 0))?;
    let undo = Undo::DeviceMapper { name: name.clone() };
    let activate = || {
        send(&control, Command::Load, load(&name, &table)).map_err(|error| {
            let hint = format!(
                "the table was `0 {} {} {}`",
                table.sectors, table.target, table.parameters
            );
            error.with_hint(hint)
        })?;
        // Without DM_SUSPEND_FLAG it is a resume, which makes the loaded table the live one.
        send(&control, Command::Suspend, message(&name, 0))?;
        system.expect(&format!("dm-{}", minor(&answer)))
    };
    undo.on_failure(system, activate())
}

pub(super) fn take_down(system: &System, name: &str) -> Result<(), Box<DeviceError>> {
    send(&control(system)?, Command::Remove, message(name, 0)).map(drop)
}

fn control(system: &System) -> Result<OwnedFd, Box<DeviceError>> {
    // devtmpfs has the node as soon as the module is loaded.
    open(&system.node("mapper/control"), OFlags::RDWR)
        .map_err(|error| error.with_hint("is dm_mod loaded? (CONFIG_BLK_DEV_DM)"))
}

fn table(system: &System, device: &Device) -> Result<Table, Box<DeviceError>> {
    let below = super::link(system, &device.over);
    let failed = |errno| DeviceError::call("stat", &below, errno);
    let number = rustix::fs::stat(&below).map_err(failed)?.st_rdev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let size = system.read(&format!("dev/block/{major}:{minor}/size"))?;
    let sectors = size.parse().unwrap_or(0);
    let over = format!("{major}:{minor} 0");
    let (target, parameters) = match device.kind {
        DeviceKind::Flakey => ("flakey", flakey(device, &over)?),
        _ => ("delay", delay(device, &over)?),
    };
    Ok(Table { target, sectors, parameters, read_only: device.read_only })
}

/// `read` and `write` in milliseconds; what is not named is not delayed. Without the second half
/// of the table, the delay of reads would be that of writes too (drivers/md/dm-delay.c).
fn delay(device: &Device, over: &str) -> Result<String, Box<DeviceError>> {
    let (mut read, mut write) = (0u32, 0u32);
    for (key, value) in &device.parameters {
        match (key.as_str(), value.parse()) {
            ("read", Ok(milliseconds)) => read = milliseconds,
            ("write", Ok(milliseconds)) => write = milliseconds,
            _ => return Err(device.no_parameter(key, value)),
        }
    }
    Ok(format!("{over} {read} {over} {write}"))
}

/// `up` and `down` in seconds, and how it fails while down: `error_writes=1`, `drop_writes=1`, or
/// neither for everything.
fn flakey(device: &Device, over: &str) -> Result<String, Box<DeviceError>> {
    let (mut up, mut down, mut features) = (0u32, 0u32, Vec::new());
    for (key, value) in &device.parameters {
        match (key.as_str(), value.parse()) {
            ("up", Ok(seconds)) => up = seconds,
            ("down", Ok(seconds)) => down = seconds,
            ("drop_writes" | "error_writes", Ok(0)) => {}
            ("drop_writes" | "error_writes", Ok(1)) => features.push(key.as_str()),
            _ => return Err(device.no_parameter(key, value)),
        }
    }
    let table = format!("{over} {up} {down}");
    Ok(match features.as_slice() {
        [] => table,
        some => format!("{table} {} {}", some.len(), some.join(" ")),
    })
}

fn send(
    control: &OwnedFd,
    command: Command,
    mut message: Vec<u8>,
) -> Result<Vec<u8>, Box<DeviceError>> {
    let name = name_of(&message);
    ioctl::device_mapper(control, command.code(), &mut message)
        .map_err(|errno| DeviceError::call(command.name(), &name, errno))?;
    Ok(message)
}

/// `struct dm_ioctl`: version 4.0.0, the data after the header, the flags and the name.
fn message(name: &str, flags: u32) -> Vec<u8> {
    let mut header = vec![0; DM_HEADER];
    put(&mut header, 0, &4u32.to_ne_bytes());
    put(&mut header, 16, &u32::try_from(DM_HEADER).unwrap_or(0).to_ne_bytes());
    put(&mut header, 28, &flags.to_ne_bytes());
    put(&mut header, 48, name.as_bytes().get(..name.len().min(NAME - 1)).unwrap_or(&[]));
    header
}

/// A header, one `struct dm_target_spec`, and the target's own words, ended by NUL.
fn load(name: &str, table: &Table) -> Vec<u8> {
    let mut message = message(name, if table.read_only { READ_ONLY } else { 0 });
    put(&mut message, 20, &1u32.to_ne_bytes());
    let mut spec = [0; 40];
    put(&mut spec, 8, &table.sectors.to_ne_bytes());
    put(&mut spec, 24, table.target.as_bytes());
    message.extend(spec);
    message.extend(table.parameters.as_bytes());
    // The kernel wants whole words.
    message.resize((message.len() + 8).next_multiple_of(8), 0);
    message
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    to.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

fn name_of(message: &[u8]) -> String {
    let name = message.iter().skip(48).take_while(|byte| **byte != 0).copied().collect();
    String::from_utf8(name).unwrap_or_default()
}

/// The minor number in an answer's `dev`.
fn minor(answer: &[u8]) -> u32 {
    let dev =
        answer.get(40..48).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
    rustix::fs::minor(dev)
}

#[cfg(test)]
mod tests {
    use super::{Table, delay, flakey, load, message, minor, name_of};
    use crate::device::tests::device;
    use lunlab_protocol::target::DeviceKind;

    #[test]
    fn a_delay_is_told_for_both_directions() {
        let with = |parameters: &[(&str, &str)]| {
            delay(&device(DeviceKind::Delay, "disk0", parameters), "252:0 0")
        };
        assert_eq!(with(&[("read", "10"), ("write", "20")]).unwrap(), "252:0 0 10 252:0 0 20");
        assert_eq!(with(&[("read", "10")]).unwrap(), "252:0 0 10 252:0 0 0");
        assert!(with(&[("read", "10ms")]).is_err());
        assert!(with(&[("reed", "10")]).is_err());
    }

    #[test]
    fn a_flakey_device_counts_its_features() {
        let with = |parameters: &[(&str, &str)]| {
            flakey(&device(DeviceKind::Flakey, "disk0", parameters), "252:0 0")
        };
        let times = [("up", "10"), ("down", "1")];
        assert_eq!(with(&times).unwrap(), "252:0 0 10 1");
        let drops = [times.as_slice(), &[("drop_writes", "1"), ("error_writes", "0")]].concat();
        assert_eq!(with(&drops).unwrap(), "252:0 0 10 1 1 drop_writes");
        assert!(with(&[("drop_writes", "2")]).is_err());
    }

    #[test]
    fn a_table_stands_where_the_kernel_looks_for_it() {
        let table = Table {
            target: "delay",
            sectors: 2 << 20,
            parameters: "252:0 0 10".into(),
            read_only: true,
        };
        let bytes = load("lunlab-slow", &table);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(16), word(20), word(28)), (4, 312, 1, 1));
        assert_eq!(name_of(&bytes), "lunlab-slow");
        assert_eq!(bytes[312 + 8..312 + 16], (2u64 << 20).to_ne_bytes());
        assert_eq!(&bytes[312 + 24..312 + 30], b"delay\0");
        assert_eq!(&bytes[352..363], b"252:0 0 10\0");
        assert!(bytes.len().is_multiple_of(8));
    }

    #[test]
    fn a_long_name_is_cut_before_its_nul_and_a_minor_number_put_together() {
        let mut bytes = message(&"x".repeat(500), 0);
        assert_eq!(name_of(&bytes).len(), 127);
        bytes[40..48].copy_from_slice(&0x0020_fd05_u64.to_ne_bytes());
        assert_eq!(minor(&bytes), 0x205);
    }
}

//! Whatever shapes the machine is a value that answers two questions: which QEMU arguments, which
//! kernel arguments.

use crate::accelerator::Accelerator;
use std::path::PathBuf;

/// A part of the machine.
pub trait Device {
    /// QEMU's arguments for it, option and value as separate items.
    fn qemu_args(&self) -> Vec<String>;

    /// Kernel arguments that go with them.
    fn kernel_args(&self) -> Vec<String> {
        Vec::new()
    }
}

fn args<const N: usize>(list: [&str; N]) -> Vec<String> {
    list.map(str::to_owned).to_vec()
}

/// A path as QEMU's option parser wants it: a comma doubled (qemu-options.hx).
pub(super) fn value(path: &std::path::Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The board, its processors and its memory.
pub struct Machine {
    /// KVM or TCG.
    pub accelerator: Accelerator,
    /// Processors.
    pub cpus: u32,
    /// Bytes, a multiple of 1 MiB.
    pub memory: u64,
    /// Whether another process maps the guest's memory (vhost-user).
    pub shared_memory: bool,
    /// Whether this QEMU's TCG may show the guest cmpxchg16b, see [`Program::emulates_cmpxchg16b`].
    ///
    /// [`Program::emulates_cmpxchg16b`]: crate::qemu::program::Program::emulates_cmpxchg16b
    pub cmpxchg16b: bool,
}

impl Device for Machine {
    fn qemu_args(&self) -> Vec<String> {
        let mebibytes = self.memory.div_ceil(1 << 20);
        let (accelerator, cpu) = match self.accelerator {
            Accelerator::Kvm => ("kvm", "host"),
            Accelerator::Tcg if self.cmpxchg16b => ("tcg,thread=multi", "max"),
            Accelerator::Tcg => ("tcg,thread=multi", "max,-cx16"),
        };
        // Not pc: there the kernel interprets a loop of ACPI code (_PRT) when it enables the first
        // PCI device, which takes a quarter of a second under TCG; q35 has a table.
        let machine = if self.shared_memory { "q35,memory-backend=memory" } else { "q35" };
        let mut all = args(["-machine", machine, "-accel", accelerator, "-cpu", cpu]);
        all.extend(["-smp".into(), self.cpus.to_string(), "-m".into(), format!("{mebibytes}M")]);
        if self.shared_memory {
            let backend = format!("memory-backend-memfd,id=memory,size={mebibytes}M,share=on");
            all.extend(["-object".into(), backend]);
        }
        all
    }

    fn kernel_args(&self) -> Vec<String> {
        match self.accelerator {
            Accelerator::Kvm => Vec::new(),
            // TCG's clocks are the host's: checking them costs a tenth of a second and finds
            // what the host did, not what the kernel under test does.
            Accelerator::Tcg => args(["tsc=reliable", "no_timer_check"]),
        }
    }
}

/// No devices but those asked for, no configuration files, nothing that opens a window, and as
/// few system calls as QEMU can do with.
pub struct Bare;

impl Device for Bare {
    fn qemu_args(&self) -> Vec<String> {
        args(["-nodefaults", "-no-user-config", "-display", "none", "-sandbox", "on"])
    }
}

/// A panic ends QEMU: the guest's reboot on panic and QEMU's not rebooting are useless apart.
pub struct EndOnPanic;

impl Device for EndOnPanic {
    fn qemu_args(&self) -> Vec<String> {
        args(["-no-reboot"])
    }

    fn kernel_args(&self) -> Vec<String> {
        args(["panic=-1"])
    }
}

/// The serial console, on a socket that `lunlab` listens on.
pub struct Console {
    /// The socket.
    pub socket: PathBuf,
}

impl Device for Console {
    fn qemu_args(&self) -> Vec<String> {
        let chardev = format!("socket,id=console-chardev,path={}", value(&self.socket));
        let mut all = args(["-device", "isa-serial,chardev=console-chardev"]);
        all.extend(["-chardev".into(), chardev]);
        all
    }

    fn kernel_args(&self) -> Vec<String> {
        // Warnings and worse reach the console; all else is in the kernel log, and printing it
        // on a serial line slows the boot.
        args(["console=ttyS0", "loglevel=5"])
    }
}

/// QEMU's monitor, on a socket that `lunlab` listens on.
pub struct Monitor {
    /// The socket.
    pub socket: PathBuf,
}

impl Device for Monitor {
    fn qemu_args(&self) -> Vec<String> {
        let chardev = format!("socket,id=qmp-chardev,path={}", value(&self.socket));
        vec!["-chardev".into(), chardev, "-mon".into(), "chardev=qmp-chardev,mode=control".into()]
    }
}

/// The kernel's own vsock device.
pub struct VhostVsock {
    /// The guest's CID.
    pub cid: u32,
    /// The number under which QEMU inherits /dev/vhost-vsock.
    pub fd: i32,
}

impl Device for VhostVsock {
    fn qemu_args(&self) -> Vec<String> {
        let device = format!("vhost-vsock-pci,guest-cid={},vhostfd={}", self.cid, self.fd);
        vec!["-device".into(), device]
    }
}

/// A vsock device in a process of its own.
pub struct VhostUserVsock {
    /// The vhost-user socket of that process.
    pub socket: PathBuf,
}

impl Device for VhostUserVsock {
    fn qemu_args(&self) -> Vec<String> {
        let chardev = format!("socket,id=vsock-chardev,path={}", value(&self.socket));
        let device = "vhost-user-vsock-pci,chardev=vsock-chardev".into();
        vec!["-chardev".into(), chardev, "-device".into(), device]
    }
}

/// Named virtio-serial ports, each on a socket that `lunlab` listens on.
pub struct VirtioSerial {
    /// Names and sockets.
    pub ports: Vec<(&'static str, PathBuf)>,
}

impl Device for VirtioSerial {
    fn qemu_args(&self) -> Vec<String> {
        let mut all = args(["-device", "virtio-serial-pci"]);
        for (n, (name, socket)) in self.ports.iter().enumerate() {
            let chardev = format!("socket,id=port{n}-chardev,path={}", value(socket));
            let device = format!("virtserialport,chardev=port{n}-chardev,name={name}");
            all.extend(["-chardev".into(), chardev, "-device".into(), device]);
        }
        all
    }
}

/// The kernel and its initial file system.
pub struct Boot {
    /// What QEMU loads.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initrd: PathBuf,
}

impl Device for Boot {
    fn qemu_args(&self) -> Vec<String> {
        let path = |path: &PathBuf| path.display().to_string();
        vec!["-kernel".into(), path(&self.kernel), "-initrd".into(), path(&self.initrd)]
    }

    fn kernel_args(&self) -> Vec<String> {
        args(["rdinit=/init"])
    }
}

/// What the user adds as it is.
pub struct Extra {
    /// QEMU arguments.
    pub qemu: Vec<String>,
    /// Kernel arguments.
    pub kernel: Vec<String>,
}

impl Device for Extra {
    fn qemu_args(&self) -> Vec<String> {
        self.qemu.clone()
    }

    fn kernel_args(&self) -> Vec<String> {
        self.kernel.clone()
    }
}

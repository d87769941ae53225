//! Guests that run against their own configfs: rtslib, the library under targetcli, or configfs-rs.
//!
//! The one image has Debian's packages as `make setup` unpacked them, `lunlab-rtslib` as PID 1 and
//! one script; the other `lunlab-configfs` as PID 1 and nothing else. What they print comes back
//! over a serial port of its own, where the kernel does not speak.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lunlab::accelerator::{self, Accelerator};
use lunlab::cache::Cache;
use lunlab::kernel::boot::BootChoice;
use lunlab::kernel::features::{self, Feature};
use lunlab::kernel::plan::plan_modules;
use lunlab::qemu::command_line::argv;
use lunlab::qemu::device::{Bare, Boot, Device, EndOnPanic, Machine};
use lunlab::qemu::program::Program;
use lunlab::run::plan::find_kernel;
use lunlab::spec::Spec;
use lunlab::withheld::Withheld;
use lunlab_initramfs::image::{Base, GuestFile, LoadedModule, per_run_segment};

use crate::Watched;

/// What a guest is given to work with.
const FEATURES: [Feature; 8] = [
    features::CONFIGFS,
    features::TARGET,
    features::FILEIO,
    features::IBLOCK,
    features::ISCSI_TARGET,
    features::LOOPBACK,
    features::CRC32C,
    features::NULL_BLK,
];

/// Where a script finds the files it is given, and itself.
pub const DIRECTORY: &str = "/rtslib";

/// Begins the last line of PID 1.
const END: &str = "guest ended:";

/// What a script that ended well is said to have ended with.
const GOOD: &str = "exit status: 0";

/// A guest ready to be booted, any number of times.
pub struct Guest {
    base: Vec<u8>,
    program: Program,
    kernel: PathBuf,
    accelerator: Accelerator,
    spec: Spec,
}

/// The two serial ports, each into a file.
struct SerialFiles {
    console: PathBuf,
    port: PathBuf,
}

impl Device for SerialFiles {
    fn qemu_args(&self) -> Vec<String> {
        let ports = [("console", &self.console), ("port", &self.port)];
        let args = |(id, path): (&str, &PathBuf)| {
            let chardev = format!("file,id={id},path={}", path.display());
            ["-chardev".into(), chardev, "-device".into(), format!("isa-serial,chardev={id}")]
        };
        ports.map(args).concat()
    }

    fn kernel_args(&self) -> Vec<String> {
        ["console=ttyS0", "loglevel=5"].map(str::to_owned).to_vec()
    }
}

impl Guest {
    /// Prepares a guest with rtslib and the default kernel.
    ///
    /// # Errors
    /// When something is missing: rtslib, `lunlab-rtslib`, the kernel, QEMU.
    pub fn prepare() -> Result<Self, Box<dyn Error>> {
        let tree = tree(&Cache::open()?.root().join("rtslib/root"))?;
        Self::with(&crate::built("LUNLAB_RTSLIB", INIT), &tree)
    }

    /// Prepares a guest that checks configfs-rs against the default kernel.
    ///
    /// # Errors
    /// When something is missing: `lunlab-configfs`, the kernel, QEMU.
    pub fn with_configfs_rs() -> Result<Self, Box<dyn Error>> {
        Self::with(&crate::built("LUNLAB_CONFIGFS", CONFIGFS_INIT), &[])
    }

    fn with(init: &Path, tree: &[Unpacked]) -> Result<Self, Box<dyn Error>> {
        let spec = Spec::builtin()?;
        let cache = Cache::open()?;
        let program = Program::find(&cache, Withheld::default())?;
        let kernel = find_kernel(&spec, None, &cache)?;
        let boot = kernel.boot_image(&cache, BootChoice::Auto, &mut |_| ())?;
        let plan = plan_modules(&kernel.contents(&cache)?, &FEATURES, &[])?;
        let modules = plan.channel.into_iter().chain(plan.rest).map(LoadedModule::from);
        let modules: Vec<_> = modules.collect();
        let init = fs::read(init).map_err(|error| format!("{}: {error}", init.display()))?;
        let mut image = Base { agent: &init, modules: &modules, files: &[] }.build()?;
        let list = image.load_order.join("\n");
        let files = tree.iter().map(|file| GuestFile {
            path: &file.path,
            mode: file.mode,
            bytes: &file.bytes,
        });
        let list = GuestFile { path: "/rtslib/modules", mode: 0o600, bytes: list.as_bytes() };
        image.append(&per_run_segment(&files.chain([list]).collect::<Vec<_>>())?);
        let accelerator = accelerator::choose(spec.machine.accelerator, &program, &cache)?;
        let accelerator = accelerator.accelerator;
        Ok(Self { base: image.bytes, program, kernel: boot.path, accelerator, spec })
    }

    /// The machine of the default spec, but for what connects it to the host.
    fn devices(&self, directory: &Path) -> Vec<Box<dyn Device>> {
        let machine = Machine {
            accelerator: self.accelerator,
            cpus: self.spec.machine.cpus,
            memory: self.spec.memory_bytes(),
            shared_memory: false,
            cmpxchg16b: self.program.emulates_cmpxchg16b(),
        };
        let ports =
            SerialFiles { console: directory.join("console"), port: directory.join("port") };
        let boot = Boot { kernel: self.kernel.clone(), initrd: directory.join("initrd") };
        vec![
            Box::new(Bare),
            Box::new(machine),
            Box::new(EndOnPanic),
            Box::new(ports),
            Box::new(boot),
        ]
    }

    /// Boots it with a script and the files that script reads, each a name in [`DIRECTORY`] and
    /// its content; gives what the script printed.
    ///
    /// # Errors
    /// When the script does not end well: with what it and the kernel said.
    pub fn run(
        &self,
        script: &str,
        files: &[(&str, &[u8])],
        limit: Duration,
    ) -> Result<String, Box<dyn Error>> {
        self.boot(&[files, &[("script.py", script.as_bytes())]].concat(), limit)
    }

    /// Boots it with files, each a name in [`DIRECTORY`] and its content; gives what it printed.
    ///
    /// # Errors
    /// When it does not end well: with what it and the kernel said.
    pub fn boot(&self, files: &[(&str, &[u8])], limit: Duration) -> Result<String, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let named = files.iter().map(|(name, bytes)| (format!("{DIRECTORY}/{name}"), *bytes));
        let named: Vec<_> = named.collect();
        let files = named.iter().map(|(path, bytes)| GuestFile { path, mode: 0o600, bytes });
        let mut initrd = self.base.clone();
        lunlab_initramfs::newc::append(&mut initrd, &per_run_segment(&files.collect::<Vec<_>>())?);
        fs::write(directory.path().join("initrd"), initrd)?;
        let argv = argv(&self.program.path, &self.devices(directory.path()));
        let (program, arguments) = argv.split_first().ok_or("an empty command line")?;
        let mut qemu = Command::new(program);
        qemu.args(arguments).stdin(Stdio::null());
        let status = Watched::start(&mut qemu, limit).wait();
        let said = |name: &str| {
            let bytes = fs::read(directory.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let port = said("port");
        match port.rsplit_once(END) {
            Some((output, end)) if status.success() && end.trim() == GOOD => Ok(output.to_owned()),
            _ => Err(format!("QEMU {status}\n--- guest\n{port}\n--- console\n{}", said("console"))
                .into()),
        }
    }
}

/// Where `make` leaves PID 1.
const INIT: &str = "target/agent/x86_64-unknown-linux-musl/agent/lunlab-rtslib";

const CONFIGFS_INIT: &str = "target/agent/x86_64-unknown-linux-musl/agent/lunlab-configfs";

/// One file of the tree.
struct Unpacked {
    path: String,
    mode: u32,
    bytes: Vec<u8>,
}

/// Reads all files below a directory, named as they are in the guest.
fn tree(root: &Path) -> Result<Vec<Unpacked>, Box<dyn Error>> {
    let (mut directories, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| {
            format!("{}: {error}\nhint: `make setup` puts rtslib there", directory.display())
        })?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let below = path.strip_prefix(root)?.to_str().ok_or("a path that is not UTF-8")?;
            let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
            files.push(Unpacked { path: format!("/{below}"), mode, bytes: fs::read(&path)? });
        }
    }
    Ok(files)
}

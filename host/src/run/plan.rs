//! Everything that is decided before anything starts: which QEMU, kernel, image, accelerator,
//! transport. What is bad or missing ends here.

use crate::accelerator;
use crate::cache::Cache;
use crate::digest::Digest;
use crate::embedded;
use crate::error::Error;
use crate::image::{BaseSegment, Needs, base_segment};
use crate::kernel::Kernel;
use crate::kernel::boot::{BootChoice, BootImage};
use crate::kernel::features::{self, Contents, Feature};
use crate::kernel::find::Search;
use crate::qemu::device::{
    Bare, Boot, Console, Device, EndOnPanic, Extra, Machine as MachineDevice, Monitor,
};
use crate::qemu::disk::{self, Drive};
use crate::qemu::network::{Forward, UserNetwork};
use crate::qemu::program::Program;
use crate::run::meter::crosses;
use crate::run::needs::{parameters, programs, wanted};
use crate::run::segment::{Modules, module_name};
use crate::samba::{self, handover};
use crate::spec::{ISCSI_PORT, KernelChoice, Network, PortalSpec, Spec, USER_NETWORK_ADDRESS};
use crate::transport::choice::{
    Chosen as ChosenTransport, Facts, Lack, TransportChoice, choose, probe_vhost_user_vsock,
    probe_vhost_vsock,
};
use crate::transport::{Dialling, planned_device};
use crate::withheld::Withheld;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// What the command line adds to a spec.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where modules come from, instead of where the kernel's own are.
    pub modules: Option<PathBuf>,
    /// How the kernel is entered.
    pub boot: BootChoice,
    /// Arguments for QEMU as they are.
    pub qemu_args: Vec<String>,
    /// An agent to boot instead of the one inside this program.
    pub agent: Option<PathBuf>,
    /// Take connections of other local users.
    pub share_portal: bool,
    /// The target is for others: no initiator of our own.
    pub hold: bool,
    /// What is needed besides what the spec implies.
    pub features: Vec<Feature>,
}

/// Everything decided.
pub struct Plan {
    /// The checked spec.
    pub spec: Spec,
    /// QEMU.
    pub program: Program,
    /// The kernel.
    pub kernel: Kernel,
    /// Its image's digest.
    pub kernel_digest: Digest,
    /// What is booted, and how.
    pub boot: BootImage,
    /// The accelerator and why.
    pub accelerator: accelerator::Chosen,
    /// What is known of the kernel's modules and configuration.
    pub contents: Contents,
    /// The transport and why.
    pub transport: ChosenTransport,
    /// The part of the image that is cached.
    pub base: BaseSegment,
    /// The modules of the image in load order.
    pub modules: Modules,
    /// Samba's programs, where a share is to be mounted.
    pub samba: Option<samba::Programs>,
    /// Whether other local users may connect.
    pub share_portal: bool,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Parameters of what is built in.
    kernel_args: Vec<String>,
    qemu_args: Vec<String>,
    hold: bool,
}

impl Plan {
    /// Decides. `say` is told before something that takes a while.
    ///
    /// # Errors
    /// Usage or environment; nothing was started.
    pub fn make(
        spec: Spec,
        options: &Options,
        cache: &Cache,
        say: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let program = Program::find(cache, Withheld::of(&spec))?;
        let kernel = find_kernel(&spec, options.modules.as_deref(), cache)?;
        let boot = kernel.boot_image(cache, options.boot, say)?;
        let contents = kernel.contents(cache)?;
        let transport = choose_transport(spec.channel.transport, &contents, cache)?;
        let agent = match &options.agent {
            Some(path) => std::fs::read(path).map_err(|error| {
                Error::usage(format!("--agent: read {}: {error}", path.display()))
            })?,
            None => embedded::agent()?.to_vec(),
        };
        let needs = Needs {
            features: [wanted(&spec, transport.transport), options.features.clone()].concat(),
            modules: spec.kernel.modules.clone(),
        };
        let programs = programs(&spec)?;
        let samba = samba::Programs::needed(&spec, cache.root())?;
        let base = base_segment(cache, &kernel, &needs, &agent, &programs)?;
        let accelerator = accelerator::choose(spec.machine.accelerator, &program, cache)?;
        let parameters = parameters(&spec);
        let kernel_args = parameters.kernel_args(&contents, &loaded(&base))?;
        let modules = Modules::new(&base.channel, &base.rest, &parameters);
        let kernel_digest = kernel.digest(cache)?;
        let doubt = contents.doubt(&needs.features);
        let open = (!options.share_portal && !forwarded(&spec).is_empty()).then(|| {
            "ports on QEMU's user network take connections of every user of this host".to_owned()
        });
        let blind = disk::unprotected(&spec.disks);
        let notes = boot.remark.clone().into_iter().chain(doubt).chain(open).chain(blind).collect();
        Ok(Self {
            spec,
            program,
            kernel,
            kernel_digest,
            boot,
            accelerator,
            contents,
            transport,
            base,
            modules,
            samba,
            share_portal: options.share_portal,
            notes,
            kernel_args,
            qemu_args: options.qemu_args.clone(),
            hold: options.hold,
        })
    }

    /// The modules that the guest loads, by canonical names.
    #[must_use]
    pub fn loaded(&self) -> Vec<&str> {
        loaded(&self.base)
    }

    /// Who in the guest dials the host.
    #[must_use]
    pub fn dialling(&self) -> Dialling {
        if crosses(&self.spec) { Dialling::Benchmarks } else { Dialling::Agent }
    }

    /// Whether this run has work for an initiator of our own.
    #[must_use]
    pub fn needs_initiator(&self) -> bool {
        self.spec.first_iscsi().is_some() && !self.hold
    }

    /// The machine's devices; the transport's own is given, as only it knows what it prepared, and so are the ports that lead to
    /// the guest's own network.
    #[must_use]
    pub fn devices(
        &self,
        directory: &Path,
        transport: Box<dyn Device>,
        forwards: Vec<Forward>,
    ) -> Vec<Box<dyn Device>> {
        // The user's come last, and so overrule.
        let cmdline = Some(self.spec.kernel.cmdline.clone()).filter(|text| !text.is_empty());
        let kernel_args = self.kernel_args.iter().cloned().chain(cmdline).collect();
        let mut devices: Vec<Box<dyn Device>> = vec![
            Box::new(Bare),
            Box::new(MachineDevice {
                accelerator: self.accelerator.accelerator,
                cpus: self.spec.machine.cpus,
                memory: self.spec.memory_bytes(),
                shared_memory: self.transport.transport.shares_memory(),
                cmpxchg16b: self.program.emulates_cmpxchg16b(),
            }),
            Box::new(EndOnPanic),
            Box::new(Console { socket: Self::console(directory) }),
            Box::new(Monitor { socket: Self::monitor(directory) }),
            transport,
            Box::new(Boot { kernel: self.boot.path.clone(), initrd: Self::initrd(directory) }),
        ];
        if self.spec.network == Network::User {
            let out = self.samba.iter().map(|_| handover::guestfwd(directory)).collect();
            devices.push(Box::new(UserNetwork { forwards, out }));
        }
        devices.extend(disk::devices(self.drives(directory)));
        devices.push(Box::new(Extra { qemu: self.qemu_args.clone(), kernel: kernel_args }));
        devices
    }

    /// The machine's disks.
    #[must_use]
    pub fn drives(&self, directory: &Path) -> Vec<Drive> {
        disk::drives(&self.spec.disks, directory)
    }

    /// The command line a run would have, in a directory that does not exist.
    #[must_use]
    pub fn planned_argv(&self, directory: &Path) -> Vec<String> {
        let device = planned_device(self.transport.transport, self.dialling(), directory);
        let devices = self.devices(directory, device, forwarded(&self.spec));
        crate::qemu::command_line::argv(&self.program.path, &devices)
    }

    /// The image in a run's directory.
    #[must_use]
    pub fn initrd(directory: &Path) -> PathBuf {
        directory.join("initrd")
    }

    /// The console's socket in a run's directory.
    #[must_use]
    pub fn console(directory: &Path) -> PathBuf {
        directory.join("console")
    }

    /// The monitor's socket in a run's directory.
    #[must_use]
    pub fn monitor(directory: &Path) -> PathBuf {
        directory.join("qmp")
    }
}

fn loaded(base: &BaseSegment) -> Vec<&str> {
    base.channel.iter().chain(&base.rest).map(|path| module_name(path)).collect()
}

/// The forwards a spec needs; nothing has chosen their ports yet, and QEMU would choose those of the host.
fn forwarded(spec: &Spec) -> Vec<Forward> {
    let tpgs = spec.targets.iter().flat_map(|target| &target.tpgs);
    let portals = tpgs.flat_map(|tpg| &tpg.portals);
    let forward = |portal: &PortalSpec| Forward {
        host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        guest: SocketAddrV4::new(USER_NETWORK_ADDRESS, portal.port.unwrap_or(ISCSI_PORT)),
    };
    let portals = portals.filter(|portal| portal.address == USER_NETWORK_ADDRESS).map(forward);
    let measured = crosses(spec) && spec.network == Network::User;
    let measured =
        measured.then(|| forward(&PortalSpec { address: USER_NETWORK_ADDRESS.into(), port: None }));
    portals.chain(measured).collect()
}

/// Finds the kernel the spec names.
///
/// # Errors
/// When there is none, or its image is damaged.
pub fn find_kernel(spec: &Spec, modules: Option<&Path>, cache: &Cache) -> Result<Kernel, Error> {
    let here = std::env::current_dir()
        .map_err(|error| Error::environment(format!("find the current directory: {error}")))?;
    let search = Search { root: Path::new("/"), base: &here, cache };
    let asked = match &spec.kernel.image {
        KernelChoice::Name(name) => name.clone(),
        KernelChoice::Path(path) => path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::usage(format!("the kernel's path is not UTF-8: {}", path.display()))
        })?,
    };
    search.find(&asked, modules)
}

/// Chooses the transport by what the host and this kernel have.
///
/// # Errors
/// When none, or not the one asked for, can be had.
pub fn choose_transport(
    choice: TransportChoice,
    contents: &Contents,
    cache: &Cache,
) -> Result<ChosenTransport, Error> {
    let path = std::env::var_os("PATH");
    let facts = Facts {
        vhost_vsock: probe_vhost_vsock(),
        vhost_user_vsock: probe_vhost_user_vsock(cache.root(), path.as_deref()),
        kernel_vsock: lack(contents, features::VSOCK),
        kernel_virtio_serial: lack(contents, features::VIRTIO_SERIAL),
    };
    // A kernel that leaves no transport is not told of here: all that it lacks is named together.
    choose(choice, &facts).or_else(|_| {
        choose(choice, &Facts { kernel_vsock: Ok(()), kernel_virtio_serial: Ok(()), ..facts })
    })
}

fn lack(contents: &Contents, feature: Feature) -> Result<(), Lack> {
    if contents.missing(&[feature]).is_empty() {
        return Ok(());
    }
    let symbols: Vec<&str> = feature.alternatives.iter().map(|each| each.symbol).collect();
    let symbols = symbols.join(" or ");
    Err(Lack {
        reason: format!("kernel {} has no {} ({symbols})", contents.release, feature.name),
        mend: format!("set {symbols} in its configuration"),
    })
}

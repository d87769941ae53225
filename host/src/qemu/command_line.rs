//! The command line: a fold over devices, pure.

use crate::qemu::device::Device;
use crate::result::shell_line;
use std::path::Path;

/// QEMU's argv, program included.
#[must_use]
pub fn argv(program: &Path, devices: &[Box<dyn Device>]) -> Vec<String> {
    let mut all = vec![program.display().to_string()];
    all.extend(devices.iter().flat_map(|device| device.qemu_args()));
    let kernel_args: Vec<String> = devices.iter().flat_map(|device| device.kernel_args()).collect();
    all.extend(["-append".into(), kernel_args.join(" ")]);
    all
}

/// The command as one would type it: quoted for a shell, an option and its value a line.
#[must_use]
pub fn as_typed(argv: &[String]) -> String {
    let lines = argv.chunk_by(|_, next| !next.starts_with('-'));
    lines.map(shell_line).collect::<Vec<_>>().join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::{argv, as_typed};
    use crate::accelerator::Accelerator;
    use crate::qemu::device::{
        Bare, Boot, Console, Device, EndOnPanic, Extra, Machine, Monitor, VhostUserVsock,
        VhostVsock, VirtioSerial,
    };
    use crate::qemu::disk::{self, tests::image, tests::scratch};
    use crate::qemu::network::{Forward, UserNetwork};
    use crate::qemu::trial;
    use crate::spec::{Bus, Disk, DiskAio, DiskCache, ImageFormat, USER_NETWORK_ADDRESS};
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::path::Path;

    fn typed(devices: Vec<Box<dyn Device>>) -> String {
        as_typed(&argv(Path::new("qemu"), &devices))
    }

    fn machine(accelerator: Accelerator, shared_memory: bool) -> Box<dyn Device> {
        Box::new(Machine {
            accelerator,
            cpus: 2,
            memory: 512 << 20,
            shared_memory,
            cmpxchg16b: true,
        })
    }

    #[test]
    fn a_whole_machine_over_vhost_user() {
        let devices: Vec<Box<dyn Device>> = vec![
            Box::new(Bare),
            machine(Accelerator::Tcg, true),
            Box::new(EndOnPanic),
            Box::new(Console { socket: "/r/console".into() }),
            Box::new(Monitor { socket: "/r/qmp".into() }),
            Box::new(VhostUserVsock { socket: "/r/vu".into() }),
            Box::new(Boot { kernel: "/k/vmlinux".into(), initrd: "/r/initrd".into() }),
            Box::new(Extra { qemu: vec!["-s".into()], kernel: vec!["slub_debug=FZ".into()] }),
        ];
        let expected = "\
qemu \\
  -nodefaults \\
  -no-user-config \\
  -display none \\
  -sandbox on \\
  -machine q35,memory-backend=memory \\
  -accel tcg,thread=multi \\
  -cpu max \\
  -smp 2 \\
  -m 512M \\
  -object memory-backend-memfd,id=memory,size=512M,share=on \\
  -no-reboot \\
  -device isa-serial,chardev=console-chardev \\
  -chardev socket,id=console-chardev,path=/r/console \\
  -chardev socket,id=qmp-chardev,path=/r/qmp \\
  -mon chardev=qmp-chardev,mode=control \\
  -chardev socket,id=vsock-chardev,path=/r/vu \\
  -device vhost-user-vsock-pci,chardev=vsock-chardev \\
  -kernel /k/vmlinux \\
  -initrd /r/initrd \\
  -s \\
  -append 'tsc=reliable no_timer_check panic=-1 console=ttyS0 loglevel=5 rdinit=/init slub_debug=FZ'";
        assert_eq!(typed(devices), expected);
    }

    #[test]
    fn kvm_takes_the_hosts_processor_and_no_kernel_arguments() {
        let expected = "qemu \\\n  -machine q35 \\\n  -accel kvm \\\n  -cpu host \\\n  -smp 2 \\\n  \
                        -m 512M \\\n  -append ''";
        assert_eq!(typed(vec![machine(Accelerator::Kvm, false)]), expected);
    }

    #[test]
    fn the_other_transports() {
        let vhost = typed(vec![Box::new(VhostVsock { cid: 77, fd: 9 })]);
        assert_eq!(
            vhost,
            "qemu \\\n  -device vhost-vsock-pci,guest-cid=77,vhostfd=9 \\\n  -append ''"
        );
        let serial = typed(vec![Box::new(VirtioSerial {
            ports: vec![("a", "/a".into()), ("b", "/b".into())],
        })]);
        let expected = "\
qemu \\
  -device virtio-serial-pci \\
  -chardev socket,id=port0-chardev,path=/a \\
  -device virtserialport,chardev=port0-chardev,name=a \\
  -chardev socket,id=port1-chardev,path=/b \\
  -device virtserialport,chardev=port1-chardev,name=b \\
  -append ''";
        assert_eq!(serial, expected);
    }

    #[test]
    fn disks_on_each_bus_share_one_scsi_host() {
        let path = Path::new("/a,b.qcow2");
        let disks = [
            Disk { cache: DiskCache::None, aio: DiskAio::Native, ..scratch("s", Bus::VirtioBlk) },
            Disk { read_only: true, ..scratch("s.1", Bus::VirtioScsi) },
            image("s-2", Bus::VirtioScsi, path, ImageFormat::Qcow2),
            Disk { cache: DiskCache::Unsafe, aio: DiskAio::IoUring, ..scratch("S_3", Bus::Nvme) },
        ];
        let drives = disk::drives(&disks, Path::new("/r"));
        let expected = "\
qemu \\
  -device virtio-scsi-pci,id=scsi \\
  -drive if=none,id=disk-s,file=/r/disk-s,format=raw,cache=none,aio=native,werror=report \\
  -device virtio-blk-pci,drive=disk-s,serial=s \\
  -drive if=none,id=disk-s.1,file=/r/disk-s.1,format=raw,cache=writeback,aio=threads,werror=report,readonly=on \\
  -device scsi-hd,bus=scsi.0,drive=disk-s.1,serial=s.1 \\
  -drive if=none,id=disk-s-2,file=/a,,b.qcow2,format=qcow2,cache=writeback,aio=threads,werror=report,snapshot=on \\
  -device scsi-hd,bus=scsi.0,drive=disk-s-2,serial=s-2 \\
  -drive if=none,id=disk-S_3,file=/r/disk-S_3,format=raw,cache=unsafe,aio=io_uring,werror=report \\
  -device nvme,drive=disk-S_3,serial=S_3 \\
  -append ''";
        assert_eq!(typed(disk::devices(drives.clone())), expected);
        assert!(disk::devices(Vec::new()).is_empty());
        let expected = "\
qemu \\
  -machine q35 \\
  -S \\
  -m 16M \\
  -nodefaults \\
  -no-user-config \\
  -display none \\
  -sandbox on \\
  -qmp stdio \\
  -drive if=none,id=disk-S_3,file=/r/disk-S_3,format=raw,cache=unsafe,aio=io_uring,werror=report \\
  -device nvme,drive=disk-S_3,serial=S_3";
        assert_eq!(as_typed(&trial::argv(Path::new("qemu"), &drives[3..])), expected);
    }

    #[test]
    fn the_user_network_lets_in_and_not_out() {
        let forward = |host, guest| Forward {
            host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, host),
            guest: SocketAddrV4::new(USER_NETWORK_ADDRESS, guest),
        };
        let forwards = vec![forward(40001, 3260), forward(40003, 40003)];
        let expected = "\
qemu \\
  -netdev user,id=network-netdev,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:40001-10.0.2.15:3260,hostfwd=tcp:127.0.0.1:40003-10.0.2.15:40003 \\
  -device virtio-net-pci,netdev=network-netdev,romfile= \\
  -append ''";
        assert_eq!(typed(vec![Box::new(UserNetwork { forwards, out: Vec::new() })]), expected);
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let devices: Vec<Box<dyn Device>> = vec![Box::new(Console { socket: "/a b/c,d".into() })];
        assert!(typed(devices).contains("'socket,id=console-chardev,path=/a b/c,,d'"));
    }
}

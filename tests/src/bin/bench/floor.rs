//! The floor: the machine of a run, its initrd replaced by an `/init` that powers off at once.
//!
//! No tool that boots this kernel with this command line in this QEMU can be faster, so what is
//! above it is lunlab's.

use crate::{Failure, Subject};
use lunlab::guardian::Guardian;
use lunlab::qemu::{command_line, process};
use lunlab::run::plan::Plan;
use lunlab::runtime_directory;
use lunlab::transport::{self, Tokens};
use lunlab::withheld::Withheld;
use lunlab_initramfs::image::Base;
use lunlab_protocol::hello::Token;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Instant;

/// One boot of the floor.
pub(crate) struct Floor {
    /// From before QEMU is started until it has ended.
    pub(crate) milliseconds: f64,
    /// Its command line.
    pub(crate) argv: Vec<String>,
}

/// Boots it once.
pub(crate) fn measure(subject: &Subject) -> Result<Floor, Failure> {
    let base = Base { agent: &power_off_program(), modules: &[], files: &[] }.build()?;
    let booted = boot(
        subject,
        &base.bytes,
        |argv| argv,
        |console| {
            let _until_its_end = std::io::copy(console, &mut std::io::sink());
            End::ByItself
        },
    )?;
    let Booted { begun, argv, ended, .. } = booted;
    if !ended.status.success() {
        return Err(format!("QEMU ended with {}: {}", ended.status, ended.words).into());
    }
    Ok(Floor { milliseconds: (ended.at - begun).as_secs_f64() * 1000.0, argv })
}

/// How a machine ends once its console was watched.
pub(crate) enum End {
    /// It is waited for.
    ByItself,
    /// It is killed.
    Killed,
}

/// A machine that ran.
pub(crate) struct Booted {
    /// Just before QEMU was started.
    pub(crate) begun: Instant,
    /// How QEMU ended.
    pub(crate) ended: Ended,
    argv: Vec<String>,
}

/// How QEMU ended.
pub(crate) struct Ended {
    at: Instant,
    status: ExitStatus,
    /// What it said.
    pub(crate) words: String,
}

/// Boots the machine of a run with another initrd, and another command line if `change` says so.
/// `watch` reads the console.
pub(crate) fn boot(
    subject: &Subject,
    initrd: &[u8],
    change: impl FnOnce(Vec<String>) -> Vec<String>,
    watch: impl FnOnce(&mut UnixStream) -> End,
) -> Result<Booted, Failure> {
    let directory = runtime_directory::choose()?;
    let guardian = Guardian::start(&directory, Withheld::default())?;
    // On an error it is dropped, and with it the pipe: then it does its work as well.
    boot_guarded(subject, initrd, change, watch, &directory, guardian)
}

fn boot_guarded(
    subject: &Subject,
    initrd: &[u8],
    change: impl FnOnce(Vec<String>) -> Vec<String>,
    watch: impl FnOnce(&mut UnixStream) -> End,
    directory: &Path,
    guardian: Guardian,
) -> Result<Booted, Failure> {
    let plan = &subject.plan;
    std::fs::write(Plan::initrd(directory), initrd)?;
    let chosen = &plan.transport;
    let (dialling, helper) = (plan.dialling(), chosen.helper.as_deref());
    let ready = transport::prepare(chosen.transport, dialling, helper, directory, &guardian)?;
    let token = Token::new([0; 32]);
    let tokens = Tokens { run: token.clone(), benchmarks: token };
    (ready.listen)(tokens, Arc::new(|_arrival| ()))?;
    let sockets = [Plan::console(directory), Plan::monitor(directory)];
    let [console, monitor] = [UnixListener::bind(&sockets[0])?, UnixListener::bind(&sockets[1])?];
    let argv = change(command_line::argv(
        &plan.program.path,
        &plan.devices(directory, ready.device, Vec::new()),
    ));
    let begun = Instant::now();
    let qemu = process::spawn(&argv, ready.inherited, directory, &guardian)?;
    let reaper = std::thread::spawn(move || {
        let ended = reap(qemu);
        // A QEMU that ended before it connected left somebody waiting for it.
        sockets.iter().for_each(|socket| drop(UnixStream::connect(socket)));
        ended
    });
    let ((mut console, _), _monitor) = (console.accept()?, monitor.accept()?);
    let end = watch(&mut console);
    let ended = match end {
        End::ByItself => {
            let ended = reaper.join();
            guardian.finish();
            ended
        }
        End::Killed => {
            guardian.finish();
            reaper.join()
        }
    };
    let ended = ended.map_err(|_panic| "the thread that waits for QEMU panicked")??;
    Ok(Booted { begun, ended, argv })
}

fn reap(mut qemu: Child) -> std::io::Result<Ended> {
    let words = qemu.stderr.take().map(process::read_words).unwrap_or_default();
    let status = qemu.wait()?;
    Ok(Ended { at: Instant::now(), status, words })
}

/// A Linux program of 151 bytes: `reboot(LINUX_REBOOT_CMD_POWER_OFF)`.
///
/// Written out here because a program that a compiler made would start a libc first. Layout: ELF
/// header, one program header, code (System V ABI; reboot(2) for the constants).
fn power_off_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u16 = 64 + 56;
    #[rustfmt::skip]
    let code: [u8; 31] = [
        0xb8, 0xa9, 0x00, 0x00, 0x00, // mov eax, 169 (reboot)
        0xbf, 0xad, 0xde, 0xe1, 0xfe, // mov edi, LINUX_REBOOT_MAGIC1
        0xbe, 0x69, 0x19, 0x12, 0x28, // mov esi, LINUX_REBOOT_MAGIC2
        0xba, 0xdc, 0xfe, 0x21, 0x43, // mov edx, LINUX_REBOOT_CMD_POWER_OFF
        0x4d, 0x31, 0xd2,             // xor r10, r10
        0x0f, 0x05,                   // syscall
        0xf3, 0x90,                   // pause
        0xeb, 0xfc,                   // jump back to it: never returns to the kernel
        0x0f, 0x0b,                   // ud2
    ];
    let size = u64::from(HEADERS) + code.len() as u64;
    let mut program = Vec::new();
    program.extend(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    program.extend([2u16, 62].map(u16::to_le_bytes).as_flattened()); // executable, x86-64
    program.extend(1u32.to_le_bytes());
    // Entry, program headers, section headers.
    program.extend([BASE + u64::from(HEADERS), 64, 0].map(u64::to_le_bytes).as_flattened());
    program.extend(0u32.to_le_bytes());
    program.extend([64u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).as_flattened());
    program.extend([1u32, 5].map(u32::to_le_bytes).as_flattened()); // loaded, read and executed
    program.extend([0, BASE, BASE, size, size, 0x1000].map(u64::to_le_bytes).as_flattened());
    program.extend(code);
    program
}

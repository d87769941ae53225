//! The one way out: sync, power off.

use crate::channel::Link;
use lunlab_protocol::event::Event;
use rustix::system::{RebootCommand, reboot};
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// Where a panic reports to, once there is a channel.
static LINK: OnceLock<Arc<Link>> = OnceLock::new();

/// Lets a panic report to the host.
pub fn report_panics_to(link: &Arc<Link>) {
    let _already = LINK.set(Arc::clone(link));
}

/// Writes a line to the console, which is all there is without a channel.
pub fn say(text: &str) {
    let _nobody_to_tell = writeln!(std::io::stderr(), "lunlab-agent: {text}");
}

/// Makes a Rust panic report, sync and power off. It never returns to the kernel, for which the
/// end of PID 1 is a panic of its own.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        // One line: on the console, where others speak as well, only the first is known as ours.
        let text = info.to_string().replace(":\n", ": ").replace('\n', " ");
        say(&text);
        if let Some(link) = LINK.get() {
            link.try_tell(&Event::AgentPanicked { text: &text });
        }
        off()
    }));
}

/// Syncs and powers off.
pub fn off() -> ! {
    rustix::fs::sync();
    // A kernel without a way to power off halts instead; the host ends QEMU then.
    for command in [RebootCommand::PowerOff, RebootCommand::Halt] {
        if let Err(errno) = reboot(command) {
            say(&format!("reboot {command:?}: {errno}"));
        }
    }
    loop {
        std::thread::park();
    }
}

//! The misdeeds by their names on the kernel command line.

use crate::Failure;

/// What goes wrong on control; the guest does nothing else.
#[derive(Clone, Copy)]
pub(crate) enum OnControl {
    /// A hello with another token.
    WrongToken,
    /// A hello in versions nobody speaks.
    WrongVersion,
    /// No hello but other bytes, in a frame.
    Garbage,
    /// Not a byte.
    Mute,
    /// Half a hello, then nothing.
    SilentHello,
    /// A good hello, half a frame, then nothing.
    SilentFrame,
    /// A frame longer than frames may be.
    HugeFrame,
    /// Frames with no message in them.
    GarbageFrames,
    /// End-of-stream when nothing is done yet.
    EndEarly,
    /// A reset when nothing is done yet.
    ResetEarly,
    /// The last message when nothing is done yet; then power-off.
    FinishedEarly,
}

/// What goes wrong on other streams, while control behaves and a target is claimed to be there.
#[derive(Clone, Copy)]
pub(crate) enum OnStreams {
    /// A second control stream.
    ControlTwice,
    /// A stream nobody asked for.
    Unasked,
    /// A hello with another token.
    WrongToken,
    /// A hello in versions nobody speaks.
    WrongVersion,
    /// No hello but other bytes.
    Garbage,
    /// No hello but the end of the stream.
    Ended,
    /// Not a byte, for as long as the guest lives.
    Mute,
    /// Kernel records as fast as they can be sent, for two seconds.
    Flood,
}

const ON_CONTROL: [(&str, OnControl); 11] = [
    ("wrong-token", OnControl::WrongToken),
    ("wrong-version", OnControl::WrongVersion),
    ("garbage", OnControl::Garbage),
    ("mute", OnControl::Mute),
    ("silent-hello", OnControl::SilentHello),
    ("silent-frame", OnControl::SilentFrame),
    ("huge-frame", OnControl::HugeFrame),
    ("garbage-frames", OnControl::GarbageFrames),
    ("end-early", OnControl::EndEarly),
    ("reset-early", OnControl::ResetEarly),
    ("finished-early", OnControl::FinishedEarly),
];

const ON_STREAMS: [(&str, OnStreams); 8] = [
    ("control-twice", OnStreams::ControlTwice),
    ("stream-unasked", OnStreams::Unasked),
    ("stream-wrong-token", OnStreams::WrongToken),
    ("stream-wrong-version", OnStreams::WrongVersion),
    ("stream-garbage", OnStreams::Garbage),
    ("stream-ended", OnStreams::Ended),
    ("stream-mute", OnStreams::Mute),
    ("flood", OnStreams::Flood),
];

/// What is to be done.
pub(crate) enum Misdeeds {
    /// One thing, on control.
    OnControl(OnControl),
    /// These in turn; none at all is `half-close`, whose server is always there.
    OnStreams(Vec<OnStreams>),
    /// Another listens on the port of a portal; all else is as it should be.
    BusyPort(u16),
}

impl Misdeeds {
    /// What the kernel was told.
    pub(crate) fn of_kernel() -> Result<Self, Failure> {
        let line = std::fs::read_to_string("/proc/cmdline")?;
        let orders = line.split_ascii_whitespace().find_map(|w| w.strip_prefix("lunlab_rogue="));
        Self::parse(orders.unwrap_or_default()).map_err(Failure::Orders)
    }

    fn parse(orders: &str) -> Result<Self, String> {
        if let Some(port) = orders.strip_prefix("busy-port=") {
            return port.parse().map(Self::BusyPort).map_err(|_| orders.to_owned());
        }
        if let Some(found) = find(&ON_CONTROL, orders) {
            return Ok(Self::OnControl(found));
        }
        let named = orders.split(',').filter(|name| *name != "half-close");
        named
            .map(|name| find(&ON_STREAMS, name).ok_or_else(|| name.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self::OnStreams)
    }
}

fn find<T: Copy>(list: &[(&str, T)], wanted: &str) -> Option<T> {
    list.iter().find(|(name, _)| *name == wanted).map(|(_, misdeed)| *misdeed)
}

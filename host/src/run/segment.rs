//! The run's segment of the image: the token and the first requests, in ordinary frames.

use crate::spec::{Backstore, Spec};
use lunlab_protocol::frame::{END, header};
use lunlab_protocol::hello::{CONTROL, Hello, Token};
use lunlab_protocol::message::encode;
use lunlab_protocol::request::{Channel, Module, Request};
use lunlab_protocol::target::{self, Description, StorageObject};

/// Where the agent looks for it.
pub const PATH: &str = "/lunlab.requests";

/// Modules by their paths in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// Needed to reach the host.
    pub channel: Vec<String>,
    /// All others.
    pub rest: Vec<String>,
}

/// Writes the segment: pure.
///
/// `portal` is the TCP port both ends use; `serial` gives each storage object its unit serial.
#[must_use]
pub fn write(
    token: &Token,
    channel: Channel,
    modules: &Modules,
    spec: &Spec,
    portal: u16,
    serial: &mut dyn FnMut() -> String,
) -> Vec<u8> {
    let mut segment = Segment(Vec::new());
    segment.frame(&Hello::ours(CONTROL, token.clone()).encode());
    segment.request(&Request::Channel(channel));
    for path in &modules.channel {
        segment.request(&Request::Module(Module { path, channel: true }));
    }
    for path in &modules.rest {
        segment.request(&Request::Module(Module { path, channel: false }));
    }
    describe(&mut segment, spec, portal, serial);
    segment.request(&Request::Provision);
    segment.0.extend(END);
    segment.0
}

fn describe(segment: &mut Segment, spec: &Spec, portal: u16, serial: &mut dyn FnMut() -> String) {
    for object in &spec.storage_objects {
        let backstore = match object.backstore {
            Backstore::Ramdisk => target::Backstore::Ramdisk,
            Backstore::Fileio => target::Backstore::Fileio,
        };
        segment.describe(Description::StorageObject(StorageObject {
            name: &object.name,
            backstore: backstore.code(),
            size: object.size,
            serial: &serial(),
        }));
    }
    let Some(target) = &spec.target else { return };
    segment.describe(Description::Target { wwn: &target.wwn });
    segment.describe(Description::Tpg { tag: target.tpg.tag });
    for lun in &target.tpg.luns {
        let (number, storage_object) = (u16::from(lun.lun), lun.storage_object.as_str());
        segment.describe(Description::Lun { lun: number, storage_object });
    }
    segment.describe(Description::Portal { address: "127.0.0.1", port: portal });
}

struct Segment(Vec<u8>);

impl Segment {
    fn frame(&mut self, payload: &[u8]) {
        // Every payload here is a message that was just encoded into a frame's bound.
        if let Ok(header) = header(payload.len()) {
            self.0.extend(header);
            self.0.extend(payload);
        }
    }

    fn request(&mut self, request: &Request<'_>) {
        let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
        // The checked spec bounds every name far below a frame.
        if let Ok(payload) = encode(request, &mut buffer) {
            self.frame(payload);
        }
    }

    fn describe(&mut self, item: Description<'_>) {
        self.request(&Request::Describe(item));
    }
}

#[cfg(test)]
mod tests {
    use super::{Modules, write};
    use crate::spec::Spec;
    use lunlab_protocol::frame::{Decoder, Frame};
    use lunlab_protocol::hello::Token;
    use lunlab_protocol::message::decode;
    use lunlab_protocol::request::{Channel, Request};

    #[test]
    fn the_default_spec_in_order() {
        let modules =
            Modules { channel: vec!["/v.ko".into()], rest: vec!["/t.ko".into(), "/i.ko".into()] };
        let spec = Spec::builtin().unwrap();
        let token = Token::new([9; 32]);
        let mut serial = || "serial".to_owned();
        let bytes = write(&token, Channel::VirtioSerial, &modules, &spec, 4321, &mut serial);
        let (mut decoder, mut input, mut seen) = (Decoder::new(), bytes.as_slice(), Vec::new());
        loop {
            match decoder.feed(&mut input).unwrap() {
                Some(Frame::Payload(payload)) => seen.push(
                    decode::<Request<'_>>(payload)
                        .map_or_else(|_| "hello".to_owned(), |request| format!("{request:?}")),
                ),
                end => {
                    assert_eq!(end, Some(Frame::End));
                    break;
                }
            }
        }
        let expected = [
            "hello",
            "Channel(VirtioSerial)",
            "Module(Module { path: \"/v.ko\", channel: true })",
            "Module(Module { path: \"/t.ko\", channel: false })",
            "Module(Module { path: \"/i.ko\", channel: false })",
            "Describe(StorageObject(StorageObject { name: \"disk0\", backstore: 1, size: 67108864, \
             serial: \"serial\" }))",
            "Describe(Target { wwn: \"iqn.2015-04.suse.arch:5eca2313-028d-435c-9131-53a5ab256a83\" })",
            "Describe(Tpg { tag: 1 })",
            "Describe(Lun { lun: 0, storage_object: \"disk0\" })",
            "Describe(Portal { address: \"127.0.0.1\", port: 4321 })",
            "Provision",
        ];
        assert_eq!(seen, expected);
        assert!(input.is_empty());
    }
}

//! The run's segment of the image: the token and the first requests, in ordinary frames.

use crate::kernel::parameters::Parameters;
use crate::target::{Provisioning, each_request};
use lunlab_protocol::frame::{END, header};
use lunlab_protocol::hello::{CONTROL, Hello, Token};
use lunlab_protocol::message::encode;
use lunlab_protocol::request::{Channel, Module, Request};

/// Where the agent looks for it.
pub const PATH: &str = "/lunlab.requests";

/// The modules of the image in load order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// Needed to reach the host.
    pub channel: Vec<LoadedModule>,
    /// All others.
    pub rest: Vec<LoadedModule>,
}

/// A module and what it is loaded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModule {
    /// Its path in the image.
    pub path: String,
    /// Its parameters, such as `nr_devices=0`; they are not in the image, so that it serves any.
    pub parameters: String,
}

impl Modules {
    /// Modules by their paths in the image, with these parameters.
    #[must_use]
    pub fn new(channel: &[String], rest: &[String], parameters: &Parameters) -> Self {
        let load = |path: &String| {
            let parameters = parameters.of(module_name(path)).to_owned();
            LoadedModule { path: path.clone(), parameters }
        };
        let all = |paths: &[String]| paths.iter().map(load).collect();
        Self { channel: all(channel), rest: all(rest) }
    }

    fn requests(&self) -> impl Iterator<Item = Module<'_>> {
        let channel = self.channel.iter().map(|module| (module, true));
        let all = channel.chain(self.rest.iter().map(|module| (module, false)));
        all.map(|(module, channel)| Module {
            path: &module.path,
            channel,
            parameters: &module.parameters,
        })
    }
}

/// The canonical name of a module by its path in the image.
#[must_use]
pub fn module_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.strip_suffix(".ko").unwrap_or(file)
}

/// Writes the segment: pure.
#[must_use]
pub fn write(
    token: &Token,
    channel: Channel,
    modules: &Modules,
    provisioning: &Provisioning,
) -> Vec<u8> {
    let mut segment = Segment(Vec::new());
    segment.frame(&Hello::ours(CONTROL, token.clone()).encode());
    segment.request(&Request::Channel(channel));
    modules.requests().for_each(|module| segment.request(&Request::Module(module)));
    // A secret must not lie in a file: a plan that holds one is sent once the agent is connected.
    if !provisioning.has_secrets() {
        each_request(provisioning, &mut |request| segment.request(request));
        segment.request(&Request::Provision);
    }
    segment.0.extend(END);
    segment.0
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
}

#[cfg(test)]
mod tests {
    use super::{Modules, write};
    use crate::kernel::parameters::Parameters;
    use crate::spec::Spec;
    use crate::target::Provisioning;
    use lunlab_protocol::frame::{Decoder, Frame};
    use lunlab_protocol::hello::Token;
    use lunlab_protocol::message::decode;
    use lunlab_protocol::request::{Channel, Request};

    #[test]
    fn the_default_spec_in_order() {
        let paths = ["/m/v.ko", "/m/null_blk.ko", "/m/i.ko"].map(str::to_owned);
        let mut parameters = Parameters::default();
        parameters.set("null_blk", "nr_devices=0");
        let modules = Modules::new(&paths[..1], &paths[1..], &parameters);
        let spec = Spec::builtin().unwrap();
        let token = Token::new([9; 32]);
        let provisioning = Provisioning::shown(&spec).unwrap();
        let bytes = write(&token, Channel::VirtioSerial, &modules, &provisioning);
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
        let steps = provisioning.steps.len();
        assert_eq!(
            seen[..5],
            [
                "hello",
                "Channel(VirtioSerial)",
                "Module(Module { path: \"/m/v.ko\", channel: true, parameters: \"\" })",
                "Module(Module { path: \"/m/null_blk.ko\", channel: false, parameters: \"nr_devices=0\" })",
                "Module(Module { path: \"/m/i.ko\", channel: false, parameters: \"\" })",
            ]
        );
        let file = "Step(CreateFile { path: \"/run/lunlab/disk0\", size: 67108864 })";
        assert!(seen.iter().any(|request| request == file), "{seen:?}");
        assert!(seen[5..5 + steps].iter().all(|request| request.starts_with("Step(")), "{seen:?}");
        assert_eq!(seen[5 + steps..], ["Provision"]);
        assert!(input.is_empty());
    }
}

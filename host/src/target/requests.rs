//! A provisioning as requests on the wire.

use super::Provisioning;
use configfs_rs::Value;
use configfs_rs::plan::Step;
use lunlab_protocol::request::Request;
use lunlab_protocol::target;

/// Gives every request that describes the provisioning, in order; what is to be done with it is asked separately.
pub fn each_request(provisioning: &Provisioning, take: &mut dyn FnMut(&Request<'_>)) {
    for step in &provisioning.steps {
        take(&Request::Step(on_the_wire(step)));
    }
}

fn on_the_wire(step: &Step) -> target::Step<'_> {
    match step {
        Step::CreateFile { path, size } => target::Step::CreateFile { path, size: *size },
        Step::MakeDirectory { path } => target::Step::MakeDirectory { path: path.as_str() },
        Step::WriteAttribute { path, value, undo } => target::Step::Write {
            path: path.as_str(),
            value: value.expose(),
            secret: value.is_secret(),
            undo: undo.as_ref().map(Value::expose),
        },
        Step::Link { target, at } => {
            target::Step::Link { target: target.as_str(), at: at.as_str() }
        }
    }
}

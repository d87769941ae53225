//! Workload `channel`, the guest's end: it serves by TCP at the addresses it is given, dials a stream of the run's transport, and
//! serves that one until the host ends it.

mod dial;

use lunlab_bench::channel::exchange::serve;
use lunlab_bench::channel::{NIC, PORTAL};
use lunlab_bench::workload::{Observer, Stopped, Values};
use lunlab_stream::bytes::Bytes;
use std::net::TcpListener;
use std::thread;

pub(super) fn run(values: &Values, _observer: &mut dyn Observer) -> Result<(), Stopped> {
    for address in [PORTAL, NIC].map(|path| values.text(path)) {
        if !address.is_empty() {
            listen(address)
                .map_err(|why| Stopped::Failed(format!("listen on {address}: {why}")))?;
        }
    }
    // The host begins when this is there: all else is by then.
    let mut stream = Bytes::new(dial::stream(values).map_err(Stopped::Failed)?);
    // A host that breaks it off has said why.
    let _broken_off = serve(&mut stream).is_ok() && stream.end().is_ok();
    Ok(())
}

/// Serves each connection in a thread, for as long as this program runs. What goes wrong with one shows at its other end.
fn listen(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let serving = thread::Builder::new().name("listener".into()).spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let _broken = tcp.set_nodelay(true).and_then(|()| serve(&mut tcp));
        }
    })?;
    drop(serving);
    Ok(())
}

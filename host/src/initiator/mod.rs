//! The host's iSCSI initiator: libiscsi in a child process of its own.
//!
//! A target under test may answer with anything. What it does to the C library stays in the child: the
//! worst the parent sees is a child that died, which is a failed check with a name. The child is
//! started early, so that the library is loaded when the target becomes ready.
//!
//! # The lines
//!
//! Each way, one JSON object per line of at most [`MAX_LINE`] bytes: [`Job`]s to the child's stdin,
//! [`Report`]s from its stdout. The first report is `ready`, or `failed` when there is no libiscsi. Each
//! job is answered by reports that end in `done` or `failed`; the child then waits for the next. It
//! ends when its stdin is closed, also in the middle of a job: whoever pipes jobs in by hand keeps
//! the pipe open until the answer is there, or gives a file.
//!
//! ```text
//! {"job":"check","target":{"portal":"127.0.0.1:3260","iqn":"iqn.…","initiator":"iqn.…"},
//!  "luns":[{"lun":0,"bytes":67108864}]}
//! {"report":"ready","library":"/usr/lib/x86_64-linux-gnu/libiscsi.so.7.0.0","data_digest":false}
//! {"report":"logged_in","ms":1.1,"monotonic_ns":…,"connect_ms":0.2}
//! {"report":"discovered","ms":2.3,"took_ms":1.2,"targets":1,"portals":["127.0.0.1:3260,1"]}
//! {"report":"capacity","ms":2.6,"lun":0,"bytes":67108864,"block_len":512,"identity":"LIO-ORG …"}
//! {"report":"verified","ms":9.4,"lun":0,"blocks":64,"bytes":32768}
//! {"report":"done","ms":9.6}
//!
//! {"job":"randread","target":{…},"lun":0,"block_size":4096,"queue_depth":32,"seconds":5}
//! {"report":"logged_in",…} {"report":"capacity",…} {"report":"stamped",…}
//! {"report":"sample","index":0,"iops":4312.0} …
//! {"report":"measured","iops":4300.2,"latency":{"p50_us":…},"samples":[…],…}
//! {"job":"storage","target":{…},"lun":0,"values":{"access":"random","read_percent":"70",…}}
//! {"report":"logged_in",…} {"report":"capacity",…}
//! {"report":"told","told":"sample","series":"iops","unit":"1/s","value":4312.0} …
//! {"report":"told","told":"bucket","series":"read","up_to_ns":210047,"count":12} …
//! {"report":"failed","kind":"login","attempted":"log in to iqn.… at 127.0.0.1:3260",
//!  "cause":"service unavailable (login status 0x0301)","login_status":769,"hint":"…"}
//! ```
//!
//! A job is also the only way a secret takes: it is on no command line and in no environment, and
//! whatever shows a job, or words a failure, shows `***` in its place.
//!
//! A session that is to `stay` after its reads, for the target's side of it to be looked at, ends with
//! the next job; `{"job":"log_out"}` does nothing else.
//!
//! Optional keys, their defaults and units are with the fields of [`Check`], [`Randread`], [`Storage`] and [`Limits`].
//! (Wrapped here; a line is a line.)

mod access;
mod check;
pub mod child;
mod extents;
mod ffi;
mod job;
mod link;
mod login_status;
mod padding;
mod parent;
mod random;
mod randread;
mod scsi;
pub mod stamp;
mod storage;
mod teller;

pub use access::{Chap, Digest, Mutual, Secret};
pub use job::{
    Check, Contents, DEFAULT_NAME, Endpoint, ExpectedLun, Failure, FailureKind, Job, Latency,
    Limits, LineError, MAX_LINE, Measured, Randread, Report, Storage, Telling, Uncompared,
};
pub use parent::{Initiator, InitiatorError, Loaded, Received};

//! Golden bytes of protocol version 1.
//!
//! A red test here means that the code is wrong: the test stays as it is. Images and hosts built
//! before the change speak exactly these bytes, so every number below is pinned: variants, codes,
//! field order, widths. What is new in a later version gets a file of its own beside this one.
//!
//! Bytes are given field by field, each with a remark. Integers wider than a byte are LEB128
//! varints where postcard writes them and little endian in fixed layouts; text is its length, then
//! UTF-8.

use core::fmt::Debug;
use heapless::Vec;
use lunlab_protocol::event::{Event, Phase, StepFailed};
use lunlab_protocol::frame::{
    Decoder, END, Frame, FrameError, MAX_FRAME, MAX_PAYLOAD, RESET, header,
};
use lunlab_protocol::hello::{BuildId, CONTROL, HELLO_LENGTH, Hello, Token};
use lunlab_protocol::message;
use lunlab_protocol::mux::{self, Kind, MAX_DATA, WINDOW};
use lunlab_protocol::request::{
    Benchmark, CONTROL_PORT, Channel, Module, Parameter, Provocation, Request, STREAMS_PORT,
};
use lunlab_protocol::target::{Device, DeviceKind, LoopbackDisk, Step};
use lunlab_protocol::version::VersionRange;
use serde::{Deserialize, Serialize};

/// Bytes of one field and what they say.
type Field<'a> = (&'a [u8], &'a str);

/// Compares field by field, so that a failure names the field.
#[track_caller]
fn assert_fields(bytes: &[u8], fields: &[Field<'_>]) {
    let mut rest = bytes;
    for (expected, remark) in fields {
        let (field, tail) = rest.split_at(expected.len().min(rest.len()));
        assert_eq!(field, *expected, "{remark}");
        rest = tail;
    }
    assert_eq!(rest, [0_u8; 0], "bytes after the last field");
}

#[track_caller]
fn assert_message<'a, T>(message: &T, fields: &[Field<'_>], bytes: &'a mut std::vec::Vec<u8>)
where
    T: Serialize + Deserialize<'a> + PartialEq + Debug,
{
    let mut buffer = [0; MAX_PAYLOAD];
    assert_fields(message::encode(message, &mut buffer).unwrap(), fields);
    bytes.extend(fields.iter().flat_map(|(field, _)| *field));
    assert_eq!(message::decode::<T>(bytes).as_ref(), Ok(message), "read from golden bytes");
}

#[track_caller]
fn assert_request(request: &Request<'_>, fields: &[Field<'_>]) {
    let mut bytes = std::vec::Vec::new();
    assert_message(request, fields, &mut bytes);
}

#[track_caller]
fn assert_event(event: &Event<'_>, fields: &[Field<'_>]) {
    let mut bytes = std::vec::Vec::new();
    assert_message(event, fields, &mut bytes);
}

#[test]
fn hello_has_its_frozen_layout() {
    let mut token = [0x5a; 32];
    token[0] = 0x01;
    token[31] = 0xfe;
    let hello = Hello {
        versions: VersionRange { oldest: 0x0201, newest: 0x0403 },
        stream: 0x0807_0605,
        build: BuildId::new("0.1.0"),
        token: Token::new(token),
    };
    let bytes = hello.encode();
    assert_fields(
        &bytes,
        &[
            (&[0x6c, 0x75, 0x6e, 0x6c, 0x61, 0x62, 0x0d, 0x0a], "magic, lunlab and CR LF"),
            (&[0x01, 0x02], "oldest version"),
            (&[0x03, 0x04], "newest version"),
            (&[0x05, 0x06, 0x07, 0x08], "number of the stream"),
            (&[0x30, 0x2e, 0x31, 0x2e, 0x30], "build id 0.1.0"),
            (&[0; 11], "build id, filled up with zeros"),
            (&[0x01], "token, first byte"),
            (&[0x5a; 30], "token"),
            (&[0xfe], "token, last byte"),
        ],
    );
    assert_eq!(bytes.len(), 64);
    assert_eq!(HELLO_LENGTH, 64);
    assert_eq!(Hello::decode(&bytes), Ok(hello));
    assert_eq!(CONTROL, 0);
}

#[test]
fn version_1_is_spoken() {
    assert_eq!(
        VersionRange::OURS.common(VersionRange { oldest: 1, newest: 1 }),
        Some(1),
        "peers of version 1 are left out"
    );
}

#[test]
fn frames_are_a_length_and_a_payload() {
    assert_eq!(header(1), Ok([0x01, 0x00]), "shortest payload");
    assert_eq!(header(0x0102), Ok([0x02, 0x01]), "little endian, counts the payload only");
    assert_eq!(header(16382), Ok([0xfe, 0x3f]), "longest payload");
    assert_eq!(header(16383), Err(FrameError::Payload(16383)), "one byte too long");
    assert_eq!(END, [0x00, 0x00], "length 0 ends the direction");
    assert_eq!(RESET, [0xff, 0xff], "length 0xffff resets the stream");
    assert_eq!((MAX_FRAME, MAX_PAYLOAD), (16384, 16382));
}

#[test]
fn golden_frames_are_read() {
    let mut decoder = Decoder::new();
    let mut input: &[u8] = &[
        0x03, 0x00, // a payload of 3 bytes
        0x61, 0x62, 0x63, // which are abc
        0x01, 0x00, // a payload of 1 byte
        0x00, // which is zero
        0x00, 0x00, // the end
    ];
    assert_eq!(decoder.feed(&mut input), Ok(Some(Frame::Payload(b"abc"))));
    assert_eq!(decoder.feed(&mut input), Ok(Some(Frame::Payload(&[0]))));
    assert_eq!(decoder.feed(&mut input), Ok(Some(Frame::End)));
    assert_eq!(input, [0_u8; 0]);
    assert_eq!(Decoder::new().feed(&mut [0xff, 0xff].as_slice()), Ok(Some(Frame::Reset)));
    let too_long = [0xff, 0x3f]; // a payload of 16383 bytes
    assert_eq!(Decoder::new().feed(&mut too_long.as_slice()), Err(FrameError::Length(16383)));
}

#[track_caller]
fn assert_mux(stream: u32, kind: &Kind<'_>, fields: &[Field<'_>]) {
    let (header, credit) = mux::encode(stream, kind);
    let mut bytes = header.to_vec();
    match kind {
        Kind::Data(data) => bytes.extend_from_slice(data),
        Kind::Credit(_) => bytes.extend_from_slice(&credit),
        Kind::Open | Kind::End | Kind::Reset => {}
    }
    assert_fields(&bytes, fields);
    assert_eq!(mux::decode(&bytes), Ok((stream, *kind)));
}

#[test]
fn mux_frames_of_every_kind() {
    let one: Field<'_> = (&[0x01, 0x00, 0x00, 0x00], "stream 1");
    assert_mux(1, &Kind::Open, &[one, (&[0x00], "kind 0, open")]);
    assert_mux(
        0x0403_0201,
        &Kind::Data(b"abc"),
        &[
            (&[0x01, 0x02, 0x03, 0x04], "stream, little endian"),
            (&[0x01], "kind 1, data"),
            (&[0x61, 0x62, 0x63], "the data, to the end of the frame"),
        ],
    );
    assert_mux(1, &Kind::End, &[one, (&[0x02], "kind 2, end")]);
    assert_mux(1, &Kind::Reset, &[one, (&[0x03], "kind 3, reset")]);
    assert_mux(
        1,
        &Kind::Credit(0x0001_0203),
        &[one, (&[0x04], "kind 4, credit"), (&[0x03, 0x02, 0x01, 0x00], "bytes, little endian")],
    );
    assert_eq!((WINDOW, MAX_DATA), (262_144, 16377));
}

#[test]
fn request_0_channel() {
    assert_request(
        &Request::Channel(Channel::Vsock { port: 300 }),
        &[(&[0x00], "request 0"), (&[0x00], "channel 0, vsock"), (&[0xac, 0x02], "port 300")],
    );
    assert_request(
        &Request::Channel(Channel::VirtioSerial),
        &[(&[0x00], "request 0"), (&[0x01], "channel 1, virtio-serial")],
    );
    assert_eq!((CONTROL_PORT, STREAMS_PORT), ("lunlab.control", "lunlab.streams"));
}

#[test]
fn request_1_module() {
    assert_request(
        &Request::Module(Module { path: "/m/a.ko", channel: true, parameters: "n=0" }),
        &[
            (&[0x01], "request 1"),
            (&[0x07], "path: 7 bytes"),
            (&[0x2f, 0x6d, 0x2f, 0x61, 0x2e, 0x6b, 0x6f], "/m/a.ko"),
            (&[0x01], "channel: true"),
            (&[0x03, 0x6e, 0x3d, 0x30], "parameters n=0"),
        ],
    );
    assert_request(
        &Request::Module(Module { path: "", channel: false, parameters: "" }),
        &[
            (&[0x01], "request 1"),
            (&[0x00], "path: empty"),
            (&[0x00], "channel: false"),
            (&[0x00], "parameters: empty"),
        ],
    );
}

#[test]
fn request_2_step_0_create_file() {
    assert_request(
        &Request::Step(Step::CreateFile { path: "/d", size: 67_108_864 }),
        &[
            (&[0x02], "request 2"),
            (&[0x00], "step 0, create file"),
            (&[0x02, 0x2f, 0x64], "path /d"),
            (&[0x80, 0x80, 0x80, 0x20], "size 64 MiB"),
        ],
    );
}

#[test]
fn request_2_step_1_make_directory() {
    assert_request(
        &Request::Step(Step::MakeDirectory { path: "a/b" }),
        &[
            (&[0x02], "request 2"),
            (&[0x01], "step 1, make directory"),
            (&[0x03, 0x61, 0x2f, 0x62], "path a/b"),
        ],
    );
}

#[test]
fn request_2_step_2_write() {
    assert_request(
        &Request::Step(Step::Write { path: "a", value: "1", secret: false, undo: Some("0") }),
        &[
            (&[0x02], "request 2"),
            (&[0x02], "step 2, write"),
            (&[0x01, 0x61], "path a"),
            (&[0x01, 0x31], "value 1"),
            (&[0x00], "secret: false"),
            (&[0x01], "with undo"),
            (&[0x01, 0x30], "undo 0"),
        ],
    );
    assert_request(
        &Request::Step(Step::Write { path: "a", value: "pw", secret: true, undo: None }),
        &[
            (&[0x02], "request 2"),
            (&[0x02], "step 2, write"),
            (&[0x01, 0x61], "path a"),
            (&[0x02, 0x70, 0x77], "value pw"),
            (&[0x01], "secret: true"),
            (&[0x00], "without undo"),
        ],
    );
}

#[test]
fn request_2_step_3_link() {
    assert_request(
        &Request::Step(Step::Link { target: "t", at: "l" }),
        &[
            (&[0x02], "request 2"),
            (&[0x03], "step 3, link"),
            (&[0x01, 0x74], "target t"),
            (&[0x01, 0x6c], "at l"),
        ],
    );
}

#[test]
fn request_3_provision() {
    assert_request(&Request::Provision, &[(&[0x03], "request 3")]);
}

#[test]
fn request_4_open_stream() {
    assert_request(
        &Request::OpenStream { stream: u32::MAX, address: "::1", port: 3260 },
        &[
            (&[0x04], "request 4"),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], "stream 4294967295"),
            (&[0x03, 0x3a, 0x3a, 0x31], "address ::1"),
            (&[0xbc, 0x19], "port 3260"),
        ],
    );
}

#[test]
fn request_5_benchmark() {
    let parameters = [Parameter { key: "qd", value: "32" }, Parameter { key: "s", value: "" }];
    assert_request(
        &Request::Benchmark(Benchmark {
            number: 1,
            workload: "hash",
            parameters: Vec::from_slice(&parameters).unwrap(),
        }),
        &[
            (&[0x05], "request 5"),
            (&[0x01], "number 1"),
            (&[0x04, 0x68, 0x61, 0x73, 0x68], "workload hash"),
            (&[0x02], "two parameters"),
            (&[0x02, 0x71, 0x64], "key qd"),
            (&[0x02, 0x33, 0x32], "value 32"),
            (&[0x01, 0x73], "key s"),
            (&[0x00], "value, empty"),
        ],
    );
}

#[test]
fn a_benchmark_has_at_most_32_parameters() {
    let mut bytes = vec![
        0x05, // request 5
        0x00, // number 0
        0x00, // workload, empty
        0x20, // 32 parameters
    ];
    bytes.extend([0; 64]); // empty keys and values
    assert!(message::decode::<Request<'_>>(&bytes).is_ok());
    bytes[3] = 0x21; // 33 parameters
    bytes.extend([0; 2]);
    assert!(message::decode::<Request<'_>>(&bytes).is_err());
}

#[test]
fn request_6_provoke() {
    assert_request(&Request::Provoke(3), &[(&[0x06], "request 6"), (&[0x03], "code 3")]);
}

#[test]
fn request_7_finish() {
    assert_request(&Request::Finish, &[(&[0x07], "request 7")]);
}

#[test]
fn request_8_acknowledge() {
    assert_request(&Request::Acknowledge, &[(&[0x08], "request 8")]);
}

#[test]
fn request_9_device() {
    assert_request(
        &Request::Device(Device {
            name: "d0",
            kind: DeviceKind::Disk.code(),
            over: "s0",
            size: 512,
            read_only: true,
            parameters: Vec::from_slice(&[Parameter { key: "k", value: "v" }]).unwrap(),
        }),
        &[
            (&[0x09], "request 9"),
            (&[0x02, 0x64, 0x30], "name d0"),
            (&[0x00], "kind 0, disk"),
            (&[0x02, 0x73, 0x30], "over s0"),
            (&[0x80, 0x04], "512 bytes"),
            (&[0x01], "read only: true"),
            (&[0x01], "one parameter"),
            (&[0x01, 0x6b], "key k"),
            (&[0x01, 0x76], "value v"),
        ],
    );
}

#[test]
fn request_10_loopback_disk() {
    assert_request(
        &Request::LoopbackDisk(LoopbackDisk { tpg: "t/l", lun: 300, serial: "ab", name: "l0" }),
        &[
            (&[0x0a], "request 10"),
            (&[0x03, 0x74, 0x2f, 0x6c], "tpg t/l"),
            (&[0xac, 0x02], "lun 300"),
            (&[0x02, 0x61, 0x62], "serial ab"),
            (&[0x02, 0x6c, 0x30], "name l0"),
        ],
    );
}

#[test]
fn request_11_change() {
    assert_request(&Request::Change, &[(&[0x0b], "request 11")]);
}

#[test]
fn request_12_read() {
    assert_request(
        &Request::Read { number: 1, path: "t" },
        &[(&[0x0c], "request 12"), (&[0x01], "number 1"), (&[0x01, 0x74], "path t")],
    );
}

#[test]
fn request_13_network() {
    assert_request(
        &Request::Network { address: "::1", prefix: 64, gateway: "" },
        &[
            (&[0x0d], "request 13"),
            (&[0x03, 0x3a, 0x3a, 0x31], "address ::1"),
            (&[0x40], "prefix 64"),
            (&[0x00], "gateway, empty"),
        ],
    );
}

#[test]
fn event_0_phase() {
    assert_event(
        &Event::Phase { phase: 4, uptime_us: 1_000_000 },
        &[(&[0x00], "event 0"), (&[0x04], "phase 4"), (&[0xc0, 0x84, 0x3d], "uptime 1 s")],
    );
}

#[test]
fn event_1_heartbeat() {
    assert_event(
        &Event::Heartbeat { uptime_us: u64::MAX },
        &[
            (&[0x01], "event 1"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "uptime, the most"),
        ],
    );
}

#[test]
fn event_2_kmsg() {
    assert_event(
        &Event::Kmsg { sequence: 339, timestamp_us: 5_140_900, priority: 6, text: "é" },
        &[
            (&[0x02], "event 2"),
            (&[0xd3, 0x02], "sequence 339"),
            (&[0xa4, 0xe3, 0xb9, 0x02], "timestamp 5.140900 s"),
            (&[0x06], "priority 6: facility 0, level 6"),
            (&[0x02, 0xc3, 0xa9], "text é, two bytes"),
        ],
    );
}

#[test]
fn event_3_kmsg_lost() {
    assert_event(
        &Event::KmsgLost { records: 128 },
        &[(&[0x03], "event 3"), (&[0x80, 0x01], "128 records")],
    );
}

#[test]
fn event_4_note() {
    assert_event(
        &Event::Note { text: "ok" },
        &[(&[0x04], "event 4"), (&[0x02, 0x6f, 0x6b], "text ok")],
    );
}

#[test]
fn event_5_module_loaded() {
    assert_event(
        &Event::ModuleLoaded { path: "/a", took_us: 127 },
        &[(&[0x05], "event 5"), (&[0x02, 0x2f, 0x61], "path /a"), (&[0x7f], "took 127 us")],
    );
}

#[test]
fn event_6_step_failed() {
    assert_event(
        &Event::StepFailed(StepFailed {
            step: 3,
            steps: 12,
            operation: "mkdir",
            path: "/x",
            value: "v",
            errno: 22,
            cause: "",
            hint: "h",
        }),
        &[
            (&[0x06], "event 6"),
            (&[0x03], "step 3"),
            (&[0x0c], "of 12"),
            (&[0x05, 0x6d, 0x6b, 0x64, 0x69, 0x72], "operation mkdir"),
            (&[0x02, 0x2f, 0x78], "path /x"),
            (&[0x01, 0x76], "value v"),
            (&[0x2c], "errno 22, zigzag"),
            (&[0x00], "cause, empty"),
            (&[0x01, 0x68], "hint h"),
        ],
    );
}

#[test]
fn event_7_step_kernel_line() {
    assert_event(
        &Event::StepKernelLine { text: "no" },
        &[(&[0x07], "event 7"), (&[0x02, 0x6e, 0x6f], "text no")],
    );
}

#[test]
fn event_8_provision_failed() {
    assert_event(
        &Event::ProvisionFailed { undone: true },
        &[(&[0x08], "event 8"), (&[0x01], "undone: true")],
    );
}

#[test]
fn event_9_target_ready() {
    assert_event(&Event::TargetReady { steps: 31 }, &[(&[0x09], "event 9"), (&[0x1f], "31 steps")]);
}

#[test]
fn event_10_attribute() {
    assert_event(
        &Event::Attribute { path: "t/a", value: "1" },
        &[
            (&[0x0a], "event 10"),
            (&[0x03, 0x74, 0x2f, 0x61], "path t/a"),
            (&[0x01, 0x31], "value 1"),
        ],
    );
}

#[test]
fn event_11_stream_failed() {
    assert_event(
        &Event::StreamFailed { stream: 2, problem: "no" },
        &[(&[0x0b], "event 11"), (&[0x02], "stream 2"), (&[0x02, 0x6e, 0x6f], "problem no")],
    );
}

#[test]
fn event_12_sample() {
    assert_event(
        &Event::Sample { benchmark: 1, series: "iops", unit: "1/s", value: -1.5 },
        &[
            (&[0x0c], "event 12"),
            (&[0x01], "benchmark 1"),
            (&[0x04, 0x69, 0x6f, 0x70, 0x73], "series iops"),
            (&[0x03, 0x31, 0x2f, 0x73], "unit 1/s"),
            (&[0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0xbf], "value -1.5, little endian"),
        ],
    );
}

#[test]
fn event_13_benchmark_ended() {
    assert_event(
        &Event::BenchmarkEnded { benchmark: 1, problem: "" },
        &[(&[0x0d], "event 13"), (&[0x01], "benchmark 1"), (&[0x00], "problem, empty")],
    );
}

#[test]
fn event_14_taint() {
    assert_event(
        &Event::Taint { bits: 0x1200 },
        &[(&[0x0e], "event 14"), (&[0x80, 0x24], "bits 9 and 12")],
    );
}

#[test]
fn event_15_torn_down() {
    assert_event(
        &Event::TornDown { problem: "x" },
        &[(&[0x0f], "event 15"), (&[0x01, 0x78], "problem x")],
    );
}

#[test]
fn event_16_agent_panicked() {
    assert_event(
        &Event::AgentPanicked { text: "at" },
        &[(&[0x10], "event 16"), (&[0x02, 0x61, 0x74], "text at")],
    );
}

#[test]
fn event_17_finished() {
    assert_event(&Event::Finished, &[(&[0x11], "event 17")]);
}

#[test]
fn event_18_device_ready() {
    assert_event(
        &Event::DeviceReady { name: "d0", node: "/d", size: 512 },
        &[
            (&[0x12], "event 18"),
            (&[0x02, 0x64, 0x30], "name d0"),
            (&[0x02, 0x2f, 0x64], "node /d"),
            (&[0x80, 0x04], "512 bytes"),
        ],
    );
}

#[test]
fn event_19_changed() {
    assert_event(
        &Event::Changed { undone: 2, steps: 3 },
        &[(&[0x13], "event 19"), (&[0x02], "2 undone"), (&[0x03], "3 steps")],
    );
}

#[test]
fn event_20_change_failed() {
    assert_event(
        &Event::ChangeFailed { undone: true },
        &[(&[0x14], "event 20"), (&[0x01], "undone: true")],
    );
}

#[test]
fn event_21_reading() {
    assert_event(
        &Event::Reading { number: 1, path: "t/a", value: "1" },
        &[
            (&[0x15], "event 21"),
            (&[0x01], "number 1"),
            (&[0x03, 0x74, 0x2f, 0x61], "path t/a"),
            (&[0x01, 0x31], "value 1"),
        ],
    );
}

#[test]
fn event_22_read_ended() {
    assert_event(
        &Event::ReadEnded { number: 1, problem: "" },
        &[(&[0x16], "event 22"), (&[0x01], "number 1"), (&[0x00], "problem, empty")],
    );
}

#[test]
fn event_23_finding() {
    assert_event(
        &Event::Finding { benchmark: 1, name: "n", text: "t" },
        &[
            (&[0x17], "event 23"),
            (&[0x01], "benchmark 1"),
            (&[0x01, 0x6e], "name n"),
            (&[0x01, 0x74], "text t"),
        ],
    );
}

#[test]
fn event_24_benchmark_skipped() {
    assert_event(
        &Event::BenchmarkSkipped { benchmark: 1, reason: "r" },
        &[(&[0x18], "event 24"), (&[0x01], "benchmark 1"), (&[0x01, 0x72], "reason r")],
    );
}

#[test]
fn event_25_progress() {
    assert_event(
        &Event::Progress { benchmark: 1, permille: 500, left_ms: 3 },
        &[
            (&[0x19], "event 25"),
            (&[0x01], "benchmark 1"),
            (&[0xf4, 0x03], "500 thousandths"),
            (&[0x03], "3 ms left"),
        ],
    );
}

#[test]
fn event_26_latency_bucket() {
    assert_event(
        &Event::LatencyBucket { benchmark: 1, series: "s", up_to_ns: 300, count: 2 },
        &[
            (&[0x1a], "event 26"),
            (&[0x01], "benchmark 1"),
            (&[0x01, 0x73], "series s"),
            (&[0xac, 0x02], "up to 300 ns"),
            (&[0x02], "count 2"),
        ],
    );
}

#[test]
fn event_27_counter() {
    assert_event(
        &Event::Counter { benchmark: 1, region: "r", counter: "c", value: 300, problem: "" },
        &[
            (&[0x1b], "event 27"),
            (&[0x01], "benchmark 1"),
            (&[0x01, 0x72], "region r"),
            (&[0x01, 0x63], "counter c"),
            (&[0xac, 0x02], "value 300"),
            (&[0x00], "problem, empty"),
        ],
    );
}

#[test]
fn event_28_gauge() {
    assert_event(
        &Event::Gauge { benchmark: 1, name: "n", after: true, value: 1.0 },
        &[
            (&[0x1c], "event 28"),
            (&[0x01], "benchmark 1"),
            (&[0x01, 0x6e], "name n"),
            (&[0x01], "after"),
            (&[0, 0, 0, 0, 0, 0, 0xf0, 0x3f], "value 1.0"),
        ],
    );
}

#[test]
fn phases_have_their_codes() {
    let codes = [
        (Phase::Init, 0),
        (Phase::ChannelModules, 1),
        (Phase::Channel, 2),
        (Phase::Modules, 3),
        (Phase::TargetReady, 4),
        (Phase::TornDown, 5),
    ];
    for (phase, code) in codes {
        assert_eq!((phase.code(), Phase::from_code(code)), (code, Some(phase)));
    }
    assert_eq!(Phase::from_code(u32::MAX), None);
}

#[test]
fn provocations_have_their_codes() {
    let codes = [
        (Provocation::Panic, 0),
        (Provocation::Oops, 1),
        (Provocation::Hang, 2),
        (Provocation::AgentExit, 3),
        (Provocation::AgentPanic, 4),
    ];
    for (provocation, code) in codes {
        assert_eq!((provocation.code(), Provocation::from_code(code)), (code, Some(provocation)));
    }
    assert_eq!(Provocation::from_code(u32::MAX), None);
}

#[test]
fn kinds_of_devices_have_their_codes() {
    let codes = [
        (DeviceKind::Disk, 0),
        (DeviceKind::NullBlk, 1),
        (DeviceKind::Brd, 2),
        (DeviceKind::Zram, 3),
        (DeviceKind::Loop, 4),
        (DeviceKind::Delay, 5),
        (DeviceKind::Flakey, 6),
    ];
    for (kind, code) in codes {
        assert_eq!((kind.code(), DeviceKind::from_code(code)), (code, Some(kind)));
    }
    assert_eq!(DeviceKind::from_code(u32::MAX), None);
}

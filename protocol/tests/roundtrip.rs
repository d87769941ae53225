//! Laws of the encoding: what was written is read back, and no bytes at all make a reader panic.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use lunlab_protocol::event::{Event, StepFailed};
use lunlab_protocol::frame::{
    Decoder, END, Frame, FrameError, HEADER, MAX_PAYLOAD, RESET, header, is_whole,
};
use lunlab_protocol::hello::{BuildId, Hello, Token};
use lunlab_protocol::message::{self, MessageError};
use lunlab_protocol::mux::{self, Kind, MAX_DATA};
use lunlab_protocol::request::{Benchmark, Channel, Module, Parameter, Request};
use lunlab_protocol::target::{Device, LoopbackDisk, Step};
use lunlab_protocol::version::VersionRange;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// What the messages of a test borrow from.
type Texts = Vec<String>;

fn texts() -> impl Strategy<Value = Texts> {
    vec(proptest::string::string_regex("(?s).{0,40}").unwrap(), 40)
}

fn steps(t: &Texts, n: u64, flag: bool) -> [Step<'_>; 5] {
    [
        Step::CreateFile { path: &t[0], size: n },
        Step::MakeDirectory { path: &t[1] },
        Step::Write { path: &t[2], value: &t[3], secret: flag, undo: None },
        Step::Write { path: &t[2], value: &t[3], secret: flag, undo: Some(&t[4]) },
        Step::Link { target: &t[7], at: &t[8] },
    ]
}

/// Every request there is, of given text and numbers.
fn requests<'a>(t: &'a Texts, parameters: usize, n: u64, flag: bool) -> Vec<Request<'a>> {
    let [low, high] = halves(n);
    let pairs = || t.iter().zip(t.iter().rev()).take(parameters);
    let parameters = || pairs().map(|(key, value)| Parameter { key, value });
    let mut all = vec![
        Request::Channel(Channel::Vsock { port: low }),
        Request::Channel(Channel::VirtioSerial),
        Request::Module(Module { path: &t[5], channel: flag, parameters: &t[9] }),
        Request::Provision,
        Request::OpenStream { stream: low, address: &t[10], port: short(high) },
        Request::Benchmark(Benchmark {
            number: high,
            workload: &t[6],
            parameters: parameters().collect(),
        }),
        Request::Provoke(low),
        Request::Finish,
        Request::Acknowledge,
        Request::Device(Device {
            name: &t[11],
            kind: low,
            over: &t[12],
            size: n,
            read_only: flag,
            parameters: parameters().collect(),
        }),
        Request::LoopbackDisk(LoopbackDisk {
            tpg: &t[13],
            lun: short(low),
            serial: &t[14],
            name: &t[15],
        }),
        Request::Change,
        Request::Read { number: high, path: &t[16] },
        Request::Network { address: &t[17], prefix: 24, gateway: &t[18] },
    ];
    all.extend(steps(t, n, flag).map(Request::Step));
    all
}

/// Every event there is, of given text and numbers.
fn events<'a>(t: &'a Texts, n: u64, m: u64, flag: bool, value: f64) -> Vec<Event<'a>> {
    let [low, high] = halves(n);
    vec![
        Event::Phase { phase: low, uptime_us: m },
        Event::Heartbeat { uptime_us: n },
        Event::Kmsg { sequence: n, timestamp_us: m, priority: high, text: &t[0] },
        Event::KmsgLost { records: n },
        Event::Note { text: &t[1] },
        Event::ModuleLoaded { path: &t[2], took_us: n },
        Event::StepFailed(StepFailed {
            step: low,
            steps: high,
            operation: &t[3],
            path: &t[4],
            value: &t[5],
            errno: low.cast_signed(),
            cause: &t[6],
            hint: &t[23],
        }),
        Event::StepKernelLine { text: &t[7] },
        Event::ProvisionFailed { undone: flag },
        Event::TargetReady { steps: low },
        Event::Attribute { path: &t[8], value: &t[9] },
        Event::StreamFailed { stream: high, problem: &t[10] },
        Event::Sample { benchmark: low, series: &t[11], unit: &t[12], value },
        Event::BenchmarkEnded { benchmark: low, problem: &t[13] },
        Event::Taint { bits: n },
        Event::TornDown { problem: &t[14] },
        Event::AgentPanicked { text: &t[15] },
        Event::Finished,
        Event::DeviceReady { name: &t[16], node: &t[17], size: n },
        Event::Changed { undone: low, steps: high },
        Event::ChangeFailed { undone: flag },
        Event::Reading { number: low, path: &t[18], value: &t[19] },
        Event::ReadEnded { number: high, problem: &t[20] },
        Event::Finding { benchmark: low, name: &t[21], text: &t[22] },
        Event::BenchmarkSkipped { benchmark: low, reason: &t[20] },
        Event::Progress { benchmark: low, permille: low, left_ms: m },
        Event::LatencyBucket { benchmark: low, series: &t[20], up_to_ns: n, count: m },
        Event::Counter {
            benchmark: low,
            region: &t[20],
            counter: &t[21],
            value: n,
            problem: &t[22],
        },
        Event::Gauge { benchmark: low, name: &t[20], after: flag, value: 0.5 },
    ]
}

fn halves(n: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = n.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

fn short(n: u32) -> u16 {
    let [a, b, ..] = n.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Numbers of every encoded length, not only the long ones that are most common.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

fn hello() -> impl Strategy<Value = Hello> {
    let build = proptest::string::string_regex("[ -~]{0,20}").unwrap();
    (any::<(u16, u16, u32, [u8; 32])>(), build).prop_map(
        |((oldest, newest, stream, token), build)| Hello {
            versions: VersionRange { oldest, newest },
            stream,
            build: BuildId::new(&build),
            token: Token::new(token),
        },
    )
}

/// The same value, also where it is no number: an f64 is compared by its bits.
fn same(a: &Event<'_>, b: &Event<'_>) -> bool {
    match (a, b) {
        (Event::Sample { value: x, .. }, Event::Sample { value: y, .. })
            if x.to_bits() == y.to_bits() =>
        {
            let plain = |event: &Event<'_>| match *event {
                Event::Sample { benchmark, series, unit, .. } => {
                    Some((benchmark, series.to_owned(), unit.to_owned()))
                }
                _ => None,
            };
            plain(a) == plain(b)
        }
        (Event::Sample { .. }, _) => false,
        _ => a == b,
    }
}

proptest! {
    #[test]
    fn a_hello_is_read_back(hello in hello()) {
        prop_assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }

    #[test]
    fn every_request_is_read_back(
        t in texts(), parameters in 0..=16_usize, n in number(), flag in any::<bool>(),
    ) {
        let mut buffer = [0; MAX_PAYLOAD];
        for request in requests(&t, parameters, n, flag) {
            let bytes = message::encode(&request, &mut buffer).unwrap();
            prop_assert_eq!(message::decode::<Request<'_>>(bytes), Ok(request));
        }
    }

    #[test]
    fn every_event_is_read_back(
        t in texts(), n in number(), m in number(), flag in any::<bool>(), bits in any::<u64>(),
    ) {
        let mut buffer = [0; MAX_PAYLOAD];
        for event in events(&t, n, m, flag, f64::from_bits(bits)) {
            let bytes = message::encode(&event, &mut buffer).unwrap();
            let read = message::decode::<Event<'_>>(bytes).unwrap();
            prop_assert!(same(&read, &event), "{:?} became {:?}", event, read);
        }
    }

    #[test]
    fn a_message_with_a_byte_more_or_less_is_refused(
        t in texts(), n in number(), value in any::<f64>(), extra in vec(any::<u8>(), 1..9),
    ) {
        let mut buffer = [0; MAX_PAYLOAD];
        for event in events(&t, n, n, true, value) {
            let mut bytes = message::encode(&event, &mut buffer).unwrap().to_vec();
            let cut = &bytes[..bytes.len() - 1];
            prop_assert_eq!(message::decode::<Event<'_>>(cut), Err(MessageError::Malformed));
            bytes.extend_from_slice(&extra);
            let refused = Err(MessageError::Trailing(extra.len()));
            prop_assert_eq!(message::decode::<Event<'_>>(&bytes), refused);
        }
    }

    #[test]
    fn a_mux_frame_is_read_back(
        stream in any::<u32>(), n in any::<u32>(), data in vec(any::<u8>(), 1..300),
    ) {
        for kind in [Kind::Open, Kind::Data(&data), Kind::End, Kind::Reset, Kind::Credit(n)] {
            let bytes = mux_bytes(stream, &kind);
            prop_assert_eq!(mux::decode(&bytes), Ok((stream, kind)));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in arbitrary_message()) {
        let request = message::decode::<Request<'_>>(&bytes);
        let event = message::decode::<Event<'_>>(&bytes);
        let (hello, mux) = (Hello::decode(&bytes), mux::decode(&bytes));
        // What is read from any bytes can be written and read once more.
        let mut buffer = [0; MAX_PAYLOAD];
        if let Ok(request) = request {
            let again = message::encode(&request, &mut buffer).unwrap();
            prop_assert_eq!(message::decode::<Request<'_>>(again), Ok(request));
        }
        if let Ok(event) = event {
            let again = message::encode(&event, &mut buffer).unwrap();
            prop_assert!(same(&message::decode::<Event<'_>>(again).unwrap(), &event));
        }
        if let Ok(hello) = hello {
            prop_assert_eq!(hello.encode().to_vec(), bytes.clone());
        }
        if let Ok((stream, kind)) = mux {
            prop_assert_eq!(mux_bytes(stream, &kind), bytes.clone());
        }
    }

    #[test]
    fn frames_do_not_depend_on_the_chunking(
        stream in arbitrary_stream(), chunks in vec(1..400_usize, 1..50),
    ) {
        let whole = decode(&[&stream]);
        prop_assert_eq!(&decode(&cut(&stream, &chunks)), &whole);
        let single: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(&decode(&single), &whole);
        prop_assert_eq!(&reference(&stream), &whole);
    }

    #[test]
    fn payloads_in_frames_come_back(
        payloads in vec(vec(any::<u8>(), 1..500), 0..8), chunks in vec(1..700_usize, 1..20),
    ) {
        let stream = framed(&payloads, &END);
        let expected: Vec<_> =
            payloads.into_iter().map(Item::Payload).chain([Item::End]).collect();
        let (items, error) = decode(&cut(&stream, &chunks));
        prop_assert_eq!(items, expected);
        prop_assert_eq!(error, None);
    }
}

fn mux_bytes(stream: u32, kind: &Kind<'_>) -> Vec<u8> {
    let (header, credit) = mux::encode(stream, kind);
    let body = match kind {
        Kind::Data(data) => *data,
        Kind::Credit(_) => credit.as_slice(),
        Kind::Open | Kind::End | Kind::Reset => &[],
    };
    [&header, body].concat()
}

/// Any bytes, but often those with which a message may begin or that are nearly one.
fn arbitrary_message() -> impl Strategy<Value = Vec<u8>> {
    let noise = vec(any::<u8>(), 0..200);
    let message = (0..20_u8, vec(0..4_u8, 0..40)).prop_map(|(variant, mut rest)| {
        rest.insert(0, variant);
        rest
    });
    let hello =
        (hello(), any::<bool>(), 0..64_usize, any::<u8>()).prop_map(|(hello, spoil, i, b)| {
            let mut bytes = hello.encode().to_vec();
            if spoil {
                bytes[i] = b;
            }
            bytes
        });
    let mux = (0..9_u8, vec(any::<u8>(), 0..8)).prop_map(|(kind, body)| {
        let mut bytes = vec![1, 0, 0, 0, kind];
        bytes.extend(body);
        bytes
    });
    prop_oneof![noise, message, hello, mux]
}

/// Frames, most of them proper, then perhaps anything.
fn arbitrary_stream() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop_oneof![
        Just(vec![]),
        Just(END.to_vec()),
        Just(RESET.to_vec()),
        vec(any::<u8>(), 0..1000),
        Just(vec![0xff, 0x3f, 0x00]),
        Just([END, RESET].concat()),
        Just(vec![0xfe, 0x3f, 0x01]),
    ];
    let payload = prop_oneof![8 => vec(any::<u8>(), 1..300), 1 => Just(vec![7; MAX_PAYLOAD])];
    (vec(payload, 0..6), tail).prop_map(|(payloads, tail)| framed(&payloads, &tail))
}

fn framed(payloads: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for payload in payloads {
        stream.extend(header(payload.len()).unwrap());
        stream.extend(payload);
    }
    stream.extend(tail);
    stream
}

/// Cuts a stream into chunks of the given sizes, over and over.
fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (chunk, rest) = stream.split_at((*size).min(stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Payload(Vec<u8>),
    End,
    Reset,
}

fn item(frame: &Frame<'_>) -> Item {
    match frame {
        Frame::Payload(bytes) => Item::Payload(bytes.to_vec()),
        Frame::End => Item::End,
        Frame::Reset => Item::Reset,
    }
}

/// What a decoder gives: frames, then perhaps an error, after which every byte is one.
fn decode(chunks: &[&[u8]]) -> (Vec<Item>, Option<FrameError>) {
    let mut decoder = Decoder::new();
    let mut items = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        while !input.is_empty() {
            match decoder.feed(&mut input) {
                Ok(Some(frame)) => {
                    let frame = item(&frame);
                    assert_eq!(decoder.current().as_ref().map(item), Some(frame.clone()));
                    assert_eq!(decoder.partial(), None);
                    items.push(frame);
                }
                Ok(None) => {
                    assert_eq!(decoder.current(), None);
                    let (have, want) = decoder.partial().unwrap();
                    assert!(have < want && want <= HEADER + MAX_PAYLOAD);
                }
                Err(error) => {
                    assert_eq!(decoder.feed(&mut [0].as_slice()), Err(FrameError::AfterEnd));
                    return (items, Some(error));
                }
            }
        }
    }
    (items, None)
}

/// The same by the description of the format alone.
fn reference(mut stream: &[u8]) -> (Vec<Item>, Option<FrameError>) {
    let mut items = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk::<HEADER>() {
        let length = u16::from_le_bytes(*head);
        let end = match length {
            0 => Item::End,
            0xffff => Item::Reset,
            n if usize::from(n) > MAX_PAYLOAD => return (items, Some(FrameError::Length(n))),
            n => match rest.split_at_checked(n.into()) {
                Some((payload, rest)) => {
                    assert!(is_whole(stream));
                    items.push(Item::Payload(payload.to_vec()));
                    stream = rest;
                    continue;
                }
                None => {
                    assert!(!is_whole(stream));
                    return (items, None);
                }
            },
        };
        items.push(end);
        return (items, (!rest.is_empty()).then_some(FrameError::AfterEnd));
    }
    (items, None)
}

#[test]
fn what_does_not_fit_a_frame_is_too_long() {
    let mut buffer = [0; MAX_PAYLOAD];
    // A note is its variant, a length of two bytes, and its text.
    let text = "x".repeat(MAX_PAYLOAD - 3);
    let fits = message::encode(&Event::Note { text: &text }, &mut buffer).map(<[u8]>::len);
    assert_eq!(fits, Ok(MAX_PAYLOAD));
    let text = "x".repeat(MAX_PAYLOAD - 2);
    let over = message::encode(&Event::Note { text: &text }, &mut buffer).map(<[u8]>::len);
    assert_eq!(over, Err(MessageError::TooLong));
    let module = Request::Module(Module { path: &text, channel: true, parameters: "" });
    assert_eq!(message::encode(&module, &mut buffer), Err(MessageError::TooLong));
}

#[test]
fn the_longest_mux_data_fills_a_frame() {
    let data = vec![1; MAX_DATA];
    assert_eq!(header(mux_bytes(1, &Kind::Data(&data)).len()), Ok([0xfe, 0x3f]));
}

#[test]
fn text_that_is_not_utf_8_is_malformed() {
    let note = [4, 2, 0xc3, 0x28];
    assert_eq!(message::decode::<Event<'_>>(&note), Err(MessageError::Malformed));
}

#[test]
fn an_unknown_variant_is_malformed() {
    assert_eq!(message::decode::<Event<'_>>(&[0x7f]), Err(MessageError::Malformed));
    assert_eq!(message::decode::<Request<'_>>(&[0x7f]), Err(MessageError::Malformed));
    assert_eq!(message::decode::<Event<'_>>(&[]), Err(MessageError::Malformed));
}

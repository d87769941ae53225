//! An iSCSI initiator that shares no code with lunlab's, nor with libiscsi: one session, one command
//! at a time, reads only (RFC 7143; SCSI block commands READ(10) and TEST UNIT READY).

use std::io::{Read, Write};
use std::net::TcpStream;

use lunlab_tests::DEADLINE;

const HEADER: usize = 48;
const LOGIN: u8 = 0x43; // immediate
const LOGIN_RESPONSE: u8 = 0x23;
const COMMAND: u8 = 0x01;
const RESPONSE: u8 = 0x21;
const DATA_IN: u8 = 0x25;

/// Linux's target waits for all it could have an opinion on.
const KEYS: [(&str, &str); 18] = [
    ("InitiatorName", "iqn.2026-01.org.lunlab:plain"),
    ("SessionType", "Normal"),
    ("HeaderDigest", "None"),
    ("DataDigest", "None"),
    ("MaxConnections", "1"),
    ("InitialR2T", "Yes"),
    ("ImmediateData", "No"),
    ("MaxRecvDataSegmentLength", "65536"),
    ("MaxBurstLength", "262144"),
    ("FirstBurstLength", "65536"),
    ("DefaultTime2Wait", "2"),
    ("DefaultTime2Retain", "0"),
    ("MaxOutstandingR2T", "1"),
    ("DataPDUInOrder", "Yes"),
    ("DataSequenceInOrder", "Yes"),
    ("ErrorRecoveryLevel", "0"),
    ("IFMarker", "No"),
    ("OFMarker", "No"),
];

/// A session in full feature phase.
pub(crate) struct Session {
    tcp: TcpStream,
    lun: u8,
    task: u32,
    command: u32,
    status: u32,
}

/// A PDU without digests or additional headers.
struct Pdu {
    header: [u8; HEADER],
    data: Vec<u8>,
}

impl Session {
    /// Logs in to `iscsi://HOST:PORT/IQN/LUN`.
    pub(crate) fn log_in(url: &str) -> Self {
        let mut parts = url.strip_prefix("iscsi://").expect("a URL").split('/');
        let mut part = || parts.next().expect("portal, name and LUN");
        let (portal, name, lun) = (part(), part(), part());
        let tcp = TcpStream::connect(portal).expect("connect to the portal");
        tcp.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
        let lun = lun.parse().expect("a LUN");
        let mut session = Self { tcp, lun, task: 1, command: 1, status: 0 };
        session.negotiate(name);
        while session.execute(&[0; 16], 0).0 != 0 {}
        session
    }

    /// From operational negotiation to the full feature phase, for which the target may want to be
    /// asked again once it has said what it declares.
    fn negotiate(&mut self, name: &str) {
        let keys = KEYS.map(|(key, value)| format!("{key}={value}\0")).concat();
        let text = format!("TargetName={name}\0{keys}");
        let mut header = [0; HEADER];
        (header[0], header[1]) = (LOGIN, 0x87);
        header[8] = 0x80; // a random ISID
        header[9..14].copy_from_slice(&std::process::id().to_be_bytes().repeat(2)[..5]);
        header[24..28].copy_from_slice(&self.command.to_be_bytes());
        let mut text = text.as_bytes();
        for _ in 0..5 {
            self.send(header, text);
            let answer = self.receive();
            assert_eq!(answer.header[0], LOGIN_RESPONSE);
            assert_eq!(answer.header[36..38], [0, 0], "login status");
            if answer.header[1] == 0x87 {
                return;
            }
            header[28..32].copy_from_slice(&self.status.wrapping_add(1).to_be_bytes());
            text = &[];
        }
        panic!("no full feature phase");
    }

    /// The logical blocks at `address`.
    pub(crate) fn read(&mut self, address: u32, blocks: u16, block_size: usize) -> Vec<u8> {
        let mut cdb = [0; 16];
        cdb[0] = 0x28;
        cdb[2..6].copy_from_slice(&address.to_be_bytes());
        cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
        let expected = usize::from(blocks) * block_size;
        let (status, data) = self.execute(&cdb, expected);
        assert_eq!((status, data.len()), (0, expected), "READ(10) of {address}");
        data
    }

    /// Executes a command; its status and what it read.
    fn execute(&mut self, cdb: &[u8; 16], expected: usize) -> (u8, Vec<u8>) {
        let mut header = [0; HEADER];
        (header[0], header[1]) = (COMMAND, if expected > 0 { 0xc0 } else { 0x80 });
        header[9] = self.lun;
        let length = u32::try_from(expected).expect("a small transfer");
        for (at, value) in
            [(16, self.task), (20, length), (24, self.command), (28, self.status.wrapping_add(1))]
        {
            header[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        header[32..].copy_from_slice(cdb);
        self.task += 1;
        self.command += 1;
        self.send(header, &[]);
        let mut data = vec![0; expected];
        let mut received = 0;
        loop {
            let pdu = self.receive();
            let has_status = match pdu.header[0] {
                RESPONSE => true,
                DATA_IN => {
                    let at = pdu.word(40);
                    data[at..at + pdu.data.len()].copy_from_slice(&pdu.data);
                    received += pdu.data.len();
                    pdu.header[1] & 1 == 1
                }
                other => panic!("unexpected PDU {other:#x}"),
            };
            if has_status {
                data.truncate(received);
                return (pdu.header[3], data);
            }
        }
    }

    fn send(&mut self, mut header: [u8; HEADER], data: &[u8]) {
        let length = u32::try_from(data.len()).expect("a short text");
        header[5..8].copy_from_slice(&length.to_be_bytes()[1..]);
        self.tcp.write_all(&header).expect("send a header");
        let padding = data.len().next_multiple_of(4) - data.len();
        self.tcp.write_all(&[data, &vec![0; padding]].concat()).expect("send data");
    }

    fn receive(&mut self) -> Pdu {
        let mut header = [0; HEADER];
        self.tcp.read_exact(&mut header).expect("receive a header");
        let length =
            usize::from(header[5]) << 16 | usize::from(header[6]) << 8 | usize::from(header[7]);
        let mut data = vec![0; length.next_multiple_of(4)];
        self.tcp.read_exact(&mut data).expect("receive data");
        data.truncate(length);
        let pdu = Pdu { header, data };
        self.status = u32::try_from(pdu.word(24)).expect("32 bits");
        pdu
    }
}

impl Pdu {
    fn word(&self, at: usize) -> usize {
        self.header[at..at + 4].iter().fold(0, |word, byte| word << 8 | usize::from(*byte))
    }
}

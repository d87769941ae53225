//! An iSCSI initiator that shares no code with lunlab's, nor with libiscsi: one session, one command
//! at a time (RFC 7143; SCSI block commands READ(10), WRITE(10) and READ CAPACITY(10)). It has what
//! the others lack or do not let one ask for: digests of data, broken ones too, and LUN RESET.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU8, Ordering};

use lunlab_tests::DEADLINE;

use crate::plain_chap::{Answers, Chap};

const HEADER: usize = 48;
const LOGIN: u8 = 0x43; // immediate
const LOGIN_RESPONSE: u8 = 0x23;
/// From operational negotiation to the full feature phase.
const TO_FULL_FEATURE: u8 = 0x87;
const COMMAND: u8 = 0x01;
const PING: u8 = 0x20;
const PONG: u8 = 0x40;
const RESPONSE: u8 = 0x21;
const DATA_IN: u8 = 0x25;
const TASK_MANAGEMENT: u8 = 0x42; // immediate
const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
const NOP_OUT: u8 = 0x40; // immediate
const NOP_IN: u8 = 0x20;
const LUN_RESET: u8 = 0x85; // the final bit, and function 5

/// Linux's target waits for all it could have an opinion on.
const KEYS: [(&str, &str); 14] = [
    ("MaxConnections", "1"),
    ("InitialR2T", "Yes"),
    ("ImmediateData", "Yes"),
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

/// How to log in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) initiator: &'a str,
    /// `None` or `CRC32C`.
    pub(crate) header_digest: &'a str,
    pub(crate) data_digest: &'a str,
    pub(crate) chap: Option<Chap<'a>>,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        let initiator = "iqn.2026-01.org.lunlab:plain";
        Self { initiator, header_digest: "None", data_digest: "None", chap: None }
    }
}

/// A session in full feature phase.
pub(crate) struct Session {
    tcp: TcpStream,
    isid: [u8; 6],
    lun: u8,
    task: u32,
    command: u32,
    status: u32,
    digests: Digests,
    block_size: usize,
}

/// Which parts of a PDU a CRC32C follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Digests {
    header: bool,
    data: bool,
}

/// A PDU without additional headers.
pub(crate) struct Pdu {
    header: [u8; HEADER],
    pub(crate) data: Vec<u8>,
    /// What follows the data up to a multiple of four bytes.
    pub(crate) padding: Vec<u8>,
}

impl Session {
    /// Logs in to `iscsi://HOST:PORT/IQN/LUN`.
    pub(crate) fn log_in(url: &str) -> Self {
        Self::log_in_with(url, Terms::default()).expect("log in")
    }

    /// Logs in on terms; the login status if it is refused.
    pub(crate) fn log_in_with(url: &str, terms: Terms<'_>) -> Result<Self, u16> {
        Self::authenticated(url, terms).map(|(session, _answers)| session)
    }

    /// Logs in on terms; with what the target answered, where these have CHAP.
    pub(crate) fn authenticated(
        url: &str,
        terms: Terms<'_>,
    ) -> Result<(Self, Option<Answers>), u16> {
        let mut parts = url.strip_prefix("iscsi://").expect("a URL").split('/');
        let mut part = || parts.next().expect("portal, name and LUN");
        let (portal, name, lun) = (part(), part(), part());
        let mut session = Self::connect(portal);
        session.lun = lun.parse().expect("a LUN");
        let who =
            [("InitiatorName", terms.initiator), ("TargetName", name), ("SessionType", "Normal")];
        let chap = terms.chap.as_ref();
        let answers = chap.map(|chap| session.authenticate(chap, &who)).transpose()?;
        session.negotiate(if answers.is_some() { &[] } else { &who }, terms)?;
        // Unit attentions come first.
        let capacity = loop {
            if let (0, capacity) = session.execute(&transfer(0x25, 0, 0), 8, None) {
                break capacity;
            }
        };
        session.block_size =
            capacity[4..].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        Ok((session, answers))
    }

    /// A connection that nobody has logged in on.
    fn connect(portal: &str) -> Self {
        let tcp = TcpStream::connect(portal).expect("connect to the portal");
        tcp.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
        let (isid, digests) = (isid(), Digests::default());
        Self { tcp, isid, lun: 0, task: 1, command: 1, status: 0, digests, block_size: 0 }
    }

    /// Operational negotiation, for which the target may want to be asked again once it has said
    /// what it declares.
    fn negotiate(&mut self, who: &[(&str, &str)], terms: Terms<'_>) -> Result<(), u16> {
        let Terms { header_digest, data_digest, .. } = terms;
        let digests = [("HeaderDigest", header_digest), ("DataDigest", data_digest)];
        let keys: Vec<_> = [who, &digests, &KEYS].concat();
        let mut keys = keys.as_slice();
        for _ in 0..5 {
            let answer = self.login(TO_FULL_FEATURE, keys)?;
            if answer.header[1] == TO_FULL_FEATURE {
                let on = |digest| digest == "CRC32C";
                self.digests = Digests { header: on(header_digest), data: on(data_digest) };
                return Ok(());
            }
            keys = &[];
        }
        panic!("no full feature phase");
    }

    /// The size of the LUN's logical blocks in bytes.
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// One login request and its answer; the login status if it is refused.
    pub(crate) fn login(&mut self, stages: u8, keys: &[(&str, &str)]) -> Result<Pdu, u16> {
        let text: String = keys.iter().map(|(key, value)| format!("{key}={value}\0")).collect();
        let mut header = [0; HEADER];
        (header[0], header[1]) = (LOGIN, stages);
        header[8..14].copy_from_slice(&self.isid);
        header[24..28].copy_from_slice(&self.command.to_be_bytes());
        header[28..32].copy_from_slice(&self.status.wrapping_add(1).to_be_bytes());
        self.send(header, text.as_bytes());
        let answer = self.receive().expect("an answer to the login");
        assert_eq!(answer.header[0], LOGIN_RESPONSE);
        match u16::from_be_bytes([answer.header[36], answer.header[37]]) {
            0 => Ok(answer),
            refused => Err(refused),
        }
    }

    /// The logical blocks at `address`.
    pub(crate) fn read(&mut self, address: u32, blocks: u16, block_size: usize) -> Vec<u8> {
        let (status, data) = self.try_read(address, blocks, block_size);
        let expected = usize::from(blocks) * block_size;
        assert_eq!((status, data.len()), (0, expected), "READ(10) of {address}");
        data
    }

    /// Reads as [`Session::read`] does, whatever the command's status, which it gives.
    pub(crate) fn try_read(
        &mut self,
        address: u32,
        blocks: u16,
        block_size: usize,
    ) -> (u8, Vec<u8>) {
        let expected = usize::from(blocks) * block_size;
        self.execute(&transfer(0x28, address, blocks), expected, None)
    }

    /// Writes logical blocks, as many as fit into one PDU; the command's status.
    pub(crate) fn write(&mut self, address: u32, data: &[u8], block_size: usize) -> u8 {
        let blocks = u16::try_from(data.len() / block_size).expect("a small transfer");
        self.execute(&transfer(0x2a, address, blocks), 0, Some(data)).0
    }

    /// Writes as [`Session::write`] does, with a digest of the data that is wrong in one bit.
    /// Whether the target answered with success all the same.
    pub(crate) fn write_damaged(&mut self, address: u32, data: &[u8], block_size: usize) -> bool {
        assert!(self.digests.data, "there is a digest to damage");
        let blocks = u16::try_from(data.len() / block_size).expect("a small transfer");
        let header = self.command_header(&transfer(0x2a, address, blocks), 0, data.len());
        let mut bytes = self.encode(header, data);
        *bytes.last_mut().expect("a digest") ^= 1;
        self.tcp.write_all(&bytes).expect("send a command");
        loop {
            match self.receive() {
                Some(pdu) if pdu.header[0] == RESPONSE => return pdu.header[3] == 0,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Resets the LUN; the target's response (RFC 7143 11.6.1): 0 when the function is complete.
    pub(crate) fn reset_lun(&mut self) -> u8 {
        let mut header = [0; HEADER];
        (header[0], header[1]) = (TASK_MANAGEMENT, LUN_RESET);
        header[9] = self.lun;
        for (at, value) in
            [(16, self.task), (20, u32::MAX), (24, self.command), (28, self.status.wrapping_add(1))]
        {
            header[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        self.task += 1;
        self.send(header, &[]);
        let answer = self.receive().expect("an answer to the reset");
        assert_eq!(answer.header[0], TASK_MANAGEMENT_RESPONSE);
        answer.header[2]
    }

    /// Executes a command; its status and what it read.
    fn execute(&mut self, cdb: &[u8; 16], expected: usize, data: Option<&[u8]>) -> (u8, Vec<u8>) {
        let written = data.unwrap_or_default();
        let header = self.command_header(cdb, expected, written.len());
        self.send(header, written);
        let mut data = vec![0; expected];
        let mut received = 0;
        loop {
            let pdu = self.receive().expect("an answer");
            let has_status = match pdu.header[0] {
                RESPONSE => true,
                DATA_IN => {
                    let at = pdu.word(40);
                    data[at..at + pdu.data.len()].copy_from_slice(&pdu.data);
                    received += pdu.data.len();
                    pdu.header[1] & 1 == 1
                }
                PING => {
                    self.answer(&pdu);
                    false
                }
                other => panic!("unexpected PDU {other:#x}"),
            };
            if has_status {
                data.truncate(received);
                return (pdu.header[3], data);
            }
        }
    }

    /// Answers a ping, which the target sends when it has heard nothing for 15 s (RFC 7143 11.18).
    fn answer(&mut self, ping: &Pdu) {
        // Its number is that of the next status, which is still to come.
        self.status = self.status.wrapping_sub(1);
        let mut header = [0; HEADER];
        (header[0], header[1]) = (PONG, 0x80);
        header[8..16].copy_from_slice(&ping.header[8..16]);
        header[16..20].fill(0xff);
        header[20..24].copy_from_slice(&ping.header[20..24]);
        header[24..28].copy_from_slice(&self.command.to_be_bytes());
        header[28..32].copy_from_slice(&self.status.wrapping_add(1).to_be_bytes());
        self.send(header, &[]);
    }

    fn command_header(&mut self, cdb: &[u8; 16], read: usize, written: usize) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let direction = if read > 0 { 0x40 } else { 0 } | if written > 0 { 0x20 } else { 0 };
        (header[0], header[1]) = (COMMAND, 0x80 | direction);
        header[9] = self.lun;
        let length = u32::try_from(read + written).expect("a small transfer");
        for (at, value) in
            [(16, self.task), (20, length), (24, self.command), (28, self.status.wrapping_add(1))]
        {
            header[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        header[32..].copy_from_slice(cdb);
        self.task += 1;
        self.command += 1;
        header
    }

    fn send(&mut self, header: [u8; HEADER], data: &[u8]) {
        let bytes = self.encode(header, data);
        self.tcp.write_all(&bytes).expect("send a PDU");
    }

    fn encode(&self, mut header: [u8; HEADER], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).expect("a short PDU");
        header[5..8].copy_from_slice(&length.to_be_bytes()[1..]);
        let mut bytes = header.to_vec();
        if self.digests.header {
            bytes.extend(crc32c(&header).to_le_bytes());
        }
        let mut padded = data.to_vec();
        padded.resize(data.len().next_multiple_of(4), 0);
        bytes.extend(&padded);
        if self.digests.data && !data.is_empty() {
            bytes.extend(crc32c(&padded).to_le_bytes());
        }
        bytes
    }

    /// The next PDU; a target that asks whether we are still there (after 15 s, LIO's
    /// `nopin_timeout`) is told so. `None` when it has closed the connection.
    fn receive(&mut self) -> Option<Pdu> {
        loop {
            let pdu = self.receive_one()?;
            if pdu.header[0] != NOP_IN {
                return Some(pdu);
            }
            let mut header = [0; HEADER];
            (header[0], header[1]) = (NOP_OUT, 0x80);
            header[8..24].copy_from_slice(&pdu.header[8..24]);
            header[24..28].copy_from_slice(&self.command.to_be_bytes());
            header[28..32].copy_from_slice(&self.status.wrapping_add(1).to_be_bytes());
            self.send(header, &[]);
        }
    }

    /// The next PDU, its digests compared.
    fn receive_one(&mut self) -> Option<Pdu> {
        let mut header = [0; HEADER];
        match self.tcp.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no PDU in time"),
            Err(_) => return None,
        }
        if self.digests.header {
            assert_eq!(self.receive_digest(), crc32c(&header), "digest of a header");
        }
        let length =
            usize::from(header[5]) << 16 | usize::from(header[6]) << 8 | usize::from(header[7]);
        let mut data = vec![0; length.next_multiple_of(4)];
        self.tcp.read_exact(&mut data).expect("receive data");
        if self.digests.data && length > 0 {
            assert_eq!(self.receive_digest(), crc32c(&data), "digest of data");
        }
        let padding = data.split_off(length);
        let pdu = Pdu { header, data, padding };
        self.status = u32::try_from(pdu.word(24)).expect("32 bits");
        Some(pdu)
    }

    fn receive_digest(&mut self) -> u32 {
        let mut digest = [0; 4];
        self.tcp.read_exact(&mut digest).expect("receive a digest");
        u32::from_le_bytes(digest)
    }
}

/// An ISID of the random kind that no other session has: with one that has been seen before the
/// target would end that session first (RFC 7143 6.3.5).
fn isid() -> [u8; 6] {
    static SESSIONS: AtomicU8 = AtomicU8::new(0);
    let [a, b, c, d] = std::process::id().to_be_bytes();
    [0x80, a, b, c, d, SESSIONS.fetch_add(1, Ordering::Relaxed)]
}

fn transfer(opcode: u8, address: u32, blocks: u16) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[2..6].copy_from_slice(&address.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// CRC32C, bit by bit (RFC 7143 13.1).
fn crc32c(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc)))
}

#[test]
fn a_digest_is_as_the_standard_has_it() {
    // RFC 7143 A.4
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
}

impl Pdu {
    fn word(&self, at: usize) -> usize {
        self.header[at..at + 4].iter().fold(0, |word, byte| word << 8 | usize::from(*byte))
    }
}

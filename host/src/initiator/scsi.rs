//! The SCSI commands the initiator sends, and what comes back: pure bytes, no layout of any library.

use std::fmt;

/// Longest command descriptor block used here.
pub(super) const CDB_MAX: usize = 16;

/// Which way the data of a command goes, seen from the initiator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    None,
    Read,
    Write,
}

/// One command descriptor block and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command {
    cdb: [u8; CDB_MAX],
    len: usize,
    pub(super) direction: Direction,
}

impl Command {
    fn new(cdb: &[u8], direction: Direction) -> Self {
        let mut bytes = [0; CDB_MAX];
        bytes[..cdb.len()].copy_from_slice(cdb);
        Self { cdb: bytes, len: cdb.len(), direction }
    }

    pub(super) fn cdb(&self) -> &[u8] {
        &self.cdb[..self.len]
    }
}

/// TEST UNIT READY (SPC-4 6.47).
pub(super) fn test_unit_ready() -> Command {
    Command::new(&[0; 6], Direction::None)
}

/// Bytes of standard INQUIRY data asked for: up to and including the product revision.
pub(super) const INQUIRY_LEN: u8 = 36;

/// Standard INQUIRY (SPC-4 6.6).
pub(super) fn inquiry() -> Command {
    Command::new(&[0x12, 0, 0, 0, INQUIRY_LEN, 0], Direction::Read)
}

/// Bytes of REPORT LUNS data to ask for: header, the LUNs expected, and room to see others.
pub(super) fn report_luns_len(expected: usize) -> u32 {
    let entries = u32::try_from(expected).unwrap_or(u32::MAX).min(u32::from(LUN_MAX));
    8 * (entries + 1 + 64)
}

/// REPORT LUNS (SPC-4 6.33), all but well-known logical units.
pub(super) fn report_luns(len: u32) -> Command {
    let mut cdb = [0; 12];
    cdb[0] = 0xa0;
    cdb[6..10].copy_from_slice(&len.to_be_bytes());
    Command::new(&cdb, Direction::Read)
}

/// Bytes of VPD data asked for: a header and the longest unit serial number.
pub(super) const SERIAL_LEN: u8 = 255;

/// INQUIRY for the unit serial number VPD page (SPC-4 7.8.15).
pub(super) fn inquiry_serial() -> Command {
    Command::new(&[0x12, 1, 0x80, 0, SERIAL_LEN, 0], Direction::Read)
}

/// The serial number in that page.
pub(super) fn parse_serial(data: &[u8]) -> Option<String> {
    let (header, rest) = data.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    (header[1] == 0x80).then(|| ascii(&rest[..length.min(rest.len())]))
}

/// Bytes of MODE SENSE data asked for: the header is all that matters.
pub(super) const MODE_SENSE_LEN: u8 = 64;

/// MODE SENSE (6) of the caching page (SBC-3 6.4.5), for what comes before it.
pub(super) fn mode_sense() -> Command {
    Command::new(&[0x1a, 0x08, 0x08, 0, MODE_SENSE_LEN, 0], Direction::Read)
}

/// The WP bit of the device-specific parameter (SBC-3 6.4.1).
pub(super) fn parse_write_protection(data: &[u8]) -> Option<bool> {
    data.get(2).map(|parameter| parameter & 0x80 != 0)
}

/// Bytes of READ CAPACITY (16) data.
pub(super) const CAPACITY_LEN: u8 = 32;

/// READ CAPACITY (16) (SBC-3 5.16).
pub(super) fn read_capacity() -> Command {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[0x9e, 0x10]);
    cdb[13] = CAPACITY_LEN;
    Command::new(&cdb, Direction::Read)
}

/// READ (16) (SBC-3 5.14).
pub(super) fn read(lba: u64, blocks: u32) -> Command {
    Command::new(&transfer(0x88, lba, blocks), Direction::Read)
}

/// WRITE (16) (SBC-3 5.34).
pub(super) fn write(lba: u64, blocks: u32) -> Command {
    Command::new(&transfer(0x8a, lba, blocks), Direction::Write)
}

fn transfer(opcode: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// The largest LUN that flat space addressing can name.
pub(super) const LUN_MAX: u16 = 0x3fff;

/// The first two bytes of a LUN's address: peripheral device addressing up to 255, flat space
/// addressing beyond (SAM-5 4.7).
pub(super) fn address(lun: u16) -> u16 {
    if lun < 256 { lun } else { 0x4000 | (lun & LUN_MAX) }
}

/// The largest logical block that is believed, far above any real one: buffers are made of them.
const BLOCK_LEN_MAX: u32 = 64 * 1024;

/// Size of a logical unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) blocks: u64,
    /// Bytes per logical block, 1 to 65536.
    pub(super) block_len: u32,
}

impl Capacity {
    /// From READ CAPACITY (16) data; `None` when it makes no sense.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (last, rest) = data.split_first_chunk::<8>()?;
        let (block_len, _) = rest.split_first_chunk::<4>()?;
        let capacity = Self {
            blocks: u64::from_be_bytes(*last).checked_add(1)?,
            block_len: u32::from_be_bytes(*block_len),
        };
        (1..=BLOCK_LEN_MAX).contains(&capacity.block_len).then_some(capacity)
    }

    /// Size in bytes, saturating.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(u64::from(self.block_len))
    }
}

/// Who answers at a LUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) vendor: String,
    pub(super) product: String,
    pub(super) revision: String,
}

/// Why standard INQUIRY data does not describe a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotADisk {
    TooShort,
    /// Peripheral qualifier and device type, first byte of the data.
    Peripheral(u8),
}

impl fmt::Display for NotADisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "the data is too short"),
            // SPC-4 table 142: "not capable of supporting a device on this logical unit"
            Self::Peripheral(0x7f) => write!(f, "there is no such logical unit"),
            Self::Peripheral(byte) => write!(
                f,
                "expected a connected disk, got peripheral qualifier {} and device type {:#04x}",
                byte >> 5,
                byte & 0x1f
            ),
        }
    }
}

impl Identity {
    /// From standard INQUIRY data.
    pub(super) fn parse(data: &[u8]) -> Result<Self, NotADisk> {
        let data = data.get(..usize::from(INQUIRY_LEN)).ok_or(NotADisk::TooShort)?;
        match data[0] {
            0 => Ok(Self {
                vendor: ascii(&data[8..16]),
                product: ascii(&data[16..32]),
                revision: ascii(&data[32..36]),
            }),
            other => Err(NotADisk::Peripheral(other)),
        }
    }
}

fn ascii(field: &[u8]) -> String {
    let printable = field.iter().filter(|byte| matches!(byte, 0x20..=0x7e));
    printable.map(|byte| char::from(*byte)).collect::<String>().trim().to_owned()
}

/// LUNs in REPORT LUNS data, by the single-level addressing methods (SAM-5 4.7); others are left out.
pub(super) fn parse_luns(data: &[u8]) -> Vec<u16> {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return Vec::new() };
    let listed = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX) / 8;
    let (entries, _) = rest.get(4..).unwrap_or_default().as_chunks::<8>();
    entries.iter().take(listed).filter_map(single_level_lun).collect()
}

fn single_level_lun(entry: &[u8; 8]) -> Option<u16> {
    let lun = u16::from_be_bytes([entry[0], entry[1]]);
    match lun >> 14 {
        // peripheral device addressing on bus 0, and flat space addressing
        0 if lun < 256 => Some(lun),
        1 => Some(lun & LUN_MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_carry_address_and_length_big_endian() {
        let read = read(0x0102_0304_0506_0708, 0x0a0b_0c0d);
        assert_eq!(read.cdb(), [0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b, 0x0c, 0x0d, 0, 0]);
        assert_eq!(read.direction, Direction::Read);
        assert_eq!(write(1, 8).cdb(), [0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0]);
        assert_eq!(write(1, 8).direction, Direction::Write);
    }

    #[test]
    fn other_commands_are_as_the_standards_have_them() {
        assert_eq!(test_unit_ready().cdb(), [0; 6]);
        assert_eq!(inquiry().cdb(), [0x12, 0, 0, 0, 36, 0]);
        assert_eq!(report_luns(0x1000).cdb(), [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0]);
        assert_eq!(inquiry_serial().cdb(), [0x12, 1, 0x80, 0, 255, 0]);
        assert_eq!(mode_sense().cdb(), [0x1a, 8, 8, 0, 64, 0]);
        let capacity = read_capacity();
        assert_eq!(capacity.cdb()[..2], [0x9e, 0x10]);
        assert_eq!(capacity.cdb()[10..], [0, 0, 0, 32, 0, 0]);
    }

    #[test]
    fn capacity_counts_from_the_last_address() {
        let mut data = [0; 32];
        data[4..12].copy_from_slice(&[0, 1, 0xff, 0xff, 0, 0, 2, 0]);
        let capacity = Capacity::parse(&data).unwrap();
        assert_eq!(capacity, Capacity { blocks: 0x20000, block_len: 512 });
        assert_eq!(capacity.bytes(), 64 << 20);
    }

    #[test]
    fn senseless_capacities_are_refused() {
        assert_eq!(Capacity::parse(&[0; 32]), None, "block length 0");
        assert_eq!(Capacity::parse(&[0xff; 32]), None, "2^64 blocks");
        assert_eq!(Capacity::parse(&[0; 11]), None, "cut short");
        let mut huge = [0xff; 12];
        huge[7] = 0;
        assert_eq!(Capacity::parse(&huge), None, "blocks of 4 GiB");
        huge[8..].copy_from_slice(&512_u32.to_be_bytes());
        assert_eq!(Capacity::parse(&huge).unwrap().bytes(), u64::MAX);
    }

    #[test]
    fn inquiry_names_are_trimmed_and_printable() {
        let mut data = [b' '; 36];
        data[0] = 0;
        data[8..15].copy_from_slice(b"LIO-ORG");
        data[16..21].copy_from_slice(b"di\x1bsk");
        let identity = Identity::parse(&data).unwrap();
        assert_eq!((identity.vendor.as_str(), identity.product.as_str()), ("LIO-ORG", "disk"));
        assert_eq!(identity.revision, "");
        data[0] = 0x7f;
        assert_eq!(
            Identity::parse(&data).unwrap_err().to_string(),
            "there is no such logical unit"
        );
        assert_eq!(Identity::parse(&data[..35]), Err(NotADisk::TooShort));
    }

    #[test]
    fn a_serial_number_is_as_long_as_its_page_says() {
        assert_eq!(parse_serial(b"\0\x80\0\x03abcdef").unwrap(), "abc");
        assert_eq!(parse_serial(b"\0\x80\xff\xffabc").unwrap(), "abc", "cut short");
        assert_eq!(parse_serial(b"\0\x83\0\x03abc"), None, "another page");
        assert_eq!(parse_serial(b"\0\x80\0"), None);
    }

    #[test]
    fn write_protection_is_one_bit() {
        assert_eq!(parse_write_protection(&[3, 0, 0x90, 0]), Some(true));
        assert_eq!(parse_write_protection(&[3, 0, 0x10, 0]), Some(false));
        assert_eq!(parse_write_protection(&[3, 0]), None);
    }

    #[test]
    fn there_is_room_for_more_luns_than_expected() {
        assert!(report_luns_len(0) >= 16 && report_luns_len(1000) > 8 * 1001);
        assert!(report_luns_len(usize::MAX) < 1 << 20);
    }

    #[test]
    fn luns_are_read_by_both_single_level_methods() {
        let mut data = vec![0; 8 + 4 * 8];
        data[3] = 24;
        data[8 + 8 + 1] = 5;
        data[8 + 16..][..2].copy_from_slice(&address(257).to_be_bytes());
        data[8 + 24 + 1] = 9; // beyond the listed length
        assert_eq!(parse_luns(&data), [0, 5, 257]);
        assert_eq!(parse_luns(&[0xff; 20]), [] as [u16; 0]);
        assert_eq!(parse_luns(&[0xff; 3]), [] as [u16; 0]);
    }
}

//! The workload against a LUN of memory that forgets and mixes up what it is told to.

use std::collections::{BTreeMap, VecDeque};

use lunlab_bench::workload::Told;

use super::*;
use crate::initiator::scsi::Direction;

const BLOCK: u32 = 512;
const SIZE: u64 = 64 * 1024;

/// What goes wrong once the LUN has been written whole.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// Somebody else writes zeros behind our back.
    Overwritten,
    /// Writes are answered, and not kept.
    WritesLost,
    /// Reads bring the block beside.
    Misplaced,
    /// Reads are answered, and bring nothing.
    NothingRead,
}

/// A LUN of memory, of which half is used.
struct Memory {
    data: Vec<u8>,
    wrong: Wrong,
    commands: usize,
    /// The most that were in flight.
    most: usize,
}

impl Memory {
    fn carry_out(&mut self, issue: &Issue, buffer: &mut [u8]) {
        self.commands += 1;
        // Eight requests fill what is used.
        let is_wrong = |wrong| self.wrong == wrong && self.commands > 8;
        if is_wrong(Wrong::Overwritten) {
            self.data[40_960..41_472].fill(0);
        }
        let at = usize::try_from(issue.lba).unwrap() * number(BLOCK);
        let place = at..at + issue.len;
        match issue.command.direction {
            Direction::Write if is_wrong(Wrong::WritesLost) => {}
            Direction::Write => self.data[place].copy_from_slice(buffer),
            _ if is_wrong(Wrong::NothingRead) => {}
            _ if is_wrong(Wrong::Misplaced) => {
                buffer.copy_from_slice(&self.data[at ^ 4096..(at ^ 4096) + issue.len]);
            }
            _ => buffer.copy_from_slice(&self.data[place]),
        }
    }
}

impl Carrier for Memory {
    /// As [`Link::drive`], with commands that end one at a time, the oldest first.
    fn carry(&mut self, _: u16, depth: u32, requests: &mut Requests<'_>) -> Result<(), Failure> {
        let mut flights = VecDeque::new();
        let mut idle = vec![vec![0; number(requests.marks.size())]; number(depth)];
        loop {
            while let Some(mut buffer) = idle.pop() {
                let Some(issue) = requests.next(&mut buffer) else { break };
                flights.push_back((issue, buffer, Instant::now()));
            }
            self.most = self.most.max(flights.len());
            let Some((issue, mut buffer, submitted)) = flights.pop_front() else { return Ok(()) };
            self.carry_out(&issue, &mut buffer);
            let completed = Instant::now();
            let finished = Finished { lba: issue.lba, buffer: &buffer, submitted, completed };
            requests.finished(&finished)?;
            requests.looked(completed);
            idle.push(buffer);
        }
    }
}

fn values(given: &[(&str, &str)]) -> Values {
    let quick = [
        ("access", "random"),
        ("read_percent", "50"),
        ("block_size", "4096"),
        ("queue_depth", "4"),
        ("offset", "32768"),
        ("warm_up", "1"),
        ("sample_time", "1"),
        ("samples_min", "3"),
        ("samples_max", "5"),
        ("budget", "1000"),
        ("precision", "1%"),
    ];
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    given.iter().chain(&quick).map(own).collect()
}

const CAPACITY: Capacity = Capacity { blocks: SIZE / 512, block_len: BLOCK };

/// The LUN afterwards, how often each series and each histogram was told of, the findings, and how it ended.
type Heard = (Memory, BTreeMap<String, u64>, Vec<String>, Result<(), Failure>);

fn run(given: &[(&str, &str)], wrong: Wrong) -> Heard {
    let plan = Plan::of(&values(given)).unwrap();
    let data = vec![0xee; usize::try_from(SIZE).unwrap()];
    let mut memory = Memory { data, wrong, commands: 0, most: 0 };
    let (mut told, mut findings) = (BTreeMap::new(), Vec::new());
    let mut observer = |each: Told<'_>| match each {
        Told::Sample { series, .. } => *told.entry(series.to_owned()).or_default() += 1,
        Told::Bucket { series, count, .. } => *told.entry(series.to_owned()).or_default() += count,
        Told::Finding { name, .. } => findings.push(name.to_owned()),
        _ => {}
    };
    let marks = marks(&plan, CAPACITY).unwrap();
    let depth = plan.shape.depth;
    let mut volume = Volume { link: &mut memory, lun: 0, depth, block_len: BLOCK, marks };
    let outcome = conduct(&plan, &mut volume, PROCESSORS, &mut observer);
    (memory, told, findings, outcome)
}

#[test]
fn reads_and_writes_are_sampled_and_stay_where_they_belong() {
    for verify in ["false", "true"] {
        let (memory, told, findings, outcome) = run(&[("verify", verify)], Wrong::Nothing);
        assert_eq!(outcome, Ok(()), "{verify}");
        assert!(memory.data[..32_768].iter().all(|byte| *byte == 0xee), "before the offset");
        let kept = memory.data[32_768..].chunks(16).filter(|record| *record == [0xee; 16]).count();
        assert!(verify == "false" || kept == 0, "{kept} records were never written");
        assert_eq!(memory.most, 4);
        for series in ["iops", "mb_per_s", "cpu_per_io"] {
            assert!((3..=5).contains(&told[series]), "{told:?}");
        }
        assert!(told["read"] > 0 && told["write"] > 0, "{told:?}");
        assert_eq!(findings.contains(&"verified".to_owned()), verify == "true");
    }
}

#[test]
fn what_a_lun_does_wrong_is_found_with_its_byte_and_what_was_measured_is_told() {
    for (wrong, words) in [
        (Wrong::Overwritten, "wrong data at byte 40960: generation"),
        (Wrong::WritesLost, "generation 2 was written there, generation 1 was read"),
        (Wrong::Misplaced, "if they are ours)"),
        (Wrong::NothingRead, "verify LUN 0: wrong data at byte "),
    ] {
        let given: &[_] = match wrong {
            // A write that was lost is seen when it is read again.
            Wrong::WritesLost => &[("verify", "true"), ("queue_depth", "1")],
            _ => &[("verify", "true")],
        };
        let (_, _, findings, outcome) = run(given, wrong);
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Mismatch);
        assert!(failure.to_string().contains(words), "{words}: {failure}");
        assert!(findings.contains(&"requests".to_owned()), "{findings:?}");
        assert_eq!(run(&[], wrong).3, Ok(()), "nothing is checked without verify");
    }
}

#[test]
fn a_region_that_does_not_fit_is_refused_in_words() {
    let of = |given: &[(&str, &str)], capacity| {
        let plan = Plan::of(&values(given)).unwrap();
        marks(&plan, capacity).map(|marks| marks.blocks())
    };
    assert_eq!(of(&[], CAPACITY), Ok(8));
    assert_eq!(of(&[("offset", "0"), ("length", "16384")], CAPACITY), Ok(4));
    let large = Capacity { blocks: 16, block_len: 4096 };
    for (given, capacity, words) in [
        (
            &[("block_size", "512")][..],
            large,
            "block_size 512 is not a multiple of the LUN's blocks",
        ),
        (&[("offset", "512")], large, "offset 512 is not a multiple of the LUN's blocks of 4096"),
        (&[("length", "36864")], CAPACITY, "65536 bytes: too few for 36864 from 32768 on"),
        (&[("offset", "131072")], CAPACITY, "65536 bytes: too few for 0 from 131072 on"),
        (&[("queue_depth", "9")], CAPACITY, "9 requests of 4096 bytes in 32768 bytes"),
    ] {
        let failure = of(given, capacity).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
        assert!(failure.to_string().contains(words), "{failure}");
    }
}

#[test]
fn other_versions_of_the_library_are_other_programs() {
    let words = compiled_words("/usr/lib/x86_64-linux-gnu/libiscsi.so.7.0.0");
    assert!(words.contains("opt-level") && words.ends_with(", libiscsi.so.7.0.0"), "{words}");
}

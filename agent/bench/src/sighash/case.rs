//! The transactions whose signature hashing is measured.

use super::message::Unsigned;
use crate::pattern::id;
use crate::transaction::{Input, Output, P2PKH_OUTPUT, Transaction, p2pkh};

/// A transaction by its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name in specs.
    pub name: &'static str,
    /// How many inputs it has.
    pub inputs: usize,
    /// Bytes of all outputs.
    pub outputs: usize,
}

/// The one of July 2015 that took 25 seconds, and the worst that 1 MB and 8 MB allow.
pub const CASES: &[Case] = &[
    Case { name: "mega", inputs: 5570, outputs: P2PKH_OUTPUT },
    Case { name: "worst-1mb", inputs: 3300, outputs: 406_000 },
    Case { name: "worst-8mb", inputs: 22_500, outputs: 3_950_000 },
];

impl Case {
    /// Makes the transaction. Every input spends an output that pays to the hash of a key.
    #[must_use]
    pub fn transaction(&self) -> Unsigned {
        let numbers = || (0..self.inputs).map(|input| input as u64);
        let inputs = numbers().map(|input| Input::spending(id(input), 0)).collect();
        let count = (self.outputs / P2PKH_OUTPUT) as u64;
        let mut outputs: Vec<_> = (0..count).map(|key| Output::to_key(1000 + key, key)).collect();
        if let Some(last) = outputs.last_mut() {
            last.script.resize(last.script.len() + self.outputs % P2PKH_OUTPUT, 0);
        }
        Unsigned {
            transaction: Transaction { version: 1, inputs, outputs, lock_time: 0 },
            scripts: numbers().map(|input| p2pkh(!input)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_figures() {
        for (case, bytes) in
            CASES.iter().zip([(824_000, 1_000_000), (890_000, 1_000_000), (7_200_000, 8_000_000)])
        {
            let unsigned = case.transaction();
            assert_eq!(unsigned.transaction.inputs.len(), case.inputs, "{case:?}");
            assert_eq!(unsigned.scripts.len(), case.inputs);
            let outputs: Vec<u8> =
                unsigned.transaction.outputs.iter().fold(Vec::new(), |mut bytes, output| {
                    output.write(&mut bytes);
                    bytes
                });
            assert_eq!(outputs.len(), case.outputs, "{case:?}");
            let length = unsigned.transaction.to_bytes().len();
            assert!((bytes.0..bytes.1).contains(&length), "{case:?}: {length}");
        }
    }
}

//! An invertible Bloom lookup table (Goodrich and Mitzenmacher, 2011) of 48-bit keys.
//!
//! Each key is added to a few cells. A table subtracted from another holds the keys in which two sets differ, however
//! large the sets are; a cell that holds a single key gives it away, and taking that key out of its other cells may leave
//! single keys there.

use crate::pattern::mix;

/// Cells that a key is in, one in each part of the table.
const PLACES: u64 = 4;

/// What decodes a table with four places in the limit is 1.295 cells for each key; small tables need more.
const CELLS_PER_KEY: usize = 2;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    /// Keys added, less those subtracted.
    count: i32,
    check: u32,
    keys: u64,
}

/// The keys in which two sets differ, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Those only in the first.
    pub ours: Vec<u64>,
    /// Those only in the one subtracted.
    pub theirs: Vec<u64>,
}

/// A table was left with keys that no cell holds alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Keys found until then.
    pub found: usize,
    /// Cells that still hold keys.
    pub cells: usize,
}

impl Table {
    /// An empty table for sets that differ in so many keys.
    #[must_use]
    pub fn for_differences(differences: usize) -> Self {
        let cells = (differences.saturating_mul(CELLS_PER_KEY) + 40).next_multiple_of(4);
        Self { cells: vec![Cell::default(); cells] }
    }

    /// How many cells it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it holds no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(|cell| *cell == Cell::default())
    }

    /// Its cells as they are sent: 16 bytes each, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.cells.iter().map(|cell| {
            let counts = u64::from(cell.count.cast_unsigned()) | u64::from(cell.check) << 32;
            [counts.to_le_bytes(), cell.keys.to_le_bytes()]
        });
        bytes.flatten().flatten().collect()
    }

    /// A table that was sent; nothing where the bytes are not whole quarters of cells.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (cells, rest) = bytes.as_chunks::<8>().0.as_chunks::<2>();
        let cell = |[counts, keys]: &[[u8; 8]; 2]| {
            let [a, b, c, d, check @ ..] = *counts;
            let check = u32::from_le_bytes(check);
            Cell { count: i32::from_le_bytes([a, b, c, d]), check, keys: u64::from_le_bytes(*keys) }
        };
        let whole = bytes.len().is_multiple_of(64) && rest.is_empty();
        whole.then(|| Self { cells: cells.iter().map(cell).collect() })
    }

    /// Adds a key.
    #[inline]
    pub fn add(&mut self, key: u64) {
        self.count(key, 1);
    }

    /// Takes another table of this size out.
    pub fn subtract(&mut self, other: &Self) {
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            // A table that was sent may hold anything.
            cell.count = cell.count.wrapping_sub(other.count);
            cell.check ^= other.check;
            cell.keys ^= other.keys;
        }
    }

    /// Takes out all keys.
    ///
    /// # Errors
    /// Keys are left of which none is alone in a cell: the table is too small for them.
    pub fn decode(mut self) -> Result<Difference, Stuck> {
        let mut difference = Difference::default();
        let mut look: Vec<usize> = (0..self.cells.len()).collect();
        // A key that is not one, by a check that holds by chance, could be added and taken out without end.
        let most = self.cells.len();
        while let Some(at) = look.pop() {
            let Some((key, count)) = self.cells[at].single() else { continue };
            let side = if count > 0 { &mut difference.ours } else { &mut difference.theirs };
            side.push(key);
            if difference.ours.len() + difference.theirs.len() > most {
                break;
            }
            self.count(key, -count);
            look.extend(places(key, self.cells.len()));
        }
        let cells = self.cells.iter().filter(|cell| **cell != Cell::default()).count();
        if cells > 0 {
            return Err(Stuck { found: difference.ours.len() + difference.theirs.len(), cells });
        }
        difference.ours.sort_unstable();
        difference.theirs.sort_unstable();
        Ok(difference)
    }

    #[inline]
    fn count(&mut self, key: u64, by: i32) {
        let check = check(key);
        for place in places(key, self.cells.len()) {
            let cell = &mut self.cells[place];
            cell.count = cell.count.wrapping_add(by);
            cell.check ^= check;
            cell.keys ^= key;
        }
    }
}

impl Cell {
    fn single(&self) -> Option<(u64, i32)> {
        (self.count.unsigned_abs() == 1 && self.check == check(self.keys))
            .then_some((self.keys, self.count))
    }
}

#[inline]
fn check(key: u64) -> u32 {
    let [a, b, c, d, ..] = mix(!key).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The cells of a key: one in each quarter.
#[inline]
fn places(key: u64, cells: usize) -> impl Iterator<Item = usize> {
    let part = cells as u64 / PLACES;
    (0..PLACES).zip(crate::pattern::words(key)).map(move |(place, word)| {
        // The upper half of a product is a number below `part`, without a division.
        let within = (u128::from(word) * u128::from(part)) >> 64;
        usize::try_from(place * part).unwrap_or(0) + usize::try_from(within).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    fn table(differences: usize, keys: impl IntoIterator<Item = u64>) -> Table {
        let mut table = Table::for_differences(differences);
        keys.into_iter().for_each(|key| table.add(key));
        table
    }

    proptest! {
        #[test]
        fn a_difference_is_decoded_whatever_the_sets_share(
            keys in btree_set(0..1_u64 << 48, 60), shared in 0..60_usize
        ) {
            let keys: Vec<u64> = keys.into_iter().collect();
            let (both, one) = keys.split_at(shared);
            let (ours, theirs) = one.split_at(one.len() / 3);
            // Room for ten times as many: a small table that is full is stuck now and then.
            let mut difference = table(600, [both, ours].concat());
            difference.subtract(&table(600, [both, theirs].concat()));
            prop_assert_eq!(
                difference.decode(),
                Ok(Difference { ours: ours.to_vec(), theirs: theirs.to_vec() })
            );
        }
    }

    #[test]
    fn too_many_differences_are_told_with_what_is_left() {
        let stuck = table(10, 0..1000).decode().unwrap_err();
        assert!(stuck.found < 60 && stuck.cells > 30, "{stuck:?}");
    }

    #[test]
    fn a_table_is_sent_whole_or_not_at_all() {
        let mut sent = Table::for_differences(20);
        (5..25).for_each(|key| sent.count(key << 40, -1));
        let bytes = sent.to_bytes();
        assert_eq!(bytes.len(), 16 * sent.len());
        assert_eq!(Table::from_bytes(&bytes), Some(sent));
        for less in [1, 8, 16] {
            assert_eq!(Table::from_bytes(&bytes[less..]), None);
        }
    }

    #[test]
    fn equal_sets_leave_nothing() {
        let mut same = table(10, 5..5000);
        same.subtract(&table(10, 5..5000));
        assert!(same.is_empty());
        assert_eq!(same.decode(), Ok(Difference::default()));
    }
}

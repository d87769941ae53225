//! Contradictions that only the whole shows.

//! Streams: named by (seed, domain, step, row), all different.

use std::collections::HashSet;

use rand::Rng;
use tensorjump::Streams;

/// The first outputs of a stream.
fn opening(streams: &Streams, row: usize) -> [u64; 2] {
    let mut rng = streams.stream(row);
    [rng.next_u64(), rng.next_u64()]
}

#[test]
fn every_part_of_the_name_counts() {
    let mut seen = HashSet::new();
    // Words, not pairs of words: a stream must not be another one delayed by a word either.
    let mut insert = |streams: Streams| {
        for row in [0, 1, 2, 511, 512, 1 << 40] {
            for word in opening(&streams, row) {
                assert!(seen.insert(word), "{streams:?} row {row} repeats another stream");
            }
        }
    };
    for seed in [0, 1, 2, 3, 1 << 32, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
        let base = Streams::new(seed);
        insert(base);
        for name in ["", "a", "b", "ab", "ba", "model", "noise", "bridge", "a\0"] {
            let named = base.domain(name);
            insert(named);
            for k in [0, 1, 2, 3, 1 << 32, u64::MAX] {
                insert(named.step(k));
            }
        }
    }
    assert_eq!(seen.len(), 7 * (1 + 9 * 7) * 12);
}

#[test]
fn steps_and_domains_nest() {
    let base = Streams::new(7);
    let mut seen = HashSet::new();
    let mut insert = |streams: Streams| assert!(seen.insert(opening(&streams, 0)), "{streams:?} is not new");
    insert(base);
    for a in 0..40 {
        insert(base.step(a));
        for b in 0..40 {
            insert(base.step(a).step(b));
        }
    }
    let names = ["a", "b", "ab", "model"];
    for a in names {
        insert(base.domain(a));
        for b in names {
            insert(base.domain(a).domain(b));
            insert(base.domain(a).step(1).domain(b).step(1));
        }
    }
}

#[test]
fn rows_are_counted_from_anywhere() {
    let base = Streams::new(7).domain("model").step(3);
    for (first, row) in [(0, 9), (4, 5), (9, 0)] {
        assert_eq!(opening(&base.rows_from(first), row), opening(&base, 9));
    }
    assert_eq!(opening(&base.rows_from(2).rows_from(3), 4), opening(&base, 9));
    assert_eq!(opening(&base.rows_from(2).step(1), 4), opening(&base.step(1), 6));
    // A step inside a domain is the domain's step: operations switch to their own domain inside the caller's
    // step.
    assert_eq!(Streams::new(7).step(3).domain("model"), base);
}

/// What all rows share does not depend on where rows are counted from; rows made of rows are counted
/// likewise.
#[test]
fn shared_streams_and_copies_know_the_first_row() {
    let base = Streams::new(7).domain("model").step(3);
    let shared = |streams: &Streams| streams.shared().next_u64();
    assert_eq!(shared(&base), opening(&base, 0)[0]);
    assert_eq!(shared(&base.rows_from(5)), shared(&base));
    for (first, row, n) in [(0, 4, 3), (2, 2, 3), (4, 0, 3), (4, 0, 1)] {
        for k in 0..n {
            assert_eq!(opening(&base.rows_from(first).copies(n), row * n + k), opening(&base, 4 * n + k));
        }
    }
}

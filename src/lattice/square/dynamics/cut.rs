//! A lattice cut into windows.

use rand::{Rng, RngExt};

use crate::lattice::square::rectangle::Rectangle;

/// A piece of a cut: first index, length, and a class such that pieces of one class are not neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub first: usize,
    pub length: usize,
    pub class: usize,
}

pub(super) fn rectangle(rows: &Piece, cols: &Piece) -> Rectangle {
    Rectangle { row: rows.first, col: cols.first, rows: rows.length, cols: cols.length }
}

/// Cuts `n` indices into pieces of at most `length`, from a random place on.
pub(super) fn cut(n: usize, length: usize, wraps: bool, rng: &mut impl Rng) -> Vec<Piece> {
    let start = rng.random_range(0..if wraps { n } else { length });
    if wraps {
        let pieces = n.div_ceil(length);
        let piece = |k: usize| Piece {
            first: (start + k * length) % n,
            length: length.min(n - k * length),
            // The last of an odd number of pieces around a ring has both others beside it.
            class: if k + 1 == pieces && k > 0 && k.is_multiple_of(2) { 2 } else { k % 2 },
        };
        return (0..pieces).map(piece).collect();
    }
    // On an open line the first piece ends at `start`, or there is none before it.
    let mut pieces = vec![];
    let (mut first, mut end) = (0, if start == 0 { length } else { start });
    while first < n {
        let last = end.min(n);
        pieces.push(Piece { first, length: last - first, class: pieces.len() % 2 });
        (first, end) = (last, last + length);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::cut;
    use crate::Streams;

    /// Every index in one piece, no piece too long, no neighbours of one class.
    #[test]
    fn cuts_cover_and_classes_do_not_touch() {
        let mut rng = Streams::new(1).stream(0);
        for (n, length, wraps) in (1..9).flat_map(|n| (1..=n).flat_map(move |l| [(n, l, false), (n, l, true)])) {
            for _ in 0..20 {
                let pieces = cut(n, length, wraps, &mut rng);
                let mut owner = vec![usize::MAX; n];
                for (k, p) in pieces.iter().enumerate() {
                    assert!(p.length >= 1 && p.length <= length && p.class < 3);
                    for i in 0..p.length {
                        let place = if wraps { (p.first + i) % n } else { p.first + i };
                        assert_eq!(owner[place], usize::MAX);
                        owner[place] = k;
                    }
                }
                let last = if wraps { n } else { n - 1 };
                for i in 0..last {
                    let (a, b) = (owner[i], owner[(i + 1) % n]);
                    assert!(a < pieces.len() && b < pieces.len());
                    assert!(a == b || pieces[a].class != pieces[b].class, "{n} {length} {wraps}");
                }
            }
        }
    }
}

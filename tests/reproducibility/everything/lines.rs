//! The file of expected hashes itself, and that a hash tells draws apart.

use ndarray::array;

use super::{Fnv, lines};

#[test]
fn names_are_sorted_and_stand_once() {
    let lines = lines();
    assert!(lines.len() > 300);
    assert!(lines.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

/// The published hashes of the empty string and of "foobar", and one hash for each shape, state and number.
#[test]
fn a_hash_is_that_of_the_standard_and_tells_draws_apart() {
    let of = |fill: &dyn Fn(&mut Fnv)| {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        fill(&mut hash);
        hash.0
    };
    assert_eq!(of(&|_| ()), 0xcbf2_9ce4_8422_2325);
    assert_eq!(of(&|h| h.bytes(*b"foobar")), 0x8594_4171_f739_67e8);
    let x = of(&|h| h.x(array![[0, 1], [1, 0]].view()));
    assert_ne!(x, of(&|h| h.x(array![[0, 1], [1, 1]].view())));
    assert_ne!(x, of(&|h| h.x(array![[0, 1, 1, 0]].view())));
    let number = of(&|h| h.numbers(&[-1.234_567_89]));
    assert_eq!(number, of(&|h| h.numbers(&[-1.234_567_890_1])));
    assert_ne!(number, of(&|h| h.numbers(&[-1.234_567_88])));
    assert_eq!(of(&|h| h.numbers(&[0.0])), of(&|h| h.numbers(&[-1e-17])));
}

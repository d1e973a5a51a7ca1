//! Damage: bits, lengths, cuts, pieces of other files, and edits of headers that keep the rest in order.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus as Rng;

/// What numbers in a header become.
const CLAIMS: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "8",
    "255",
    "256",
    "257",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "0.5",
    "1e308",
    "1e999",
    "null",
    "[]",
];

/// What eight bytes become.
const WORDS: [u64; 12] = [
    0,
    1,
    8,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000, // −0, or the least integer
    u64::MAX,
    0x7ff0_0000_0000_0000, // ∞
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000, // NaN
    0x7fef_ffff_ffff_ffff, // the largest number
    0x0000_0000_0000_0001, // the smallest one
    0x3ff0_0000_0000_0000, // 1
];

/// One to three kinds of damage to one of the files.
pub fn mutate(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    // Once more often than not: what passes the first checks meets the next.
    for _ in 0..[1, 1, 1, 2, 3][rng.random_range(0..5)] {
        match rng.random_range(0..10) {
            0 => flip(&mut bytes, rng),
            1 => cut(&mut bytes, rng),
            2 | 5 | 6 => word(&mut bytes, rng),
            3 => splice(&mut bytes, &seeds[rng.random_range(0..seeds.len())], rng),
            4 => length(&mut bytes, rng),
            _ => edit(&mut bytes, rng),
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    for _ in 0..rng.random_range(1..4) {
        if !bytes.is_empty() {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
    }
}

fn cut(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let keep = rng.random_range(0..=bytes.len());
    if rng.random() {
        bytes.truncate(keep);
    } else {
        bytes.drain(keep..(keep + rng.random_range(0..64)).min(bytes.len()));
    }
}

/// Eight bytes, counted from the end: there stand numbers, aligned.
fn word(bytes: &mut [u8], rng: &mut Rng) {
    let words = bytes.len() / 8;
    if words > 0 {
        let at = bytes.len() - 8 * rng.random_range(1..=words);
        bytes[at..at + 8].copy_from_slice(&WORDS[rng.random_range(0..WORDS.len())].to_le_bytes());
    }
}

/// A piece of another file, in place of one or in between.
fn splice(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let from = rng.random_range(0..=other.len());
    let piece = &other[from..(from + rng.random_range(0..256)).min(other.len())];
    let at = rng.random_range(0..=bytes.len());
    let replaced = if rng.random() { piece.len().min(bytes.len() - at) } else { 0 };
    bytes.splice(at..at + replaced, piece.iter().copied());
}

/// The first bytes: magic strings, versions, lengths.
fn length(bytes: &mut [u8], rng: &mut Rng) {
    let width = 1 << rng.random_range(0..4);
    let at = rng.random_range(0..12);
    if at + width <= bytes.len() {
        let value = WORDS[rng.random_range(0..WORDS.len())].wrapping_add(rng.random_range(0..3));
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

/// Where the text of a file stands, and whether eight bytes before it tell its length.
fn text_of(bytes: &[u8]) -> (usize, usize, bool) {
    if let Some(&length) = bytes.first_chunk::<8>() {
        let length = u64::from_le_bytes(length);
        if bytes.get(8) == Some(&b'{') && length <= (bytes.len() - 8) as u64 {
            return (8, 8 + length as usize, true);
        }
    }
    if bytes.starts_with(b"\x93NUMPY") && bytes.len() > 10 {
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        return (10, (10 + length).min(bytes.len()), false);
    }
    (0, bytes.len(), false)
}

/// A word of the text changed, taken away, doubled, or exchanged with another; the length before it told anew.
fn edit(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let (start, end, counted) = text_of(bytes);
    let mut words = words(&bytes[start..end]);
    if words.is_empty() {
        return;
    }
    let at = rng.random_range(0..words.len());
    let other = rng.random_range(0..words.len());
    let digit = |word: &[u8]| word[0].is_ascii_digit();
    match rng.random_range(0..8) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[other].clone()),
        2 => words[at] = words[other].clone(),
        3 => words.swap(at, other),
        4 => {
            // A whole piece of the text twice, or not at all.
            let (low, high) = (at.min(other), at.max(other).min(at.min(other) + 24));
            let piece = words[low..high].to_vec();
            if rng.random() { drop(words.drain(low..high)) } else { drop(words.splice(low..low, piece)) }
        }
        5 => {
            // Numbers exchanged: shapes and offsets that still multiply to the same.
            let numbers: Vec<usize> = (0..words.len()).filter(|&k| digit(&words[k])).collect();
            if let (Some(&a), Some(&b)) =
                (numbers.get(at % numbers.len().max(1)), numbers.get(other % numbers.len().max(1)))
            {
                words.swap(a, b);
            }
        }
        _ => {
            let numbers: Vec<usize> = (0..words.len()).filter(|&k| digit(&words[k])).collect();
            if !numbers.is_empty() {
                let claim = CLAIMS[rng.random_range(0..CLAIMS.len())];
                words[numbers[at % numbers.len()]] = claim.as_bytes().to_vec();
            }
        }
    }
    let text = words.concat();
    if counted && rng.random_range(0..8) > 0 {
        bytes[..8].copy_from_slice(&(text.len() as u64).to_le_bytes());
    }
    bytes.splice(start..end, text);
}

/// Numbers, quoted strings, and all other bytes one by one.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let number = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let quote = text[at];
        let length = if number > 0 {
            number
        } else if quote == b'"' || quote == b'\'' {
            text[at + 1..].iter().position(|&b| b == quote).map_or(1, |n| n + 2)
        } else {
            1
        };
        words.push(text[at..at + length].to_vec());
        at += length;
    }
    words
}

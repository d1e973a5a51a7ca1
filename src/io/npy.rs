//! The `.npy` format of NumPy: a magic string, a version, a Python dictionary of three keys, the numbers.
//!
//! ```text
//! \x93NUMPY  major minor  length (2 bytes in version 1, 4 later)
//! {'descr': '|u1', 'fortran_order': False, 'shape': (3, 4), }  …
//! ```
//!
//! Versions 1 to 3 are read, with booleans and integers of 1 to 8 bytes in either byte order and either order
//! of the axes; version 1 is written. A file that grows has a header of fixed length. Nothing is allocated
//! before the size of the file has been compared with what the header claims. Reference: NEP 1,
//! `numpy.lib.format`.

use ndarray::Array2;

use crate::model::Configs;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The numbers begin at a multiple of this.
const ALIGN: usize = 64;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header<'a> {
    /// The type string of NumPy, such as `<f8`.
    pub(super) descr: &'a str,
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Bytes before the numbers.
    pub(super) start: usize,
}

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kind {
    /// `b`, `i` or `u`.
    letter: u8,
    bytes: usize,
    big_endian: bool,
}

impl Kind {
    /// From the type string of NumPy, such as `<i8` or `|b1`.
    fn new(descr: &str) -> Result<Self, String> {
        let refused = || format!("numbers of type `{descr}`, expected integers or booleans");
        let &[order @ (b'<' | b'>' | b'|'), letter @ (b'b' | b'i' | b'u'), digit] = descr.as_bytes() else {
            return Err(refused());
        };
        let bytes = match (digit, letter) {
            (b'1', _) => 1,
            (b'2' | b'4' | b'8', b'i' | b'u') if order != b'|' => usize::from(digit - b'0'),
            _ => return Err(refused()),
        };
        Ok(Kind { letter, bytes, big_endian: order == b'>' })
    }

    /// The number, in a type that holds all of them.
    fn value(self, bytes: &[u8]) -> i128 {
        let mut le = [0; 8];
        le[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            le[..bytes.len()].reverse();
        }
        let unsigned = u64::from_le_bytes(le);
        if self.letter != b'i' {
            return unsigned.into();
        }
        // The sign bit moves to the top and back.
        let shift = 64 - 8 * bytes.len() as u32;
        i128::from(((unsigned << shift) as i64) >> shift)
    }
}

/// A reader of the Python literals that a header is made of.
struct Literal<'a> {
    rest: &'a [u8],
}

impl<'a> Literal<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Takes `token`, after spaces, if it comes next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_spaces();
        match self.rest.strip_prefix(token.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("a damaged header: no `{token}` where one belongs")) }
    }

    /// A string in either quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        self.skip_spaces();
        let damaged = || "a damaged header: no string where one belongs".to_string();
        let (&quote @ (b'\'' | b'"'), rest) = self.rest.split_first().ok_or_else(damaged)? else {
            return Err(damaged());
        };
        let end = rest.iter().position(|&b| b == quote).ok_or_else(damaged)?;
        self.rest = &rest[end + 1..];
        std::str::from_utf8(&rest[..end]).ok().filter(|text| !text.contains('\\')).ok_or_else(damaged)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        if self.take("True") {
            return Ok(true);
        }
        if self.take("False") { Ok(false) } else { Err("a damaged header: `fortran_order` is no boolean".to_string()) }
    }

    /// A tuple of numbers; those that Python 2 wrote may end in `L`.
    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let damaged = || "a damaged header: `shape` is no tuple of sizes".to_string();
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            self.skip_spaces();
            let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (number, rest) = self.rest.split_at(digits);
            self.rest = rest;
            shape.push(std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()).ok_or_else(damaged)?);
            self.take("L");
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    /// `{'descr': …, 'fortran_order': …, 'shape': …}` in any order, and nothing behind it.
    fn dictionary(&mut self, start: usize) -> Result<Header<'a>, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.string()?;
            self.expect(":")?;
            let twice = match key {
                "descr" if self.take("[") => return Err("records, expected integers or booleans".to_string()),
                "descr" => descr.replace(self.string()?).is_some(),
                "fortran_order" => fortran.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => return Err(format!("a damaged header: key `{}`", key.escape_default())),
            };
            if twice {
                return Err(format!("a damaged header: `{key}` twice"));
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        self.skip_spaces();
        match (descr, fortran, shape, self.rest.is_empty()) {
            (Some(descr), Some(fortran), Some(shape), true) => Ok(Header { descr, fortran, shape, start }),
            (.., false) => Err("a damaged header: something behind its dictionary".to_string()),
            _ => Err("a damaged header: a key is missing".to_string()),
        }
    }
}

pub(super) fn header(bytes: &[u8]) -> Result<Header<'_>, String> {
    let cut = || "cut off in its header".to_string();
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err("not a .npy file".to_string()) };
    let (&[major, _], rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(format!("version {other} of the format, expected 1 to 3")),
    };
    let text = rest.get(..length).ok_or_else(cut)?;
    Literal { rest: text }.dictionary(bytes.len() - rest.len() + length)
}

/// Configurations, shape `(samples, sites)`, from the bytes of a file; or what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Array2<u8>, String> {
    let Header { descr, fortran, shape, start } = header(bytes)?;
    let kind = Kind::new(descr)?;
    let &[rows, cols] = shape.as_slice() else {
        return Err(format!("an array of {} axes, expected two (samples, sites)", shape.len()));
    };
    if cols == 0 && rows > 0 {
        return Err("samples without sites".to_string());
    }
    let numbers = &bytes[start..];
    let claimed = rows.checked_mul(cols).and_then(|n| n.checked_mul(kind.bytes));
    if claimed != Some(numbers.len()) {
        let claimed = claimed.map_or("more bytes than can be addressed".to_string(), |n| format!("{n} bytes"));
        return Err(format!("{} bytes of numbers where the header claims {claimed}", numbers.len()));
    }
    let largest = if kind.letter == b'b' { 1 } else { 255 };
    let mut states = Vec::with_capacity(numbers.len() / kind.bytes);
    for (row, site) in (0..rows).flat_map(|row| (0..cols).map(move |site| (row, site))) {
        let at = if fortran { site * rows + row } else { row * cols + site };
        let value = kind.value(&numbers[at * kind.bytes..][..kind.bytes]);
        if !(0..=largest).contains(&value) {
            return Err(format!("row {row}, site {site} holds {value}, states are 0 to {largest}"));
        }
        states.push(value as u8);
    }
    Array2::from_shape_vec((rows, cols), states).map_err(|error| error.to_string())
}

/// A header of version 1 whose length is a multiple of `align`.
fn header_of(descr: &str, shape: &str, align: usize) -> Vec<u8> {
    let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    // With a line break at the end.
    let length = (before + dictionary.len() + 1).next_multiple_of(align) - before;
    let mut bytes = Vec::with_capacity(before + length);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&(length as u16).to_le_bytes()); // two numbers of 20 digits, or few axes
    bytes.extend_from_slice(dictionary.as_bytes());
    bytes.resize(before + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// The bytes of a file with these configurations.
pub(super) fn write(x: Configs<'_>) -> Vec<u8> {
    let (rows, cols) = x.dim();
    let mut bytes = header_of("|u1", &format!("{rows}, {cols}"), ALIGN);
    bytes.extend(x.iter());
    bytes
}

/// The header of a file with `rows` rows of real numbers, each of shape `row`. It differs from that of
/// another number of rows in the digits of that number alone.
pub(super) fn growing_header(rows: usize, row: &[usize]) -> Vec<u8> {
    let axes: String = row.iter().map(|n| format!(" {n},")).collect();
    header_of("<f8", &format!("{rows:>20},{axes}"), ALIGN)
}

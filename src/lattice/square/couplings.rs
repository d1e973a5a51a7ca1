//! Couplings and fields, given, random, or from a file.
//!
//! File format (JSON):
//! `{"rows": 2, "cols": 3, "horizontal": [[..], [..]], "vertical": [[..]], "field": [[..], [..]]}`. The
//! lengths of the lists tell the geometry: `horizontal[r]` has `cols` entries where the columns wrap around,
//! else `cols − 1`; `vertical` has `rows` rows where the rows wrap around, else `rows − 1`. `field` may be
//! left out, and so may the diagonals of the plaquettes, `diagonal` and `antidiagonal`: as many rows as
//! `vertical`, each as long as those of `horizontal`.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::geometry::{Bond, Geometry, Square};
use crate::error::{Error, Result};
use crate::rng::Streams;

/// Couplings `J` of all bonds and fields `h` of all sites of a lattice, all finite.
///
/// Deserialised from the file format of the coupling files of the [`lattice`](crate::lattice), with any serde
/// format; mistakes name their place.
///
/// ```
/// use tensorjump::lattice::Couplings;
///
/// let file = r#"{"rows": 2, "cols": 3, "horizontal": [[1, -1], [0.5, 1]], "vertical": [[1, 1, -2]]}"#;
/// let couplings: Couplings = serde_json::from_str(file)?;
/// assert_eq!(couplings.horizontal(), [1.0, -1.0, 0.5, 1.0]);
/// let mistake = r#"{"rows": 2, "cols": 3, "horizontal": [[1, -1], [0.5]], "vertical": [[1, 1, -2]]}"#;
/// let error = serde_json::from_str::<Couplings>(mistake).unwrap_err();
/// assert!(error.to_string().contains("horizontal[1] has 1 entries, expected 2"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Couplings {
    lattice: Square,
    horizontal: Vec<f64>,
    vertical: Vec<f64>,
    /// Empty where the lattice has none.
    diagonal: Vec<f64>,
    antidiagonal: Vec<f64>,
    field: Vec<f64>,
}

/// What a coupling file holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rows: usize,
    cols: usize,
    horizontal: Vec<Vec<f64>>,
    vertical: Vec<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    diagonal: Option<Vec<Vec<f64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    antidiagonal: Option<Vec<Vec<f64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<Vec<Vec<f64>>>,
}

impl Couplings {
    /// Couplings in the order of the bonds, `horizontal[r·horizontal_cols + c]` and `vertical[r·cols + c]`,
    /// fields in that of the sites. A lattice with diagonal bonds needs [`Couplings::with_diagonals`].
    ///
    /// # Errors
    /// [`Error::Entries`] for a wrong length, [`Error::Entry`] for a number that is not finite.
    pub fn new(lattice: Square, horizontal: Vec<f64>, vertical: Vec<f64>, field: Vec<f64>) -> Result<Self> {
        Couplings::of_values(lattice, [horizontal, vertical, Vec::new(), Vec::new()], field)
    }

    /// The same couplings with others along the diagonals of the plaquettes besides, entry
    /// `r·horizontal_cols + c`; an empty list stands for no bonds of a direction.
    ///
    /// # Errors
    /// As [`Couplings::new`].
    pub fn with_diagonals(self, diagonal: Vec<f64>, antidiagonal: Vec<f64>) -> Result<Self> {
        let lattice = self.lattice.with_diagonals(!diagonal.is_empty(), !antidiagonal.is_empty());
        Couplings::of_values(lattice, [self.horizontal, self.vertical, diagonal, antidiagonal], self.field)
    }

    /// Couplings of the horizontal, vertical, diagonal and antidiagonal bonds, and fields.
    pub(super) fn of_values(lattice: Square, values: [Vec<f64>; 4], field: Vec<f64>) -> Result<Self> {
        let [horizontal, vertical, diagonal, antidiagonal] = values;
        for (place, expected, got) in [
            ("horizontal", lattice.horizontal_bonds(), horizontal.len()),
            ("vertical", lattice.vertical_bonds(), vertical.len()),
            ("diagonal", lattice.diagonal_bonds(), diagonal.len()),
            ("antidiagonal", lattice.antidiagonal_bonds(), antidiagonal.len()),
            ("field", lattice.sites(), field.len()),
        ] {
            if expected != got {
                return Err(Error::Entries { place: place.into(), expected, got });
            }
        }
        let couplings = Couplings { lattice, horizontal, vertical, diagonal, antidiagonal, field };
        let error = |place, value| Err(Error::Entry { place, value, expected: "a finite number" });
        if let Some((bond, ..)) = lattice.bonds().find(|(bond, ..)| !couplings.bond(*bond).is_finite()) {
            return error(lattice.bond_name(bond), couplings.bond(bond));
        }
        if let Some(i) = couplings.field.iter().position(|v| !v.is_finite()) {
            return error(lattice.site_name("field", i), couplings.field[i]);
        }
        Ok(couplings)
    }

    /// The same coupling on all bonds of the lattice, its diagonals included; no field.
    ///
    /// # Errors
    /// [`Error::Entry`] for a coupling that is not finite.
    pub fn uniform(lattice: Square, coupling: f64) -> Result<Self> {
        Couplings::from_bonds(lattice, || coupling)
    }

    /// ±J Edwards–Anderson: each coupling +1 or −1 with probability 1/2, no field (domain `"couplings"`).
    pub fn plus_minus(lattice: Square, seed: u64) -> Self {
        let mut rng = Streams::new(seed).domain("couplings").stream(0);
        Couplings::random(lattice, || if rng.random() { 1.0 } else { -1.0 })
    }

    /// Gaussian Edwards–Anderson: couplings of mean 0 and variance 1, no field (domain `"couplings"`).
    pub fn gaussian(lattice: Square, seed: u64) -> Self {
        let mut rng = Streams::new(seed).domain("couplings").stream(0);
        Couplings::random(lattice, || StandardNormal.sample(&mut rng))
    }

    /// The same couplings with other fields, in the order of the sites.
    ///
    /// # Errors
    /// As [`Couplings::new`].
    pub fn with_field(self, field: Vec<f64>) -> Result<Self> {
        Couplings::of_values(self.lattice, [self.horizontal, self.vertical, self.diagonal, self.antidiagonal], field)
    }

    /// The lattice.
    pub fn lattice(&self) -> Square {
        self.lattice
    }

    /// Horizontal couplings, entry `r·horizontal_cols + c`.
    pub fn horizontal(&self) -> &[f64] {
        &self.horizontal
    }

    /// Vertical couplings, entry `r·cols + c`.
    pub fn vertical(&self) -> &[f64] {
        &self.vertical
    }

    /// Couplings of the bonds `(r, c)–(r+1, c+1)`, entry `r·horizontal_cols + c`; empty without them.
    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// Couplings of the bonds `(r, c+1)–(r+1, c)`, entry `r·horizontal_cols + c`; empty without them.
    pub fn antidiagonal(&self) -> &[f64] {
        &self.antidiagonal
    }

    /// Those of the horizontal, vertical, diagonal and antidiagonal bonds.
    pub(super) fn directions(&self) -> [&[f64]; 4] {
        [&self.horizontal, &self.vertical, &self.diagonal, &self.antidiagonal]
    }

    /// Fields, entry `r·cols + c`.
    pub fn field(&self) -> &[f64] {
        &self.field
    }

    /// The coupling of a bond of the lattice.
    ///
    /// # Panics
    /// If the lattice does not have it.
    pub fn bond(&self, bond: Bond) -> f64 {
        match bond {
            Bond::Horizontal(i) => self.horizontal[i],
            Bond::Vertical(i) => self.vertical[i],
            Bond::Diagonal(i) => self.diagonal[i],
            Bond::AntiDiagonal(i) => self.antidiagonal[i],
        }
    }

    /// Couplings drawn one after the other, finite by construction.
    fn random(lattice: Square, mut draw: impl FnMut() -> f64) -> Self {
        let mut values = |n: usize| (0..n).map(|_| draw()).collect();
        Couplings {
            lattice,
            horizontal: values(lattice.horizontal_bonds()),
            vertical: values(lattice.vertical_bonds()),
            diagonal: values(lattice.diagonal_bonds()),
            antidiagonal: values(lattice.antidiagonal_bonds()),
            field: vec![0.0; lattice.sites()],
        }
    }

    fn from_bonds(lattice: Square, draw: impl FnMut() -> f64) -> Result<Self> {
        let Couplings { horizontal, vertical, diagonal, antidiagonal, field, .. } = Couplings::random(lattice, draw);
        Couplings::of_values(lattice, [horizontal, vertical, diagonal, antidiagonal], field)
    }
}

/// Lists of the same length, one after the other.
fn flatten(name: &str, rows: Vec<Vec<f64>>, expected: (usize, usize)) -> Result<Vec<f64>> {
    if rows.len() != expected.0 {
        return Err(Error::Entries { place: name.into(), expected: expected.0, got: rows.len() });
    }
    if let Some(r) = rows.iter().position(|row| row.len() != expected.1) {
        return Err(Error::Entries { place: format!("{name}[{r}]"), expected: expected.1, got: rows[r].len() });
    }
    Ok(rows.concat())
}

impl TryFrom<File> for Couplings {
    type Error = Error;

    fn try_from(file: File) -> Result<Self> {
        let wraps_cols = file.horizontal.first().is_some_and(|row| row.len() == file.cols);
        let wraps_rows = file.vertical.len() == file.rows;
        let geometry = match (wraps_rows, wraps_cols) {
            (false, false) => Geometry::Open,
            (false, true) => Geometry::Cylinder,
            (true, true) => Geometry::Torus,
            (true, false) => {
                return Err(Error::parameter(
                    "rows of vertical",
                    file.rows,
                    "rows - 1 unless the columns wrap as well",
                ));
            }
        };
        let lattice = Square::new(file.rows, file.cols, geometry)?;
        let horizontal = flatten("horizontal", file.horizontal, (file.rows, lattice.horizontal_cols()))?;
        let vertical = flatten("vertical", file.vertical, (lattice.vertical_rows(), file.cols))?;
        let field = match file.field {
            Some(field) => flatten("field", field, (file.rows, file.cols))?,
            None => vec![0.0; lattice.sites()],
        };
        let plaquettes = (lattice.vertical_rows(), lattice.horizontal_cols());
        let lattice = lattice.with_diagonals(file.diagonal.is_some(), file.antidiagonal.is_some());
        let across = |name, values: Option<_>| values.map_or(Ok(Vec::new()), |v| flatten(name, v, plaquettes));
        let (diagonal, anti) = (across("diagonal", file.diagonal)?, across("antidiagonal", file.antidiagonal)?);
        Couplings::of_values(lattice, [horizontal, vertical, diagonal, anti], field)
    }
}

impl From<Couplings> for File {
    fn from(c: Couplings) -> File {
        let rows = |values: &[f64], per_row: usize, rows: usize| {
            (0..rows).map(|r| values[r * per_row..(r + 1) * per_row].to_vec()).collect()
        };
        let l = c.lattice;
        File {
            rows: l.rows(),
            cols: l.cols(),
            horizontal: rows(&c.horizontal, l.horizontal_cols(), l.rows()),
            vertical: rows(&c.vertical, l.cols(), l.vertical_rows()),
            diagonal: l.diagonals().0.then(|| rows(&c.diagonal, l.horizontal_cols(), l.vertical_rows())),
            antidiagonal: l.diagonals().1.then(|| rows(&c.antidiagonal, l.horizontal_cols(), l.vertical_rows())),
            field: c.field.iter().any(|&h| h != 0.0).then(|| rows(&c.field, l.cols(), l.rows())),
        }
    }
}

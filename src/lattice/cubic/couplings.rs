//! Couplings and fields of a cubic lattice: given, uniform, or random.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::geometry::{Cubic, DIRECTIONS};
use crate::error::{Error, Result};
use crate::rng::Streams;

/// Couplings `J` of all bonds and fields `h` of all sites of a cubic lattice, all finite.
///
/// The coupling of the bond that starts at site `j` and leads up direction `d` is entry `j` of list `d`; it
/// is zero where there is no such bond. With serde it is a record of `lattice`, `couplings` (three lists) and
/// `field`, checked when it is read.
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicCouplings};
///
/// let glass = CubicCouplings::plus_minus(Cubic::new([4, 4, 4], [true, true, false])?, 1);
/// assert_eq!(glass.along(0).iter().map(|j| j.abs()).sum::<f64>(), 64.0);
/// assert_eq!(glass.along(2).iter().map(|j| j.abs()).sum::<f64>(), 48.0);
/// let file = serde_json::to_string(&glass).unwrap();
/// assert_eq!(serde_json::from_str::<CubicCouplings>(&file).unwrap(), glass);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct CubicCouplings {
    lattice: Cubic,
    couplings: [Vec<f64>; 3],
    field: Vec<f64>,
}

/// [`CubicCouplings`] before they are checked; without a list of fields there are none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    lattice: Cubic,
    couplings: [Vec<f64>; 3],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<Vec<f64>>,
}

impl CubicCouplings {
    /// Couplings along x, y and z and fields, each list in the order of the sites.
    ///
    /// # Errors
    /// [`Error::Entries`] for a wrong length, [`Error::Entry`] for a number that is not finite, and for a
    /// coupling that is not zero where a free edge leaves no bond.
    pub fn new(lattice: Cubic, couplings: [Vec<f64>; 3], field: Vec<f64>) -> Result<Self> {
        let sites = lattice.sites();
        for (place, list) in DIRECTIONS.into_iter().zip(&couplings).chain([("field", &field)]) {
            if list.len() != sites {
                return Err(Error::Entries { place: place.into(), expected: sites, got: list.len() });
            }
            if let Some(j) = list.iter().position(|v| !v.is_finite()) {
                return Err(Error::Entry {
                    place: lattice.name(place, j),
                    value: list[j],
                    expected: "a finite number",
                });
            }
        }
        for (d, list) in couplings.iter().enumerate() {
            let beyond = |j: &usize| list[*j] != 0.0 && lattice.neighbours(*j)[2 * d].is_none();
            if let Some(j) = (0..sites).find(beyond) {
                let expected = "zero where a free edge leaves no bond";
                return Err(Error::Entry { place: lattice.name(DIRECTIONS[d], j), value: list[j], expected });
            }
        }
        Ok(CubicCouplings { lattice, couplings, field })
    }

    /// The same coupling on all bonds, no field.
    ///
    /// # Errors
    /// [`Error::Entry`] for a coupling that is not finite.
    pub fn uniform(lattice: Cubic, coupling: f64) -> Result<Self> {
        let CubicCouplings { couplings, field, .. } = CubicCouplings::drawn(lattice, || coupling);
        CubicCouplings::new(lattice, couplings, field)
    }

    /// ±J Edwards–Anderson: each coupling +1 or −1 with probability 1/2, no field (domain `"couplings"`).
    pub fn plus_minus(lattice: Cubic, seed: u64) -> Self {
        let mut rng = Streams::new(seed).domain("couplings").stream(0);
        CubicCouplings::drawn(lattice, || if rng.random() { 1.0 } else { -1.0 })
    }

    /// Gaussian Edwards–Anderson: couplings of mean 0 and variance 1, no field (domain `"couplings"`).
    pub fn gaussian(lattice: Cubic, seed: u64) -> Self {
        let mut rng = Streams::new(seed).domain("couplings").stream(0);
        CubicCouplings::drawn(lattice, || StandardNormal.sample(&mut rng))
    }

    /// One draw a bond, in the order of [`Cubic::bonds`].
    fn drawn(lattice: Cubic, mut draw: impl FnMut() -> f64) -> Self {
        let mut couplings = std::array::from_fn(|_| vec![0.0; lattice.sites()]);
        for (d, j, _) in lattice.bonds() {
            couplings[d][j] = draw();
        }
        CubicCouplings { lattice, couplings, field: vec![0.0; lattice.sites()] }
    }

    /// The same couplings with other fields, in the order of the sites.
    ///
    /// # Errors
    /// As [`CubicCouplings::new`].
    pub fn with_field(self, field: Vec<f64>) -> Result<Self> {
        CubicCouplings::new(self.lattice, self.couplings, field)
    }

    /// The lattice.
    pub fn lattice(&self) -> Cubic {
        self.lattice
    }

    /// Couplings along direction `d` (0 to 2), entry `j` of the bond that starts at site `j`.
    ///
    /// # Panics
    /// If there is no such direction.
    pub fn along(&self, d: usize) -> &[f64] {
        &self.couplings[d]
    }

    /// Fields, in the order of the sites.
    pub fn field(&self) -> &[f64] {
        &self.field
    }
}

impl TryFrom<Record> for CubicCouplings {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self> {
        let field = record.field.unwrap_or_else(|| vec![0.0; record.lattice.sites()]);
        CubicCouplings::new(record.lattice, record.couplings, field)
    }
}

impl From<CubicCouplings> for Record {
    fn from(CubicCouplings { lattice, couplings, field }: CubicCouplings) -> Record {
        let field = field.iter().any(|&h| h != 0.0).then_some(field);
        Record { lattice, couplings, field }
    }
}

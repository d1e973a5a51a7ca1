//! Decompositions of matrices block by block: blocks of one parity, and of these the parts that no entry
//! connects.
//!
//! Where a constraint conserves something along the rows (dimers, arrows), every index of a boundary state
//! has a value of it, and entries between different values are zero. Decomposed as a whole, such a matrix has
//! singular vectors that mix the values wherever two singular values are close, and what is impossible comes
//! out as a sum of 10⁻¹⁶, in single precision of 10⁻⁷. Decomposed by its connected parts it stays zero.

use ndarray::{Array2, s};

use crate::error::Result;
use crate::linalg::{qr, svd};
use crate::tn::{Kept, Truncation, cut};

/// Singular values below this fraction of the largest are rounding noise and always dropped.
const NOISE: f64 = 1e-15;

/// A matrix as `left · right`, with the parity of each term.
pub(super) struct Split {
    pub left: Array2<f64>,
    pub right: Array2<f64>,
    pub parity: Vec<u8>,
}

/// The rows and the columns of each parity, where there are both, apart where no entry connects them.
fn sectors(m: &Array2<f64>, rows: &[u8], columns: &[u8]) -> Vec<(u8, Vec<usize>, Vec<usize>)> {
    let of = |p: &[u8], q: u8| (0..p.len()).filter(|&i| p[i] == q).collect::<Vec<usize>>();
    let all = (0..2).map(|q| (q, of(rows, q), of(columns, q)));
    let all = all.filter(|(_, r, c)| !r.is_empty() && !c.is_empty());
    all.flat_map(|(q, r, c)| parts(m, r, c).into_iter().map(move |(r, c)| (q, r, c))).collect()
}

/// The connected parts of a block that have an entry; the block itself where it has none. O(rows · columns).
fn parts(m: &Array2<f64>, rows: Vec<usize>, columns: Vec<usize>) -> Vec<(Vec<usize>, Vec<usize>)> {
    let (mut rest_rows, mut rest_columns) = (rows.clone(), columns.clone());
    let mut parts = Vec::new();
    while let Some(first) = rest_rows.first().copied() {
        rest_rows.remove(0);
        let (mut own, mut across, mut done) = (vec![first], Vec::new(), 0);
        // Rows bring in columns, columns rows, until nothing new comes.
        while done < own.len() {
            let mut met: Vec<usize> = Vec::new();
            for &i in &own[done..] {
                met.extend(rest_columns.extract_if(.., |j| m[[i, *j]] != 0.0));
            }
            done = own.len();
            for &j in &met {
                own.extend(rest_rows.extract_if(.., |i| m[[*i, j]] != 0.0));
            }
            across.extend(met);
        }
        if !across.is_empty() {
            own.sort_unstable();
            across.sort_unstable();
            parts.push((own, across));
        }
    }
    if parts.is_empty() { vec![(rows, columns)] } else { parts }
}

fn block(m: &Array2<f64>, rows: &[usize], columns: &[usize]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| m[[rows[i], columns[j]]])
}

/// Puts the blocks `(parity, rows, columns, left, right)` together.
fn join(shape: (usize, usize), parts: &[Sector]) -> Split {
    let k = parts.iter().map(|p| p.left.ncols()).sum();
    let (mut left, mut right) = (Array2::zeros((shape.0, k)), Array2::zeros((k, shape.1)));
    let (mut parity, mut first) = (Vec::with_capacity(k), 0);
    for part in parts {
        let terms = part.left.ncols();
        for (i, &row) in part.rows.iter().enumerate() {
            left.slice_mut(s![row, first..first + terms]).assign(&part.left.row(i));
        }
        for (j, &column) in part.columns.iter().enumerate() {
            right.slice_mut(s![first..first + terms, column]).assign(&part.right.column(j));
        }
        parity.extend(std::iter::repeat_n(part.parity, terms));
        first += terms;
    }
    Split { left, right, parity }
}

/// A decomposed block.
struct Sector {
    parity: u8,
    rows: Vec<usize>,
    columns: Vec<usize>,
    left: Array2<f64>,
    right: Array2<f64>,
}

/// QR decomposition, block by block.
pub(super) fn orthogonal(m: &Array2<f64>, rows: &[u8], columns: &[u8]) -> Result<Split> {
    let mut parts = Vec::new();
    for (parity, rows, columns) in sectors(m, rows, columns) {
        let (left, right) = qr(block(m, &rows, &columns).view())?;
        parts.push(Sector { parity, rows, columns, left, right });
    }
    Ok(join(m.dim(), &parts))
}

/// Singular value decomposition, block by block, of which the `chi` largest values are kept, `left` with the
/// values; and the relative squared weight of the others.
pub(super) fn truncated(m: &Array2<f64>, rows: &[u8], columns: &[u8], chi: usize) -> Result<(Split, f64)> {
    let mut found = Vec::new();
    for (parity, rows, columns) in sectors(m, rows, columns) {
        let svd = svd(block(m, &rows, &columns).view())?;
        found.push((parity, rows, columns, svd));
    }
    let mut values: Vec<f64> = found.iter().flat_map(|f| f.3.s.iter().copied()).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let noise = NOISE * values.first().copied().unwrap_or(0.0);
    let Kept { rank, discarded } = cut(&values, &Truncation { max_bond: chi, cutoff: 0.0 }, noise * noise);
    let total: f64 = values.iter().map(|s| s * s).sum();
    // Of equal values those of even parity come first.
    let least = values[..rank].last().copied().unwrap_or(0.0);
    let mut ties = values[..rank].iter().filter(|&&s| s == least).count();
    let parts: Vec<Sector> = found
        .into_iter()
        .map(|(parity, rows, columns, svd)| {
            let above = svd.s.iter().filter(|&&s| s > least).count();
            let equal = svd.s.iter().filter(|&&s| s == least).count().min(ties);
            ties -= equal;
            let k = above + equal;
            let left = &svd.u.slice(s![.., ..k]) * &svd.s.slice(s![..k]);
            Sector { parity, rows, columns, left, right: svd.vt.slice(s![..k, ..]).to_owned() }
        })
        .collect();
    Ok((join(m.dim(), &parts), if total > 0.0 { discarded / total } else { 0.0 }))
}

//! Measurement bases from Python: letters, unitaries, or one of either for each site.

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyString;
use tensorjump::model::Basis;

use crate::arrays::Complexes;
use crate::errors::{misshapen, raise, refuse};

/// One basis for each of the sites.
pub fn in_bases(bases: &Bound<'_, PyAny>, dims: &[usize]) -> PyResult<Vec<Basis>> {
    if let Ok(letters) = bases.cast::<PyString>() {
        let letters: Vec<char> = letters.to_str()?.chars().collect();
        return match letters.as_slice() {
            [one] => dims.iter().map(|_| letter(*one)).collect(),
            all if all.len() == dims.len() => all.iter().map(|&one| letter(one)).collect(),
            all => Err(misshapen("bases", &format!("one letter or {}", dims.len()), &[all.len()])),
        };
    }
    if bases.cast::<PyUntypedArray>().is_ok_and(|a| a.ndim() == 2) {
        let one = unitary(bases)?;
        return Ok(vec![one; dims.len()]);
    }
    let each: Vec<Bound<'_, PyAny>> = bases.extract()?;
    if each.len() != dims.len() {
        return Err(misshapen("bases", &format!("one for each of {} sites", dims.len()), &[each.len()]));
    }
    each.iter().zip(dims).map(|(basis, &d)| one(basis, d)).collect()
}

fn one(basis: &Bound<'_, PyAny>, states: usize) -> PyResult<Basis> {
    if basis.is_none() {
        return Ok(Basis::given(states));
    }
    let Ok(text) = basis.cast::<PyString>() else { return unitary(basis) };
    match text.to_str()?.chars().collect::<Vec<_>>().as_slice() {
        [one] => letter(*one),
        _ => Err(refuse("basis", text, "\"X\", \"Y\", \"Z\", a unitary or None")),
    }
}

fn letter(letter: char) -> PyResult<Basis> {
    match letter {
        'X' => Ok(Basis::x()),
        'Y' => Ok(Basis::y()),
        'Z' => Ok(Basis::z()),
        _ => Err(refuse("basis", letter, "\"X\", \"Y\", \"Z\", a unitary or None")),
    }
}

fn unitary(matrix: &Bound<'_, PyAny>) -> PyResult<Basis> {
    let a: Complexes = matrix.extract()?;
    let re = a.re.two("basis")?;
    let im = a.im.map_or(Ok(ndarray::Array2::zeros(re.dim())), |im| im.two("basis"))?;
    Basis::new(re, im).map_err(raise)
}

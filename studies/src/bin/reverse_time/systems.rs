//! Three small systems, each with a noise of unequal rates, in which every law can be enumerated.

use ndarray::array;
use tensorjump::dense::DenseLaw;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{ExactModel, Result, Streams};

/// A law that can be enumerated, as a model and as a table, with its noise.
pub struct System {
    pub boundary: Boundary,
    pub name: &'static str,
    pub model: Box<dyn ExactModel>,
    pub law: DenseLaw,
    pub noise: Noise,
}

/// The systems of the table.
pub fn all() -> Result<Vec<System>> {
    Ok(vec![fredkin()?, ising_ring()?, three_states()?])
}

fn system(name: &'static str, boundary: Boundary, model: Box<dyn ExactModel>, rates: Rates) -> Result<System> {
    let law = DenseLaw::of(model.as_ref())?;
    Ok(System { boundary, name, model, law, noise: Noise::new(rates, Schedule::default()) })
}

/// Dyck paths of 8 steps, weighted by area: 14 of 256 configurations.
fn fredkin() -> Result<System> {
    let model = FredkinModel::new(&Fredkin::new(8, 0.6)?)?;
    system("Fredkin, N = 8, c = 0.6", Boundary::Open, Box::new(model), Rates::binary_flip(8, 1.0, 0.7)?)
}

/// Eight spins on a ring at β = 0.6 in a weak field.
fn ising_ring() -> Result<System> {
    const SITES: usize = 8;
    let weight = |x: usize| {
        let spin = |j: usize| if x >> (j % SITES) & 1 == 1 { 1.0 } else { -1.0 };
        (0..SITES).map(|j| 0.6 * spin(j) * spin(j + 1) + 0.1 * spin(j)).sum::<f64>().exp()
    };
    let weights: Vec<f64> = (0..1 << SITES).map(weight).collect();
    system(
        "Ising ring, N = 8, β = 0.6",
        Boundary::Ring,
        Box::new(PositiveMps::from_table(&[2; SITES], &weights)?),
        Rates::binary_flip(SITES, 1.0, 0.7)?,
    )
}

/// Five sites with three states, a random non-negative network of bond 3; rates that prefer one way around.
fn three_states() -> Result<System> {
    let model = PositiveMps::random(&[3; 5], 3, &mut Streams::new(6).domain("three states").stream(0))?;
    let q = array![[-1.2, 0.9, 0.3], [0.2, -0.9, 0.7], [0.8, 0.4, -1.2]];
    system("random MPS, d = 3, N = 5", Boundary::Open, Box::new(model), Rates::new(vec![q; 5])?)
}

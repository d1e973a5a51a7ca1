//! Cubic lattices of two layers: exact draws by the square lattice whose sites hold a spin of each layer.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis, s, stack};
use rand::Rng;
use tensorjump::lattice::{
    BoundaryMps, Cubic, CubicClusters, CubicCouplings, CubicIsing, CubicMove, CubicTempering, Geometry, PairModel,
    Square,
};
use tensorjump::mcmc::{Chains, EachChain, Move, MoveReport};
use tensorjump::{Configs, Result, Streams, Target};

use crate::cases::{Case, Named, Starts};

const LAYERS: usize = 2;

fn spin(a: u8) -> f64 {
    2.0 * f64::from(a) - 1.0
}

/// The same law on a cylinder: state `a + 2b` for spins `a` and `b` above each other.
fn columns(ising: &CubicIsing) -> Result<PairModel> {
    let (couplings, beta) = (ising.couplings(), ising.beta());
    let [rows, cols, _] = ising.lattice().shape();
    let lattice = Square::new(rows, cols, Geometry::Cylinder)?;
    let spins = |state: usize| [spin((state & 1) as u8), spin((state >> 1) as u8)];
    let site = |j: usize| -> Vec<f64> {
        let (h, across) = (couplings.field(), couplings.along(2)[LAYERS * j]);
        let weight = |state: usize| {
            let [a, b] = spins(state);
            beta * (across * a * b + h[LAYERS * j] * a + h[LAYERS * j + 1] * b)
        };
        (0..4).map(weight).collect()
    };
    let bond = |d: usize, j: usize| {
        let along = couplings.along(d);
        Array2::from_shape_fn((4, 4), |(from, to)| {
            let (from, to) = (spins(from), spins(to));
            beta * (0..LAYERS).map(|z| along[LAYERS * j + z] * from[z] * to[z]).sum::<f64>()
        })
    };
    // Bonds to the right in the order of their left sites, bonds down likewise.
    let horizontal = (0..rows * cols).map(|j| bond(1, j)).collect();
    let vertical = (0..(rows - 1) * cols).map(|j| bond(0, j)).collect();
    PairModel::new(lattice, (0..rows * cols).map(site).collect(), horizontal, vertical)
}

fn spins_of(x: Configs<'_>) -> Array2<u8> {
    Array2::from_shape_fn((x.nrows(), LAYERS * x.ncols()), |(i, j)| x[[i, j / LAYERS]] >> (j % LAYERS) & 1)
}

fn starts(ising: &CubicIsing) -> Result<Starts> {
    let pairs = columns(ising)?;
    Ok(Starts::accepted(BoundaryMps::new(&pairs, 32)?, Arc::new(pairs))?.mapped(|x| spins_of(x.view())))
}

/// Energies of bonds and field, magnetisation of a layer, and the bonds that close the rings.
fn observe(ising: &CubicIsing, x: Configs<'_>) -> Result<Array2<f64>> {
    let [rows, cols, _] = ising.lattice().shape();
    let seam = |x: ndarray::ArrayView1<'_, u8>| -> f64 {
        let along = ising.couplings().along(1);
        let site = |r: usize, c: usize, z: usize| LAYERS * (r * cols + c) + z;
        let bond = |(r, z)| along[site(r, cols - 1, z)] * spin(x[site(r, cols - 1, z)]) * spin(x[site(r, 0, z)]);
        (0..rows).flat_map(|r| [(r, 0), (r, 1)]).map(bond).sum()
    };
    let lower = x.outer_iter().map(|x| x.iter().step_by(LAYERS).map(|&a| spin(a)).sum::<f64>());
    Ok(stack![
        Axis(1),
        ising.energy(x)?,
        ising.field_energy(x)?,
        lower.collect::<Array1<f64>>(),
        x.outer_iter().map(seam).collect::<Array1<f64>>()
    ])
}

fn case(name: &'static str, ising: CubicIsing, moves: Vec<Named>) -> Result<Case> {
    let starts = starts(&ising)?;
    let target = ising.clone();
    Ok(Case { name, target: Arc::new(target), starts, observe: Box::new(move |x| observe(&ising, x)), moves })
}

pub fn all(side: usize) -> Result<Vec<Case>> {
    let lattice = Cubic::new([side, side, LAYERS], [false, true, false])?;
    let field: Vec<f64> = (0..lattice.sites()).map(|j| 0.3 * (j as f64).sin()).collect();
    let in_field = CubicIsing::new(CubicCouplings::gaussian(lattice, 3).with_field(field)?, 0.7)?;
    let sweep = |by: CubicMove| -> Result<Box<dyn Move>> { Ok(Box::new(by.of(&in_field, 1)?)) };
    let of_field: Vec<Named> = vec![
        ("heat bath in lanes", false, sweep(CubicMove::heat_bath())?),
        ("Metropolis in lanes", false, sweep(CubicMove::metropolis())?),
        ("rods 2 × 2", false, sweep(CubicMove::rods(2, 2)?)?),
        ("rods 3 × 1", false, sweep(CubicMove::rods(3, 1)?)?),
    ];
    let glass = CubicIsing::new(CubicCouplings::plus_minus(lattice, 4), 0.5)?;
    let tempering: Vec<Named> = vec![("tempering with clusters", false, Box::new(Beside::new(&glass)?))];
    let ferromagnet = CubicIsing::new(CubicCouplings::uniform(lattice, 1.0)?, 0.28)?;
    let clusters: Vec<Named> = vec![
        ("Wolff", true, Box::new(CubicClusters::wolff(&ferromagnet)?)),
        ("Wolff, a stream a chain", true, Box::new(EachChain(CubicClusters::wolff(&ferromagnet)?))),
        ("Swendsen–Wang", true, Box::new(CubicClusters::swendsen_wang(&ferromagnet)?)),
    ];
    Ok(vec![
        case("two layers, field", in_field.clone(), of_field)?,
        case("two layers, uniform", ferromagnet, clusters)?,
        case("two layers, ±J", glass, tempering)?,
    ])
}

/// Updates of three temperatures in lanes with isoenergetic clusters, the chains at the first; two chains that
/// share clusters stay independent. The others are drawn exactly, as in the tempering of squares.
struct Beside {
    first: CubicIsing,
    ladder: Vec<f64>,
    others: Vec<Starts>,
}

impl Beside {
    fn new(first: &CubicIsing) -> Result<Self> {
        let ladder: Vec<f64> = [1.0, 1.1, 1.2].iter().map(|factor| factor * first.beta()).collect();
        let others = ladder[1..].iter().map(|&beta| starts(&first.at(beta)?)).collect::<Result<_>>()?;
        Ok(Beside { first: first.clone(), ladder, others })
    }
}

impl Move for Beside {
    fn update(&self, chains: &mut Chains, _: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let seed = streams.domain("ladder").stream(0).next_u64();
        let mut tempering =
            CubicTempering::new(self.first.couplings().clone(), &self.ladder, chains.len(), seed)?.with_clusters(0.0);
        let mut snapshot = tempering.snapshot();
        snapshot.x[0] = chains.x().to_owned();
        for (k, starts) in self.others.iter().enumerate() {
            snapshot.x[k + 1] = starts.draw(chains.len(), &streams.domain("others").step(k as u64))?;
        }
        for (k, &beta) in self.ladder.iter().enumerate() {
            snapshot.log_weight[k] = self.first.at(beta)?.log_weight(snapshot.x[k].view())?;
        }
        tempering.resume(snapshot)?;
        tempering.advance(2)?;
        let x = tempering.level(0)?;
        let log_weight = self.first.log_weight(x.view())?;
        for row in 0..chains.len() {
            chains.replace(row, x.slice(s![row, ..]), log_weight[row])?;
        }
        Ok(MoveReport::default())
    }
}

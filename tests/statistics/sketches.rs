//! Moves contracted in lanes: laws by χ², with twins that do not score the old configuration or whose law
//! depends on it; acceptance beside that of singular values.

use ndarray::{Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, PairModel, Rectangle, Square, Windows};
use tensorjump::mcmc::{Chains, Connected, InnerDraws, Local, MetropolisHastings, Move, Proposal, Proposed};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, SiteWeights, Stream, Streams, Target};

use crate::common::random::random_rates;
use crate::common::{ALPHA, all_configs, chi2_p_value, counts, law};

const CHAINS: usize = 40_000;
/// Largest number of cells of the joint law of the first sites that is tested.
const CELLS: usize = 729;

fn glasses(geometry: Geometry) -> [Ising; 2] {
    let lattice = Square::new(4, 4, geometry).unwrap();
    let field = (0..16).map(|j| 0.1 * f64::from(j % 5) - 0.15).collect();
    let gaussian = Couplings::gaussian(lattice, 4).with_field(field).unwrap();
    [Ising::new(gaussian, 1.2).unwrap(), Ising::new(Couplings::plus_minus(lattice, 2), 1.2).unwrap()]
}

/// p-value of the joint law of the first sites, after two updates of chains that start with the law.
fn p_after(model: &dyn Target, dynamics: &dyn Move) -> f64 {
    let exact = law(model);
    let cumulative: Vec<f64> = exact
        .iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect();
    let mut rng = Streams::new(4).stream(0);
    let mut draw = || {
        let u: f64 = rng.random();
        cumulative.partition_point(|&c| c <= u).min(exact.len() - 1)
    };
    let start: Vec<usize> = (0..CHAINS).map(|_| draw()).collect();
    let mut chains = Chains::new(model, all_configs(model.dims()).select(Axis(0), &start)).unwrap();
    (0..2).for_each(|k| drop(dynamics.update(&mut chains, model, &Streams::new(6).step(k)).unwrap()));
    let (mut sites, mut cells) = (0, 1);
    while cells * model.dims()[sites] <= CELLS {
        cells *= model.dims()[sites];
        sites += 1;
    }
    let part: Vec<f64> = exact.chunks(exact.len() / cells).map(|p| p.iter().sum()).collect();
    chi2_p_value(&counts(&chains.x().slice(s![.., ..sites]).to_owned(), &model.dims()[..sites]), &part)
}

/// Asymmetric rates, all different.
fn kernel(dims: &[usize], time: f64) -> Kernel {
    Noise::new(Rates::new(random_rates(dims, 5)).unwrap(), Schedule::default()).kernel(0.0, time).unwrap()
}

/// What a wrong twin of a move does.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Twin {
    /// `q(x|y)/q(x'|y)` forgotten.
    Unscored,
    /// The law of another model where the first site of the old configuration is not in state zero.
    Seen,
}

/// The connected move of a twin.
struct Wrong<'a> {
    laws: [&'a BoundaryMps; 2],
    kernel: Kernel,
    twin: Twin,
}

impl Proposal for Wrong<'_> {
    fn dims(&self) -> &[usize] {
        self.kernel.dims_in()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let y = self.kernel.sample(x, streams)?;
        let w = self.kernel.likelihood(y.view());
        let [(a, score_a), (b, score_b)] = [0, 1].map(|k| self.laws[k].redraw(&w, x, streams).unwrap());
        let second = |i: usize| self.twin == Twin::Seen && x[[i, 0]] > 0;
        let new = Array2::from_shape_fn(x.dim(), |(i, j)| if second(i) { b.x[[i, j]] } else { a.x[[i, j]] });
        let mut log_ratio = self.kernel.log_prob(new.view(), y.view())? - self.kernel.log_prob(x, y.view())?;
        for (i, log_ratio) in log_ratio.iter_mut().enumerate().filter(|_| self.twin == Twin::Seen) {
            *log_ratio += if second(i) { score_b[i] - b.log_prob[i] } else { score_a[i] - a.log_prob[i] };
        }
        let mut proposed = Proposed::symmetric(new);
        proposed.log_ratio = log_ratio;
        Ok(proposed)
    }
}

/// Truncated, from exact starts: the law stays; under a twin it does not, with the law of `other` seen.
fn connected_moves_of(model: &PairModel, other: &PairModel) {
    let [one, two] = [1, 2].map(|chi| BoundaryMps::proposal(model, chi).unwrap().with_sketches());
    let other = BoundaryMps::proposal(other, 1).unwrap().with_sketches();
    for law in [&one, &two] {
        let connected = Connected::new(law, kernel(model.dims(), 1.0)).unwrap();
        let p = p_after(model, &MetropolisHastings::new(connected.clone()));
        assert!(p > ALPHA, "p = {p:e}");
        let p = p_after(model, &InnerDraws::new(connected, 3).unwrap());
        assert!(p > ALPHA, "p = {p:e}");
    }
    for twin in [Twin::Unscored, Twin::Seen] {
        let wrong = Wrong { laws: [&one, &other], kernel: kernel(model.dims(), 1.0), twin };
        let p = p_after(model, &MetropolisHastings::new(wrong));
        assert!(p < ALPHA, "{twin:?} is not seen: p = {p:e}");
    }
}

/// Without couplings.
fn free(ising: &Ising) -> PairModel {
    Ising::new(ising.couplings().clone(), 0.0).unwrap().pair_model().unwrap()
}

#[test]
fn connected_moves_keep_the_law() {
    for ising in glasses(Geometry::Open) {
        connected_moves_of(&ising.pair_model().unwrap(), &free(&ising));
    }
}

/// Closed rows: of 3 × 4 spins.
#[test]
fn connected_moves_on_a_cylinder_keep_the_law() {
    let lattice = Square::new(3, 4, Geometry::Cylinder).unwrap();
    let field = (0..12).map(|j| 0.1 * f64::from(j % 5) - 0.15).collect();
    let gaussian = Couplings::gaussian(lattice, 4).with_field(field).unwrap();
    for couplings in [gaussian, Couplings::plus_minus(lattice, 2)] {
        let ising = Ising::new(couplings, 0.8).unwrap();
        connected_moves_of(&ising.pair_model().unwrap(), &free(&ising));
    }
}

/// Three states of 3 × 3 sites, on open and closed rows.
#[test]
fn connected_moves_of_potts_models_keep_the_law() {
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let lattice = Square::new(3, 3, geometry).unwrap();
        let [model, free] = [1.5, 0.0].map(|beta| PairModel::potts(&Couplings::gaussian(lattice, 5), 3, beta).unwrap());
        connected_moves_of(&model, &free);
    }
}

/// Hard squares: what is forbidden has probability zero under the law, and no draw is of weight zero.
#[test]
fn connected_moves_of_hard_squares_keep_the_law() {
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let [model, sparse] =
            [2.0, 0.3].map(|z| PairModel::hard_squares(Square::new(4, 4, geometry).unwrap(), z).unwrap());
        connected_moves_of(&model, &sparse);
        let kernel = kernel(model.dims(), 0.8);
        let q = BoundaryMps::proposal(&model, 1).unwrap().with_sketches();
        let old = model.initial(&mut Streams::new(1).stream(0)).unwrap();
        let old = Array2::from_shape_fn((4000, 16), |(_, j)| old[j]);
        let y = kernel.sample(old.view(), &Streams::new(7)).unwrap();
        let draws = q.sample(&kernel.likelihood(y.view()), 4000, &Streams::new(8)).unwrap();
        let log_weight = model.log_weight(draws.x.view()).unwrap();
        assert!(log_weight.iter().all(|w| w.is_finite()), "{geometry:?}");
        assert!(draws.log_prob.iter().all(|p| p.is_finite()), "{geometry:?}");
    }
}

/// Noise that only raises states: low ones observed forbid the others.
fn raising(dims: &[usize], time: f64) -> Kernel {
    let mut rates = random_rates(dims, 5);
    for rates in &mut rates {
        for a in 0..rates.nrows() {
            (0..=a).for_each(|b| rates[[a, b]] = 0.0);
            rates[[a, a]] = -rates.row(a).sum();
        }
    }
    Noise::new(Rates::new(rates).unwrap(), Schedule::default()).kernel(0.0, time).unwrap()
}

/// Three colours on a cylinder, some of them forbidden by the noise: a row drawn may leave none to the next
/// one, under a truncated state. Such a draw has weight zero and a probability, and is rejected with certainty.
#[test]
fn dead_ends_are_rejected() {
    let model = PairModel::colourings(Square::new(5, 5, Geometry::Cylinder).unwrap(), 3).unwrap();
    let start = Chains::initial(&model, 2000, 1).unwrap();
    let kernel = raising(model.dims(), 1.5);
    for chi in [1, 2] {
        let law = BoundaryMps::proposal(&model, chi).unwrap().with_sketches();
        let connected = Connected::new(&law, kernel.clone()).unwrap();
        let proposed = connected.propose(start.x(), &Streams::new(2)).unwrap();
        let [old, new] = [start.x(), proposed.x.view()].map(|x| model.log_weight(x).unwrap());
        let dead: Vec<usize> = (0..2000).filter(|&i| new[i] == f64::NEG_INFINITY).collect();
        assert!(dead.len() > 20, "χ = {chi}: {}", dead.len());
        assert!(!proposed.log_ratio.iter().any(|log| log.is_nan()));
        for i in dead {
            assert_eq!(Proposed::acceptance_probability(old[i], new[i], proposed.log_ratio[i]), 0.0);
        }
        let mut chains = start.clone();
        let moves: [&dyn Move; 2] =
            [&MetropolisHastings::new(connected.clone()), &InnerDraws::new(connected, 3).unwrap()];
        for (k, dynamics) in moves.into_iter().cycle().take(6).enumerate() {
            let report = dynamics.update(&mut chains, &model, &Streams::new(3).step(k as u64)).unwrap();
            assert!(report.accepted > 0 && report.accepted < report.proposed);
            assert!(model.log_weight(chains.x()).unwrap().iter().all(|log| log.is_finite()));
        }
    }
    // The law, of two rows.
    let model = PairModel::colourings(Square::new(2, 5, Geometry::Cylinder).unwrap(), 3).unwrap();
    let law = BoundaryMps::proposal(&model, 1).unwrap().with_sketches();
    let connected = Connected::new(&law, raising(model.dims(), 1.5)).unwrap();
    let p = p_after(&model, &MetropolisHastings::new(connected));
    assert!(p > ALPHA, "p = {p:e}");
}

/// Redraws one window, accepted without the ratio of the proposals.
fn unscored(model: &Ising) -> impl Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> {
    move |x, stream| {
        let place = Rectangle { row: 0, col: 0, rows: 3, cols: 3 };
        let window = model.window(place, x)?;
        let sites = place.sites(model.lattice())?;
        let boundary = BoundaryMps::proposal(&window, 1)?.with_sketches();
        let one = Array3::ones((1, 9, 2));
        let new = boundary.sample(&SiteWeights::PerRow(one.view()), 1, &Streams::new(stream.random()))?.x;
        let old = Array2::from_shape_fn(new.dim(), |(_, j)| x[sites[j]]);
        let gain = window.log_weight(new.view())?[0] - window.log_weight(old.view())?[0];
        if stream.random::<f64>() < gain.exp() {
            sites.into_iter().zip(&new).for_each(|(j, &a)| x[j] = a);
        }
        Ok((1, 1))
    }
}

/// Windows truncated to χ = 1 on every geometry, by sweeps and at independent places.
#[test]
fn windows_keep_the_law() {
    for geometry in [Geometry::Open, Geometry::Cylinder, Geometry::Torus] {
        for model in glasses(geometry) {
            let windows = Windows::new(&model, 3, 3, 1).unwrap().with_sketches().unwrap();
            for dynamics in [windows.clone(), windows.with_count(2).unwrap()] {
                let p = p_after(&model, &dynamics);
                assert!(p > ALPHA, "{geometry:?}: p = {p:e}");
            }
            let p = p_after(&model, &Local::new(unscored(&model)));
            assert!(p < ALPHA, "{geometry:?}: the twin is not seen: p = {p:e}");
        }
    }
}

/// Mean acceptance of connected moves on 16 × 16 critical spins: as by singular values, to the .005 that twelve
/// standard errors of the difference of paired proposals are; with χ = 1 for χ = 2 it is not.
#[test]
fn acceptance_is_that_of_singular_values() {
    let lattice = Square::new(16, 16, Geometry::Open).unwrap();
    let ising = Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), 0.440_686_8).unwrap();
    let start = BoundaryMps::proposal(&ising, 8).unwrap().draw(800, &Streams::new(1)).unwrap().x;
    let noise = Noise::new(Rates::uniform(&[2; 256], 2.0).unwrap(), Schedule::default());
    let acceptance = |law: &BoundaryMps| {
        let connected = Connected::new(law, noise.kernel(0.0, 1.0).unwrap()).unwrap();
        let proposed = connected.propose(start.view(), &Streams::new(2)).unwrap();
        let [new, old] = [proposed.x.view(), start.view()].map(|x| ising.log_weight(x).unwrap());
        let p = |i: usize| Proposed::acceptance_probability(old[i], new[i], proposed.log_ratio[i]);
        (0..800).map(p).sum::<f64>() / 800.0
    };
    let [one, two] = [1, 2].map(|chi| BoundaryMps::proposal(&ising, chi).unwrap());
    let (plain, sketched, wrong) = (acceptance(&two), acceptance(&two.clone().with_sketches()), acceptance(&one));
    assert!((plain - sketched).abs() < 0.005, "{plain} {sketched}");
    assert!(plain - wrong > 0.1, "{plain} {wrong}");
}

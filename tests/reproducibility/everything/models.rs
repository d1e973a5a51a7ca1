//! Draws of the models, plain and under site weights of every form.

use ndarray::{Array2, Array3, array};
use tensorjump::dense::DenseLaw;
use tensorjump::lattice::{
    BoundaryMps, Couplings, Fredkin, FredkinModel, FredkinProcess, Geometry, Ising, PairModel, SnakeMps, Square,
    fast_rng,
};
use tensorjump::mcmc::Chains;
use tensorjump::model::{Automaton, BornMps, Boundary, KernelMixture, LabelLeg, Permuted, PositiveMps, pinned};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, ExactModel, Model, SiteWeights, Target};

use super::{Family, Fnv, pattern, streams};
use crate::common::random::random_law;
use crate::laws::stream;

/// More than one group of lanes.
const ROWS: usize = 40;

/// Numbers between 0.1 and 1.35.
fn weight(row: usize, site: usize, state: usize) -> f64 {
    0.1 + 0.125 * ((7 * row + 5 * site + 3 * state) % 11) as f64
}

/// Draws and scores; the logarithms where `logs` says so.
fn redraw(hash: &mut Fnv, model: &dyn Model, w: &SiteWeights<'_>, old: Configs<'_>, logs: bool) {
    let (new, score) = model.redraw(w, old, &streams().step(2)).unwrap();
    hash.x(new.x.view());
    if logs {
        hash.numbers(new.log_prob.iter().chain(&score));
    }
    // The draw without scores is the same.
    assert_eq!(model.sample(w, old.nrows(), &streams().step(2)).unwrap(), new);
}

/// Plain draws, and new draws under weights of every form, half of the rows of each alike.
fn law(name: &'static str, model: &dyn Model, logs: bool) -> Family {
    let dims = model.dims().to_vec();
    let (n, d) = (dims.len(), *dims.iter().max().unwrap());
    let old = model.draw(ROWS, &streams().step(1)).unwrap();
    let kernel = Noise::new(Rates::uniform(&dims, 0.8).unwrap(), Schedule::default()).kernel(0.0, 0.7).unwrap();
    let shared = Array2::from_shape_fn((n, d), |(j, a)| weight(3, j, a));
    let per_row = Array3::from_shape_fn((ROWS, n, d), |(i, j, a)| weight(i / 2, j, a));
    let y = pattern(&dims, ROWS);
    let old_x = old.x.view();
    Family::of(name)
        .case("plain", |hash| {
            hash.x(old_x);
            if logs {
                hash.numbers(&old.log_prob);
            }
        })
        .case("redraw", |hash| redraw(hash, model, &SiteWeights::Uniform, old_x, logs))
        .case("shared", |hash| redraw(hash, model, &SiteWeights::Shared(shared.view()), old_x, logs))
        .case("observed", |hash| redraw(hash, model, &kernel.likelihood(y.view()), old_x, logs))
        .case("per row", |hash| redraw(hash, model, &SiteWeights::PerRow(per_row.view()), old_x, logs))
}

/// Evidences and cavities under the weights of observations.
fn evidence(hash: &mut Fnv, model: &dyn ExactModel) {
    let kernel = Noise::new(Rates::uniform(model.dims(), 0.8).unwrap(), Schedule::default()).kernel(0.0, 0.7).unwrap();
    let y = pattern(model.dims(), 6);
    hash.numbers(&model.log_evidence(&kernel.likelihood(y.view())).unwrap());
    hash.numbers(&model.cavities(&kernel.likelihood(y.view())).unwrap());
}

const DIMS: [usize; 6] = [2, 3, 2, 4, 2, 3];

fn positive() -> PositiveMps {
    PositiveMps::random(&DIMS, 5, &mut stream("everything")).unwrap()
}

/// A chain of ten spins.
fn spins() -> PositiveMps {
    let j: Vec<f64> = (0..10).map(|j| 0.5 + 0.125 * f64::from(j % 5)).collect();
    let h: Vec<f64> = (0..10).map(|j| 0.25 - 0.0625 * f64::from(j)).collect();
    PositiveMps::ising(0.75, &j, &h, Boundary::Ring).unwrap()
}

/// Magnetisation zero.
fn balanced() -> Automaton {
    Automaton::sum(&vec![vec![-1, 1]; 10], 0..=0).unwrap()
}

#[test]
fn positive_mps() {
    law("positive", &positive(), true).case("evidence", |hash| evidence(hash, &positive())).check();
}

/// Single precision: sums depend on the machine's vectors in the digits that the hash would see.
#[test]
fn positive_mps_in_single_precision() {
    law("positive f32", &positive().single_precision(), false).check();
}

#[test]
fn born_mps() {
    let model = BornMps::random(&DIMS, 5, &mut stream("everything")).unwrap();
    law("born", &model, true).case("evidence", |hash| evidence(hash, &model)).check();
}

#[test]
fn dense_law() {
    law("dense", &random_law(&[3, 2, 4, 2], 71), true).check();
}

#[test]
fn permuted() {
    law("permuted", &Permuted::new(positive(), vec![4, 1, 0, 5, 3, 2]).unwrap(), true).check();
}

#[test]
fn kernel_mixture() {
    let tables = DIMS.map(|d| Array2::from_shape_fn((d, d), |(a, b)| weight(a, 1, b) + f64::from(a == b)));
    let weights: ndarray::Array1<f64> = (0..12).map(|i| weight(i, 0, 0)).collect();
    let model = KernelMixture::new(pattern(&DIMS, 12).view(), Some(weights.view()), &tables).unwrap();
    law("kernel mixture", &model, true).case("evidence", |hash| evidence(hash, &model)).check();
}

#[test]
fn label_leg() {
    let leg = LabelLeg::by_sum(&spins(), &vec![vec![-1, 1]; 10], &[-10..=-1, 0..=2, 3..=10]).unwrap();
    let classes = [spins(), PositiveMps::random(&[2; 10], 3, &mut stream("everything")).unwrap()];
    let classes = LabelLeg::from_classes(&classes, &[0.3, 0.7]).unwrap();
    law("label: marginal", &leg.marginal(), true)
        .case("posterior", |hash| hash.numbers(&leg.label_posterior(&SiteWeights::Uniform).unwrap()))
        .and(law("label: joint", leg.joint(), true))
        .and(law("label: class", &leg.class(1).unwrap(), true))
        .and(law("label: classes", &classes.marginal(), true))
        .check();
}

#[test]
fn constrained() {
    let born = BornMps::random(&[2; 10], 4, &mut stream("everything")).unwrap();
    let draw = |hash: &mut Fnv, model: &dyn Model| {
        let pins = pinned(&[2; 10], &[(1, 1), (2, 0), (7, 1)]).unwrap();
        hash.samples(&model.sample(&SiteWeights::Shared(pins.view()), ROWS, &streams()).unwrap());
    };
    Family::of("pinned")
        .case("positive", |hash| draw(hash, &spins()))
        .case("born", |hash| draw(hash, &born))
        .case("constrained", |hash| draw(hash, &spins().constrained(&balanced()).unwrap()))
        .and(law("constrained: positive", &spins().constrained(&balanced()).unwrap(), true))
        .and(law("constrained: born", &born.constrained(&balanced()).unwrap(), true))
        .check();
}

#[test]
fn snake_mps() {
    let couplings = Couplings::gaussian(Square::new(4, 3, Geometry::Cylinder).unwrap(), 4);
    let ising = SnakeMps::new(&Ising::new(couplings, 0.4).unwrap(), 4).unwrap();
    let couplings = Couplings::gaussian(Square::new(3, 3, Geometry::Open).unwrap(), 5);
    let potts = SnakeMps::new(&PairModel::potts(&couplings, 3, 0.5).unwrap(), 6).unwrap();
    law("snake: cylinder", &ising, true).and(law("snake: potts", &potts, true)).check();
}

fn fields(sites: usize) -> Vec<f64> {
    (0..sites).map(|j| 0.3 - 0.2 * (j % 4) as f64).collect()
}

/// Lanes of single precision: configurations only.
fn boundary(name: &'static str, model: &PairModel, chi: usize) -> Family {
    law(name, &BoundaryMps::new(model, chi).unwrap(), false)
}

#[test]
fn boundary_mps() {
    let open = Square::new(6, 5, Geometry::Open).unwrap();
    let wide = Square::new(7, 9, Geometry::Open).unwrap();
    let ring = Square::new(5, 6, Geometry::Cylinder).unwrap();
    let ising = |couplings: Couplings| Ising::new(couplings, 0.6).unwrap().pair_model().unwrap();
    let field = |couplings: Couplings| ising(couplings.with_field(fields(30)).unwrap());
    let small = Square::new(4, 4, Geometry::Open).unwrap();
    let cold = Ising::new(Couplings::plus_minus(wide, 1), 1.2).unwrap().pair_model().unwrap();
    boundary("boundary: open", &ising(Couplings::gaussian(open, 1)), 8)
        .and(boundary("boundary: open, chi 2", &cold, 2))
        .and(boundary("boundary: open, chi 16", &cold, 16))
        .and(boundary("boundary: open, field", &field(Couplings::gaussian(open, 2)), 8))
        .and(boundary("boundary: cylinder", &ising(Couplings::gaussian(ring, 3)), 8))
        .and(boundary("boundary: cylinder, field", &field(Couplings::gaussian(ring, 3)), 8))
        .and(boundary("boundary: potts", &PairModel::potts(&Couplings::gaussian(small, 6), 3, 0.7).unwrap(), 9))
        .and(boundary("boundary: hard squares", &PairModel::hard_squares(small, 1.5).unwrap(), 4))
        .check();
}

/// Bonds too small for the law, so that the floor decides here and there. Draws may change with the floor.
#[test]
fn boundary_mps_floors() {
    let couplings = Couplings::plus_minus(Square::new(8, 8, Geometry::Open).unwrap(), 2);
    let model = BoundaryMps::new(&Ising::new(couplings, 2.0).unwrap(), 2).unwrap();
    let draws = model.draw_counted(200, &streams()).unwrap();
    assert!(draws.floored > 0);
    Family::of("boundary: floors")
        .case("draws", |hash| hash.x(draws.samples.x.view()))
        .case("count", |hash| hash.count(draws.floored))
        .check();
}

fn chain() -> Fredkin {
    Fredkin::new(16, 0.6).unwrap()
}

#[test]
fn fredkin_model() {
    let exact = FredkinModel::new(&chain()).unwrap();
    law("fredkin: exact", &exact, true)
        .case("evidence", |hash| evidence(hash, &exact))
        .and(law("fredkin: truncated", &FredkinModel::truncated(&chain(), 3).unwrap(), true))
        .check();
}

#[test]
fn fredkin_dynamics() {
    let start = || [1u8, 0].repeat(8);
    Family::of("fredkin dynamics")
        .case("metropolis", |hash| {
            let (mut x, mut rng) = (start(), fast_rng(&mut streams().stream(0)));
            for _ in 0..20 {
                hash.count(chain().metropolis(&mut x, 100, &mut rng).unwrap());
                hash.bytes(x.iter().copied());
            }
        })
        .case("evolve", |hash| {
            let (mut x, mut rng) = (start(), streams().stream(1));
            hash.count(chain().evolve(&mut x, 30.0, &mut rng).unwrap());
            hash.bytes(x);
        })
        .case("process", |hash| {
            let mut process = FredkinProcess::new(&chain(), &start()).unwrap();
            let mut rng = streams().stream(2);
            for _ in 0..20 {
                hash.count(process.advance(1.5, &mut rng).unwrap());
                hash.bytes(process.state().iter().copied());
                hash.numbers(&[process.escape_rate()]);
            }
        })
        .check();
}

/// Starts of chains, and random couplings.
#[test]
fn starts_and_couplings() {
    let torus = Square::new(4, 6, Geometry::Torus).unwrap();
    let start = |hash: &mut Fnv, target: &dyn Target| hash.x(Chains::initial(target, 5, 9).unwrap().x());
    let draw = |hash: &mut Fnv, couplings: Couplings| {
        hash.numbers(couplings.horizontal().iter().chain(couplings.vertical()));
    };
    let tables = [array![[0.9, 0.1], [0.2, 0.8]], array![[0.5, 0.5], [0.3, 0.7]]];
    let mixture = KernelMixture::new(array![[0, 1], [1, 1]].view(), None, &tables).unwrap();
    let couplings = Family::of("couplings")
        .case("plus minus", |hash| draw(hash, Couplings::plus_minus(torus, 3)))
        .case("gaussian", |hash| draw(hash, Couplings::gaussian(torus, 3)));
    Family::of("start")
        .case("ising", |hash| start(hash, &Ising::new(Couplings::uniform(torus, 1.0).unwrap(), 0.4).unwrap()))
        .case("hard squares", |hash| start(hash, &PairModel::hard_squares(torus, 2.0).unwrap()))
        .case("colourings", |hash| start(hash, &PairModel::colourings(torus, 4).unwrap()))
        .case("fredkin", |hash| start(hash, &chain()))
        .case("positive", |hash| start(hash, &positive()))
        .case("dense", |hash| start(hash, &DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3]).unwrap()))
        .case("kernel mixture", |hash| start(hash, &mixture))
        .and(couplings)
        .check();
}

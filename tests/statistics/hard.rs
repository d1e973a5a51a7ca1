//! Swendsen–Wang, windows and connected moves: laws of many independent chains against enumeration.

use ndarray::{Array2, Axis, s};
use rand::{Rng, RngExt};
use tensorjump::lattice::{
    BoundaryMps, Couplings, Geometry, Ising, PairModel, Rectangle, Square, SwendsenWang, Windows,
};
use tensorjump::mcmc::{Chains, Connected, InnerDraws, Local, MetropolisHastings, Move, MoveReport, RunOptions};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Stream, Streams, Target};

use crate::common::random::random_rates;
use crate::common::reference::tori;
use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, law};

pub const CHAINS: usize = 20_000;

/// Couplings between 0 and 1 in size, signs random or positive; fields of the size of `h`.
pub fn couplings(lattice: Square, ferromagnet: bool, h: f64) -> Couplings {
    let mut rng = Streams::new(3).domain("hard").stream(0);
    let mut draw = |n: usize, positive: bool| -> Vec<f64> {
        (0..n).map(|_| if positive { rng.random::<f64>() } else { 2.0 * rng.random::<f64>() - 1.0 }).collect()
    };
    let horizontal = draw(lattice.horizontal_bonds(), ferromagnet);
    let vertical = draw(lattice.vertical_bonds(), ferromagnet);
    let field = draw(lattice.sites(), false).into_iter().map(|v| h * v).collect();
    Couplings::new(lattice, horizontal, vertical, field).unwrap()
}

/// The couplings of each direction in reverse order, the fields in place.
pub fn twin(c: &Couplings) -> Couplings {
    let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
    Couplings::new(c.lattice(), reversed(c.horizontal()), reversed(c.vertical()), c.field().to_vec()).unwrap()
}

/// The law of the first `sites` sites.
pub fn project(p: &[f64], dims: &[usize], sites: usize) -> Vec<f64> {
    p.chunks(dims[sites..].iter().product()).map(|c| c.iter().sum()).collect()
}

/// Counts of the states of the first `sites` sites after one update of `dynamics`, from exact draws or from
/// one configuration.
pub fn after(target: &dyn Target, dynamics: &dyn Move, exact: Option<&[f64]>, sites: usize) -> Vec<u64> {
    let all = all_configs(target.dims());
    let x = match exact {
        Some(law) => {
            let mut sum = 0.0;
            let cumulative: Vec<f64> = law
                .iter()
                .map(|p| {
                    sum += p;
                    sum
                })
                .collect();
            let mut rng = Streams::new(4).stream(0);
            let last = cumulative.len() - 1;
            let mut draw = || {
                let u: f64 = rng.random();
                cumulative.partition_point(|&c| c <= u).min(last)
            };
            let draws: Vec<usize> = (0..CHAINS).map(|_| draw()).collect();
            all.select(Axis(0), &draws)
        }
        None => {
            let start = target.initial(&mut Streams::new(1).stream(0)).unwrap();
            start.broadcast((CHAINS, start.len())).unwrap().to_owned()
        }
    };
    let mut chains = Chains::new(target, x).unwrap();
    dynamics.update(&mut chains, target, &Streams::new(6)).unwrap();
    counts(&chains.x().slice(s![.., 0..sites]).to_owned(), &target.dims()[..sites])
}

#[test]
fn swendsen_wang_reaches_the_law() {
    for (rows, cols, geometry, h) in [
        (3, 3, Geometry::Open, 0.0),
        (2, 4, Geometry::Cylinder, 0.0),
        (4, 4, Geometry::Torus, 0.0),
        (3, 3, Geometry::Torus, 0.7),
    ] {
        let c = couplings(Square::new(rows, cols, geometry).unwrap(), true, h);
        let (model, wrong) = (Ising::new(c.clone(), 0.8).unwrap(), Ising::new(twin(&c), 0.8).unwrap());
        let sites = (rows * cols).min(9);
        let part = |ising: &Ising| project(&law(ising), ising.dims(), sites);
        for clusters in [SwendsenWang::new(&model).unwrap(), SwendsenWang::new(&model.pair_model().unwrap()).unwrap()] {
            let found = after(&model, &clusters.with_sweeps(100).unwrap(), None, sites);
            assert_law(&found, &part(&model), &part(&wrong));
        }
        // The clusters of another model do not reach the law.
        let other = SwendsenWang::new(&wrong).unwrap().with_sweeps(100).unwrap();
        assert!(chi2_p_value(&after(&model, &other, None, sites), &part(&model)) < ALPHA);
    }
}

/// Equal couplings (the other storage), and three states with fields, one of them forbidding a state.
#[test]
fn swendsen_wang_of_potts_models_reaches_the_law() {
    let torus = Square::new(3, 3, Geometry::Torus).unwrap();
    let uniform = Couplings::uniform(torus, 1.0).unwrap();
    for (c, beta, warmer) in
        [(uniform, 0.8, 0.75), (couplings(torus, true, 0.0), 1.2, 1.0), (couplings(torus, true, 1.0), 1.2, 1.0)]
    {
        let potts = |beta| PairModel::potts(&c, 3, beta).unwrap();
        let (model, wrong) = (potts(beta), potts(warmer));
        let found = after(&model, &SwendsenWang::new(&model).unwrap().with_sweeps(60).unwrap(), None, 6);
        assert_law(&found, &project(&law(&model), model.dims(), 6), &project(&law(&wrong), wrong.dims(), 6));
    }
    let open = Square::new(2, 3, Geometry::Open).unwrap();
    let mut bond = Array2::from_elem((3, 3), -0.4);
    bond.diag_mut().fill(0.3);
    let mut sites = vec![vec![0.1, 0.5, -0.2]; 6];
    sites[2][1] = f64::NEG_INFINITY;
    let build = |sites: &[Vec<f64>]| {
        PairModel::new(open, sites.to_vec(), vec![bond.clone(); 4], vec![bond.clone(); 3]).unwrap()
    };
    let model = build(&sites);
    let found = after(&model, &SwendsenWang::new(&model).unwrap().with_sweeps(60).unwrap(), None, 6);
    sites.swap(0, 2);
    assert_law(&found, &law(&model), &law(&build(&sites)));
}

/// The clock model of three states is a Potts model, though its cosines differ by rounding.
#[test]
fn swendsen_wang_of_the_three_state_clock_reaches_the_law() {
    for (c, beta, warmer) in [
        (couplings(Square::new(3, 3, Geometry::Torus).unwrap(), true, 0.0), 0.9, 0.75),
        (couplings(Square::new(2, 4, Geometry::Cylinder).unwrap(), true, 1.0), 0.9, 0.75),
    ] {
        let clock = |beta| PairModel::clock(&c, 3, beta).unwrap();
        let (model, wrong) = (clock(beta), clock(warmer));
        let found = after(&model, &SwendsenWang::new(&model).unwrap().with_sweeps(60).unwrap(), None, 6);
        assert_law(&found, &project(&law(&model), model.dims(), 6), &project(&law(&wrong), wrong.dims(), 6));
    }
}

/// The wrong twin of the move: the ratio of the proposals left out, a window of fixed place.
fn without_ratio(
    model: &PairModel,
    place: Rectangle,
    chi: usize,
) -> impl Fn(&mut [u8], &mut Stream) -> tensorjump::Result<(usize, usize)> {
    move |x, stream| {
        let window = model.window(place, x)?;
        let sites = place.sites(model.lattice())?;
        let boundary = BoundaryMps::proposal(&window, chi)?;
        let new = boundary.draw(1, &Streams::new(stream.next_u64()))?.x;
        let old = Array2::from_shape_fn(new.dim(), |(_, j)| x[sites[j]]);
        let gain = window.log_weight(new.view())?[0] - window.log_weight(old.view())?[0];
        if stream.random::<f64>() < gain.exp() {
            sites.into_iter().zip(&new).for_each(|(j, &a)| x[j] = a);
        }
        Ok((1, 1))
    }
}

/// Glasses on 4 × 4 sites with truncated windows (χ = 1), from exact starts: the law stays; without the ratio
/// of the proposals it does not.
#[test]
fn windows_keep_the_law() {
    for (geometry, rows, cols) in [
        (Geometry::Torus, 3, 3),
        (Geometry::Torus, 3, 4),
        (Geometry::Cylinder, 2, 4),
        (Geometry::Open, 4, 3),
        (Geometry::Open, 4, 4),
    ] {
        let c = couplings(Square::new(4, 4, geometry).unwrap(), false, 0.5);
        let (model, wrong) = (Ising::new(c.clone(), 1.5).unwrap(), Ising::new(twin(&c), 1.5).unwrap());
        let (exact, wrong) = (law(&model), law(&wrong));
        let part = |p: &[f64]| project(p, model.dims(), 9);
        let windows = Windows::new(&model, rows, cols, 1).unwrap();
        for dynamics in [windows.clone(), windows.with_count(2).unwrap()] {
            let found = after(&model, &dynamics, Some(&exact), 9);
            assert_law(&found, &part(&exact), &part(&wrong));
        }
        let pairs = model.pair_model().unwrap();
        let place = Rectangle { row: 0, col: 0, rows, cols };
        let found = after(&model, &Local::new(without_ratio(&pairs, place, 1)), Some(&exact), 9);
        let p = chi2_p_value(&found, &part(&exact));
        assert!(p < ALPHA, "{geometry:?} {rows} x {cols}: the twin is not seen: p = {p:e}");
    }
}

/// From one configuration to the law, on tori: Ising with the global flip (at 4 × 4 with a row and a column
/// clamped), Potts, hard squares.
#[test]
fn windows_reach_the_law() {
    let torus = Square::new(3, 3, Geometry::Torus).unwrap();
    let reached = |model: &PairModel, windows: Windows<&PairModel>, updates: usize, sites: usize, wrong: &PairModel| {
        let start = model.initial(&mut Streams::new(1).stream(0)).unwrap();
        let mut chains = Chains::new(model, start.broadcast((CHAINS / 4, start.len())).unwrap().to_owned()).unwrap();
        for k in 0..updates {
            windows.update(&mut chains, model, &Streams::new(7).step(k as u64)).unwrap();
        }
        let found = counts(&chains.x().slice(s![.., 0..sites]).to_owned(), &model.dims()[..sites]);
        assert_law(&found, &project(&law(model), model.dims(), sites), &project(&law(wrong), wrong.dims(), sites));
    };
    let several = |model: &PairModel, sweeps: usize, flip: bool, sites: usize, wrong: &PairModel| {
        let windows = Windows::new(model, 2, 2, 2).unwrap();
        reached(model, if flip { windows.with_flip().unwrap() } else { windows }, sweeps, sites, wrong);
    };
    let wide = Square::new(4, 4, Geometry::Torus).unwrap();
    let ising = |beta| Ising::new(couplings(wide, true, 0.0), beta).unwrap().pair_model().unwrap();
    let clamped = ising(0.5);
    let windows = Windows::new(&clamped, 3, 3, 2).unwrap().with_count(1).unwrap().with_flip().unwrap();
    reached(&clamped, windows, 12, 9, &ising(0.4));
    let ising = |beta| Ising::new(couplings(torus, true, 0.0), beta).unwrap().pair_model().unwrap();
    several(&ising(0.5), 10, true, 9, &ising(0.4));
    let potts = |beta| PairModel::potts(&couplings(torus, true, 0.3), 3, beta).unwrap();
    several(&potts(0.8), 10, false, 5, &potts(0.6));
    let hard = |z| PairModel::hard_squares(torus, z).unwrap();
    several(&hard(1.5), 10, false, 9, &hard(1.2));
}

/// Three colours and hard squares, windows truncated to χ = 1: from exact starts the law stays, but not
/// without the ratio of the proposals; from one configuration it is reached.
#[test]
fn windows_of_constrained_models() {
    let lattice = |rows, cols, geometry| Square::new(rows, cols, geometry).unwrap();
    let colourings = PairModel::colourings(lattice(3, 4, Geometry::Open), 3).unwrap();
    let hard = PairModel::hard_squares(lattice(4, 4, Geometry::Torus), 2.0).unwrap();
    let part = |p: &[f64], model: &PairModel, sites: usize| project(p, model.dims(), sites);
    for (model, rows, cols, sites) in [(&colourings, 3, 3, 7), (&hard, 3, 3, 9)] {
        let exact = law(model);
        let windows = Windows::new(model, rows, cols, 1).unwrap().with_count(1).unwrap();
        let found = after(model, &windows, Some(&exact), sites);
        assert!(chi2_p_value(&found, &part(&exact, model, sites)) > ALPHA);
        let place = Rectangle { row: 0, col: 0, rows, cols };
        let found = after(model, &Local::new(without_ratio(model, place, 1)), Some(&exact), sites);
        let p = chi2_p_value(&found, &part(&exact, model, sites));
        assert!(p < ALPHA, "{rows} × {cols}: the twin is not seen: p = {p:e}");
    }
    // All colourings are reached on open lattices (a torus may freeze), alike but for no colour.
    let windows = Windows::new(&colourings, 3, 3, 2).unwrap().with_count(1).unwrap();
    let start = colourings.initial(&mut Streams::new(1).stream(0)).unwrap();
    let mut chains = Chains::new(&colourings, start.broadcast((CHAINS / 8, 12)).unwrap().to_owned()).unwrap();
    for k in 0..15 {
        windows.update(&mut chains, &colourings, &Streams::new(7).step(k)).unwrap();
    }
    let found = counts(&chains.x().slice(s![.., 0..7]).to_owned(), &[3; 7]);
    let mut sites = vec![vec![0.0; 3]; 12];
    sites[5][1] = 0.5;
    let bond = |bond| colourings.bond_log_weights(bond).clone();
    let l = colourings.lattice();
    use tensorjump::lattice::Bond::{Horizontal, Vertical};
    let horizontal = (0..l.horizontal_bonds()).map(|i| bond(Horizontal(i))).collect();
    let wrong = PairModel::new(l, sites, horizontal, (0..l.vertical_bonds()).map(|i| bond(Vertical(i))).collect());
    assert_law(&found, &part(&law(&colourings), &colourings, 7), &part(&law(&wrong.unwrap()), &colourings, 7));
}

/// Energies of the reference tori up to 16 × 16 by windows that clamp a row and a column, with the global
/// flip, within five standard errors.
#[test]
fn windows_on_the_reference_tori() {
    for (ising, exact) in tori(16) {
        let side = ising.lattice().cols();
        // L = 16 takes most of the time: the critical point stands for all.
        if side == 16 && (ising.beta() - 0.4407).abs() > 1e-3 {
            continue;
        }
        let windows = Windows::new(&ising, side - 1, side - 1, 4).unwrap();
        let windows = windows.with_count(1).unwrap().with_flip().unwrap();
        let mut chains = Chains::initial(&ising, 16, 3).unwrap();
        let options =
            RunOptions { updates: if side == 16 { 25 } else { 100 }, warm_up: 10, seed: 3, ..RunOptions::default() };
        let energy = |x: Configs<'_>| Ok(ising.energy(x)? / (side * side) as f64);
        let found = options.run(&ising, &windows, &mut chains, energy).unwrap().mean(0).unwrap();
        let off = (found.mean - exact) / found.error;
        assert!(off.abs() < 5.0, "{side}, β = {}: {off:.1} σ", ising.beta());
    }
}

/// What a wrong twin of a connected move forgets.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Forgotten {
    /// K(x', y)/K(x, y).
    Noise,
    /// q(x|y)/q(x'|y).
    Denoiser,
    /// That q(x|y) is the score of the present configuration, not of the first.
    Present,
}

/// A connected move that is wrong.
struct Wrong<'a> {
    model: &'a BoundaryMps,
    kernel: &'a Kernel,
    draws: u64,
    forgotten: Forgotten,
}

impl Move for Wrong<'_> {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> tensorjump::Result<MoveReport> {
        let y = self.kernel.sample(chains.x(), streams)?;
        let mut first = None;
        for k in 0..self.draws {
            let streams = streams.step(k);
            let (new, old) = self.model.redraw(&self.kernel.likelihood(y.view()), chains.x(), &streams)?;
            let old = if self.forgotten == Forgotten::Present { first.get_or_insert(old).clone() } else { old };
            let noise = self.kernel.log_prob(new.x.view(), y.view())? - self.kernel.log_prob(chains.x(), y.view())?;
            let weight = target.log_weight(new.x.view())?;
            for row in 0..chains.len() {
                let mut log = weight[row] - chains.log_weight()[row];
                log += if self.forgotten == Forgotten::Noise { 0.0 } else { noise[row] };
                log += if self.forgotten == Forgotten::Denoiser { 0.0 } else { old[row] - new.log_prob[row] };
                if streams.domain("accept").stream(row).random::<f64>() < log.exp() {
                    chains.replace(row, new.x.row(row), weight[row])?;
                }
            }
        }
        Ok(MoveReport::default())
    }
}

/// Boundary states of χ = 1 in the fields of asymmetric noise, one or several draws for each noisy
/// configuration: from exact starts the law stays; without a factor of the rule it does not.
#[test]
fn connected_moves_in_the_plane_keep_the_law() {
    let kernel = |dims: &[usize]| {
        let rates = Rates::new(random_rates(dims, 5)).unwrap();
        Noise::new(rates, Schedule::constant(1.0).unwrap()).kernel(0.0, 1.2).unwrap()
    };
    let c = couplings(Square::new(4, 4, Geometry::Open).unwrap(), false, 0.5);
    let (model, wrong) = (Ising::new(c.clone(), 1.5).unwrap(), Ising::new(twin(&c), 1.5).unwrap());
    let (exact, wrong) = (law(&model), law(&wrong));
    let part = |p: &[f64]| project(p, model.dims(), 9);
    let (boundary, noise) = (BoundaryMps::new(&model, 1).unwrap(), kernel(model.dims()));
    let connected = Connected::new(&boundary, noise.clone()).unwrap();
    let single = MetropolisHastings::new(connected.clone());
    let several = InnerDraws::new(connected, 3).unwrap();
    for dynamics in [&single as &dyn Move, &several] {
        assert_law(&after(&model, dynamics, Some(&exact), 9), &part(&exact), &part(&wrong));
    }
    for (draws, forgotten) in [(1, Forgotten::Noise), (1, Forgotten::Denoiser), (3, Forgotten::Present)] {
        let found = after(&model, &Wrong { model: &boundary, kernel: &noise, draws, forgotten }, Some(&exact), 9);
        let p = chi2_p_value(&found, &part(&exact));
        assert!(p < ALPHA, "the twin without {forgotten:?} is not seen: p = {p:e}");
    }
    // Three states on a ring.
    let c = couplings(Square::new(2, 3, Geometry::Cylinder).unwrap(), false, 0.7);
    let potts = |c: &Couplings| PairModel::potts(c, 3, 1.5).unwrap();
    let (model, wrong) = (potts(&c), potts(&twin(&c)));
    let boundary = BoundaryMps::new(&model, 1).unwrap();
    let several = InnerDraws::new(Connected::new(&boundary, kernel(model.dims())).unwrap(), 2).unwrap();
    let exact = law(&model);
    assert_law(&after(&model, &several, Some(&exact), 6), &exact, &law(&wrong));
    // Hard squares: what the noise shows may be forbidden.
    let hard = |z| PairModel::hard_squares(Square::new(4, 4, Geometry::Open).unwrap(), z).unwrap();
    let boundary = BoundaryMps::new(&hard(2.0), 1).unwrap();
    let several = InnerDraws::new(Connected::new(&boundary, kernel(&[2; 16])).unwrap(), 2).unwrap();
    let (exact, wrong) = (law(&hard(2.0)), law(&hard(1.8)));
    assert_law(&after(&hard(2.0), &several, Some(&exact), 9), &part(&exact), &part(&wrong));
}

/// Acceptance of the literature at 32 × 32 and β_c with χ = 2 and flips at rate one, three standard errors on
/// the safe side: .99, .96, .81.
#[test]
fn connected_moves_at_the_critical_point() {
    let couplings = Couplings::uniform(Square::new(32, 32, Geometry::Open).unwrap(), 1.0).unwrap();
    let ising = Ising::new(couplings, 0.5 * 2f64.sqrt().ln_1p()).unwrap();
    let boundary = BoundaryMps::new(&ising, 2).unwrap();
    let start = BoundaryMps::new(&ising, 8).unwrap().draw(128, &Streams::new(1)).unwrap().x;
    let mut chains = Chains::new(&ising, start).unwrap();
    let noise = Noise::new(Rates::binary_flip(1024, 1.0, 1.0).unwrap(), Schedule::constant(1.0).unwrap());
    for (time, bar) in [(0.2, 0.99), (0.5, 0.96), (1.0, 0.81)] {
        let connected = Connected::new(&boundary, noise.kernel(0.0, time).unwrap()).unwrap();
        let dynamics = InnerDraws::new(connected, 4).unwrap();
        let report = dynamics.update(&mut chains, &ising, &Streams::new(2)).unwrap();
        let (a, n) = (report.acceptance(), report.proposed as f64);
        // Draws for one noisy configuration share its luck: as if there were one.
        let error = (a * (1.0 - a) / (n / 4.0)).sqrt();
        assert!(a - 3.0 * error > bar - 0.01, "T = {time}: {a} ± {error}");
    }
}

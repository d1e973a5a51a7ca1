//! Samplers of 2024–2026 by enumeration: laws of one step against their definitions, written out here without
//! the library's steps, orders of convergence, and what leaves which law alone.

use ndarray::{Array2, ArrayView1};
use tensorjump::dense::{DenseLaw, LeapLaw, distances, exponential};
use tensorjump::diffusion::reverse::{Corrector, Order, Remask, Step, TimeGrid};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, Truncated};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Target};

use crate::common::all_configs;
use crate::common::random::{random_law, random_rates};

/// Probabilities: some 10³ roundings of 2⁻⁵³, with a factor ten in hand.
const TOLERANCE: f64 = 1e-12;

fn schedule() -> Schedule {
    Schedule::linear(0.5, 1.5, 1.0).unwrap()
}

/// Asymmetric rates, other ones on every site, and masks at a rate of its own for each site.
fn systems() -> Vec<(DenseLaw, Noise)> {
    let general = |dims: &[usize], seed| Noise::new(Rates::new(random_rates(dims, seed)).unwrap(), schedule());
    let masks = Rates::mask(&[2, 3, 2], 1.2).unwrap().scaled(&[1.0, 0.6, 1.7]).unwrap();
    vec![
        (random_law(&[2; 4], 91), general(&[2; 4], 91)),
        (random_law(&[3, 2, 3], 92), general(&[3, 2, 3], 92)),
        (random_law(&[2, 3, 2], 93), Noise::new(masks, schedule())),
    ]
}

fn masks(dims: &[usize], rates: &[f64]) -> Noise {
    Noise::new(Rates::mask(dims, 1.0).unwrap().scaled(rates).unwrap(), schedule())
}

fn point(dims: &[usize], y: &[u8]) -> DenseLaw {
    let is_y = |x: ArrayView1<'_, u8>| f64::from(u8::from(x.iter().eq(y)));
    DenseLaw::new(dims, &all_configs(dims).outer_iter().map(is_y).collect::<Vec<_>>()).unwrap()
}

/// The law of one step from `y`.
fn after(denoiser: &dyn Denoiser, (s, t): (f64, f64), step: Step, y: &[u8]) -> Vec<f64> {
    let grid = TimeGrid::new(vec![t, s]).unwrap();
    let end = LeapLaw::new(denoiser, &point(denoiser.noise().dims_out(), y), &grid, step, None).unwrap();
    assert_eq!(end.lost, 0.0);
    end.law.p().to_vec()
}

fn assert_close(got: &[f64], truth: &[f64], what: &str) {
    assert_eq!(got.len(), truth.len());
    for (got, truth) in got.iter().zip(truth) {
        assert!((got - truth).abs() < TOLERANCE, "{what}: {got:e} against {truth:e}");
    }
}

/// `exp(elapsed · G)` by Padé, `G(b → c) = Q(c → b) [Σ w p(c)/p(b)]₊`.
fn held(q: &Array2<f64>, terms: &[(f64, ArrayView1<'_, f64>)], elapsed: f64) -> Array2<f64> {
    let rate = |b: usize, c: usize| q[[c, b]] * terms.iter().map(|(w, p)| w * p[c] / p[b]).sum::<f64>();
    let mut g = Array2::from_shape_fn(q.dim(), |(b, c)| if b == c { 0.0 } else { rate(b, c).max(0.0) });
    for b in 0..q.nrows() {
        g[[b, b]] = -g.row(b).sum();
    }
    exponential(&(g * elapsed)).unwrap()
}

/// The law of a step of two stages from `y`, as it is defined.
fn two_stages(law: &DenseLaw, noise: &Noise, (s, t): (f64, f64), step: Step, y: &[u8]) -> Vec<f64> {
    let (theta, trapezoidal) = match step {
        Step::Trapezoidal { theta } => (theta, true),
        Step::RungeKutta { theta } => (theta, false),
        _ => unreachable!(),
    };
    let h = noise.schedule().elapsed(s, t).unwrap();
    let rho = noise.schedule().time_after(s, (1.0 - theta) * h, t).unwrap();
    let at = |t: f64| law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
    let (p_t, p_rho) = (at(t), at(rho));
    let q: Vec<Array2<f64>> = (0..y.len()).map(|j| noise.rates().matrix(j)).collect();
    let p = p_t.conditional_marginals(y).unwrap();
    let first: Vec<_> = (0..y.len()).map(|j| held(&q[j], &[(1.0, p.row(j))], theta * h)).collect();
    let x = all_configs(noise.dims_out());
    let product = |from: &[u8], tables: &[Array2<f64>], to: ArrayView1<'_, u8>| -> f64 {
        (0..from.len()).map(|j| tables[j][[from[j].into(), to[j].into()]]).product()
    };
    let mut end = vec![0.0; p_t.p().len()];
    for between in x.outer_iter() {
        let mass = product(y, &first, between);
        let between = between.to_vec();
        let p_star = p_rho.conditional_marginals(&between).unwrap();
        let (alpha, from, length) = match trapezoidal {
            true => (0.5 / (theta * (1.0 - theta)), &between[..], (1.0 - theta) * h),
            false => (0.5 / theta, y, h),
        };
        let second: Vec<_> =
            (0..y.len()).map(|j| held(&q[j], &[(alpha, p_star.row(j)), (1.0 - alpha, p.row(j))], length)).collect();
        end.iter_mut().zip(x.outer_iter()).for_each(|(sum, to)| *sum += mass * product(from, &second, to));
    }
    end
}

/// Also where rates are cut off (θ = 0.9), and in steps so long that the exponential is squared.
#[test]
fn steps_of_two_stages_follow_their_definition() {
    let steps = [0.3, 0.5, 0.9].map(|theta| Step::Trapezoidal { theta });
    let steps = steps.into_iter().chain([0.5, 1.0].map(|theta| Step::RungeKutta { theta }));
    for step in steps {
        for (law, noise) in systems() {
            let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
            for (s, t) in [(0.4, 0.5), (0.1, 1.0), (0.5, 20.0)] {
                for y in all_configs(noise.dims_out()).outer_iter().step_by(3) {
                    let y = y.to_vec();
                    let truth = two_stages(&law, &noise, (s, t), step, &y);
                    assert_close(&after(&denoiser, (s, t), step, &y), &truth, &format!("{step:?} {s} {t}"));
                }
            }
        }
    }
}

/// Total variation at the end of a grid from `P_T`.
fn error_of(law: &DenseLaw, noise: &Noise, grid: &TimeGrid, step: Step) -> f64 {
    let denoiser = ExactDenoiser::new(law, noise).unwrap();
    let at = |t: f64| law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
    let end = LeapLaw::new(&denoiser, &at(grid.from()), grid, step, None).unwrap();
    distances(at(grid.to()).p(), end.law.p()).unwrap().0
}

#[test]
fn explore() {
    for (dims, seed) in [(vec![2; 3], 1u64), (vec![3; 3], 2), (vec![2; 4], 3), (vec![3; 3], 4)] {
        for power in [1.0, 3.0] {
            let flat = random_law(&dims, seed);
            let law = DenseLaw::new(&dims, &flat.p().iter().map(|p| p.powf(power)).collect::<Vec<_>>()).unwrap();
            for (name, noise) in [
                ("uniform", Noise::from(Rates::uniform(&dims, 1.0).unwrap())),
                ("masks", Noise::from(Rates::mask(&dims, 1.0).unwrap())),
            ] {
                for grids in 0..2 {
                    for step in [
                        Step::Euler,
                        Step::TauLeaping,
                        Step::Analytical,
                        Step::Trapezoidal { theta: 0.5 },
                        Step::Trapezoidal { theta: 0.3 },
                        Step::RungeKutta { theta: 0.5 },
                        Step::RungeKutta { theta: 1.0 },
                    ] {
                        let errors: Vec<f64> = [4, 8, 16, 32, 64]
                            .iter()
                            .map(|&k| {
                                let grid = if grids == 0 {
                                    TimeGrid::uniform(1.0, 0.1, k)
                                } else {
                                    TimeGrid::geometric(1.0, 0.1, k)
                                };
                                error_of(&law, &noise, &grid.unwrap(), step)
                            })
                            .collect();
                        let slopes: Vec<String> =
                            errors.windows(2).map(|e| format!("{:.2}", (e[0] / e[1]).log2())).collect();
                        let errors: Vec<String> = errors.iter().map(|e| format!("{e:.2e}")).collect();
                        println!("{dims:?} {power} {name} {grids} {step:?} {errors:?} {slopes:?}");
                    }
                }
            }
        }
    }
}

/// `Σ_a m_j(a) q_σ(x_s | y_j, a)`: the reverse posterior of the source over the exact denoiser marginals.
fn remasked(law: &DenseLaw, noise: &Noise, (s, t): (f64, f64), remask: Remask, y: &[u8]) -> Vec<f64> {
    let posterior = law.posterior(&noise.kernel(0.0, t).unwrap(), y).unwrap();
    let p_t = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
    let signal = |j: usize, t: f64| noise.kernel(0.0, t).unwrap().table(j)[[0, 0]];
    let open: Vec<usize> = (0..y.len()).filter(|&j| usize::from(y[j]) < law.dims()[j]).collect();
    // The cavity of a symbol, from the conditional marginals: without masks they are proportional.
    let cavity = |j: usize| {
        let p = p_t.conditional_marginals(y).unwrap();
        let d = law.dims()[j];
        p[[j, y[j].into()]] / (0..d).map(|a| p[[j, a]]).sum::<f64>()
    };
    let sites: Vec<Vec<f64>> = (0..y.len())
        .map(|j| {
            let d = law.dims()[j];
            let (at_s, at_t) = (signal(j, s), signal(j, t));
            let most = ((1.0 - at_s) / at_t).min(1.0);
            let sigma = match remask {
                Remask::Cap(eta) => most.min(eta),
                Remask::Rescale(eta) => eta * most,
                Remask::Confidence(_) if !open.contains(&j) => 0.0,
                Remask::Confidence(eta) => {
                    eta * most * (-cavity(j)).exp() / open.iter().map(|&i| (-cavity(i)).exp()).sum::<f64>()
                }
                _ => unreachable!(),
            };
            let mut p = vec![0.0; d + 1];
            for (a, p) in p.iter_mut().enumerate().take(d) {
                let m = posterior.mean(|x| f64::from(u8::from(usize::from(x[j]) == a)));
                *p = match open.contains(&j) {
                    true => m * (1.0 - sigma),
                    false => m * (at_s - (1.0 - sigma) * at_t) / (1.0 - at_t),
                };
            }
            p[d] = if open.contains(&j) { sigma } else { (1.0 - at_s - sigma * at_t) / (1.0 - at_t) };
            p
        })
        .collect();
    let x = all_configs(noise.dims_out());
    x.outer_iter().map(|x| x.iter().zip(&sites).map(|(&b, p)| p[usize::from(b)]).product()).collect()
}

#[test]
fn remasking_follows_its_definition() {
    let (law, noise) = (random_law(&[2, 3, 2], 94), masks(&[2, 3, 2], &[1.0, 0.6, 1.7]));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    for (s, t) in [(0.4, 0.5), (0.2, 1.0), (0.3, 8.0), (0.0, 0.5)] {
        for y in all_configs(noise.dims_out()).outer_iter() {
            let y = y.to_vec();
            let plain = after(&denoiser, (s, t), Step::Analytical, &y);
            for remask in [Remask::Cap(0.1), Remask::Cap(1.0), Remask::Rescale(0.7), Remask::Confidence(0.9)] {
                let truth = remasked(&law, &noise, (s, t), remask, &y);
                assert_close(&after(&denoiser, (s, t), Step::Remask(remask), &y), &truth, &format!("{remask:?}"));
            }
            for remask in [Remask::Cap(0.0), Remask::Rescale(0.0), Remask::Confidence(0.0)] {
                assert_close(&after(&denoiser, (s, t), Step::Remask(remask), &y), &plain, "σ = 0");
            }
        }
    }
}

/// One site alone follows `P_s` for every σ; sites under other noise take the analytical step.
#[test]
fn remasking_leaves_single_sites_alone() {
    let (law, noise) = (random_law(&[3], 95), masks(&[3], &[1.3]));
    let grid = TimeGrid::new(vec![f64::INFINITY, 2.0, 0.7, 0.3, 0.0]).unwrap();
    let all_masked = point(&[4], &[3]);
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    for remask in [Remask::Cap(0.2), Remask::Rescale(1.0), Remask::Confidence(0.5)] {
        let end = LeapLaw::new(&denoiser, &all_masked, &grid, Step::Remask(remask), None).unwrap();
        assert_close(&end.law.p()[..3], law.p(), "one site");
    }
    for (law, noise) in systems().into_iter().take(2) {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let y = vec![1; law.dims().len()];
        let plain = after(&denoiser, (0.3, 0.8), Step::Analytical, &y);
        assert_close(&after(&denoiser, (0.3, 0.8), Step::Remask(Remask::Cap(0.5)), &y), &plain, "other noise");
    }
}

/// Times at which the mean number of masks is one less each time.
fn one_at_a_time(noise: &Noise) -> TimeGrid {
    let n = noise.sites();
    let times = (1..n).map(|k| noise.time_of_signal(k as f64 / n as f64).unwrap());
    TimeGrid::new([f64::INFINITY].into_iter().chain(times).chain([0.0]).collect()).unwrap()
}

const ORDERS: [Order; 5] = [
    Order::Random,
    Order::Confidence { temperature: 0.0 },
    Order::Confidence { temperature: 0.7 },
    Order::Entropy { temperature: 0.0 },
    Order::Entropy { temperature: 0.4 },
];

/// At random and by entropy one site at a time is exact; by the probability of what was drawn it is not, and
/// two at a time never are.
#[test]
fn unmasking_one_site_at_a_time() {
    let law = random_law(&[2, 3, 2, 2], 96);
    let noise = masks(law.dims(), &[1.0; 4]);
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let all_masked = point(noise.dims_out(), &[2, 3, 2, 2]);
    let grid = one_at_a_time(&noise);
    let two = TimeGrid::new(vec![f64::INFINITY, grid.times()[2], 0.0]).unwrap();
    let clean = |end: &LeapLaw| -> Vec<f64> {
        all_configs(law.dims()).outer_iter().map(|x| end.law.p()[end.law.index(&x.to_vec()).unwrap()]).collect()
    };
    for order in ORDERS {
        let run = |grid| LeapLaw::new(&denoiser, &all_masked, grid, Step::Unmask(order), None).unwrap();
        let error = distances(law.p(), &clean(&run(&grid))).unwrap().0;
        match order {
            Order::Confidence { .. } => assert!(error > 0.02, "{order:?} is biased, {error}"),
            _ => assert!(error < TOLERANCE, "{order:?}: {error}"),
        }
        assert!(distances(law.p(), &clean(&run(&two))).unwrap().0 > 0.005, "{order:?} in two steps");
    }
}

/// All orders of the sites.
fn permutations(sites: &[usize]) -> Vec<Vec<usize>> {
    if sites.is_empty() {
        return vec![vec![]];
    }
    let with = |(i, &first): (usize, &usize)| {
        let rest: Vec<usize> = sites.iter().enumerate().filter(|(k, _)| *k != i).map(|(_, &site)| site).collect();
        permutations(&rest).into_iter().map(move |tail| [vec![first], tail].concat())
    };
    sites.iter().enumerate().flat_map(with).collect()
}

/// The law after `count` of the `open` sites took candidates of the laws `p`: over all candidates and all orders
/// of all sites, of which the first ones move. `score(site, symbol)`, at `temperature`.
fn chosen(
    (dims, y, open): (&[usize], &[u8], &[usize]),
    p: &dyn Fn(usize, usize) -> f64,
    score: &dyn Fn(usize, usize) -> f64,
    temperature: f64,
    count: usize,
) -> Vec<f64> {
    let configs = all_configs(dims);
    let mut law = vec![0.0; configs.nrows()];
    let is_first = |x: ArrayView1<'_, u8>| (0..dims.len()).all(|j| open.contains(&j) || x[j] == 0);
    for candidate in configs.outer_iter().filter(|x| is_first(x.view())) {
        let mass: f64 = open.iter().map(|&j| p(j, candidate[j].into())).product();
        if mass == 0.0 {
            continue;
        }
        let score = |j: usize| score(j, candidate[j].into());
        for order in permutations(open) {
            let share: f64 = if temperature == 0.0 {
                f64::from(u8::from(order.windows(2).all(|pair| score(pair[0]) > score(pair[1]))))
            } else {
                let weight = |&j: &usize| (score(j) / temperature).exp();
                (0..order.len()).map(|k| weight(&order[k]) / order[k..].iter().map(weight).sum::<f64>()).product()
            };
            let mut x = y.to_vec();
            order.iter().take(count).for_each(|&j| x[j] = candidate[j]);
            law[crate::common::index_of(&x, dims)] += mass * share;
        }
    }
    law
}

fn entropy(p: impl Iterator<Item = f64>) -> f64 {
    p.filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

#[test]
fn unmasking_follows_its_definition() {
    let law = random_law(&[2, 3, 2], 97);
    let noise = masks(law.dims(), &[1.0, 0.8, 1.1]);
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let dims = noise.dims_out();
    for order in ORDERS {
        for (s, left) in [(0.4, 1), (1.5, 2), (0.0, 0)] {
            let mean: f64 = (0..3).map(|j| 1.0 - noise.kernel(0.0, s).unwrap().table(j)[[0, 0]]).sum();
            assert!((mean - f64::from(left)).abs() < 0.5, "the example is meant to leave {left}, not {mean}");
            for y in [[2, 3, 2], [1, 3, 2], [2, 0, 2], [2, 3, 0]] {
                let posterior = law.posterior(&noise.kernel(0.0, 3.0).unwrap(), &y).unwrap();
                let p = |j: usize, a: usize| posterior.mean(|x| f64::from(u8::from(usize::from(x[j]) == a)));
                let open: Vec<usize> = (0..3).filter(|&j| usize::from(y[j]) == law.dims()[j]).collect();
                let certainty = |j: usize, a: usize| match order {
                    Order::Confidence { .. } => p(j, a).ln(),
                    Order::Entropy { .. } => -entropy((0..law.dims()[j]).map(|a| p(j, a))),
                    _ => 0.0,
                };
                let temperature = match order {
                    Order::Confidence { temperature } | Order::Entropy { temperature } => temperature,
                    _ => 1.0,
                };
                let count = open.len().saturating_sub(left as usize);
                let truth = chosen((dims, &y, &open), &p, &certainty, temperature, count);
                assert_close(&after(&denoiser, (s, 3.0), Step::Unmask(order), &y), &truth, &format!("{order:?}"));
            }
        }
    }
}

/// The law after one step of resampling from the mass of each configuration, by definition.
fn resampled(p_s: &DenseLaw, dims_in: &[usize], start: &[f64], sites: usize, order: Order) -> Vec<f64> {
    let dims = p_s.dims();
    let mut end = vec![0.0; start.len()];
    for (y, mass) in all_configs(dims).outer_iter().zip(start).filter(|(_, mass)| **mass > 0.0) {
        let y = y.to_vec();
        let open: Vec<usize> = (0..dims.len()).filter(|&j| usize::from(y[j]) < dims_in[j]).collect();
        let marginals = p_s.conditional_marginals(&y).unwrap();
        let p = |j: usize, a: usize| {
            let total: f64 = (0..dims_in[j]).map(|a| marginals[[j, a]]).sum();
            if a < dims_in[j] { marginals[[j, a]] / total } else { 0.0 }
        };
        let doubt = |j: usize, _: usize| {
            let other = (0..dims_in[j]).filter(|&a| a != usize::from(y[j])).map(|a| p(j, a)).fold(0.0, f64::max);
            match order {
                Order::Confidence { .. } => other.ln() - p(j, y[j].into()).ln(),
                Order::Entropy { .. } => entropy((0..dims_in[j]).map(|a| p(j, a))),
                _ => 0.0,
            }
        };
        let temperature = match order {
            Order::Confidence { temperature } | Order::Entropy { temperature } => temperature,
            _ => 1.0,
        };
        let moved = chosen((dims, &y, &open), &p, &doubt, temperature, sites);
        end.iter_mut().zip(moved).for_each(|(sum, q)| *sum += mass * q);
    }
    end
}

/// After an analytical step, by definition; one site at random leaves `P_s` alone, any other choice moves it.
#[test]
fn resampling_follows_its_definition() {
    for (law, noise) in systems() {
        let (s, t) = (0.4, 0.7);
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let at = |t: f64| law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let (grid, p_s) = (TimeGrid::new(vec![t, s]).unwrap(), at(s));
        let plain = LeapLaw::new(&denoiser, &at(t), &grid, Step::Analytical, None).unwrap();
        for order in ORDERS {
            for sites in [1, 2] {
                let corrector = Some(Corrector::Resample { rounds: 2, sites, order });
                let end = LeapLaw::new(&denoiser, &at(t), &grid, Step::Analytical, corrector).unwrap();
                let once = resampled(&p_s, law.dims(), plain.law.p(), sites, order);
                let truth = resampled(&p_s, law.dims(), &once, sites, order);
                assert_close(end.law.p(), &truth, &format!("{order:?}, {sites} sites"));
                let moved = distances(p_s.p(), &resampled(&p_s, law.dims(), p_s.p(), sites, order)).unwrap().0;
                match (order, sites) {
                    (Order::Random, 1) => assert!(moved < TOLERANCE, "{moved}"),
                    _ => assert!(moved > 1e-5, "{order:?}, {sites} sites: {moved}"),
                }
            }
        }
    }
}

/// Temperature, the k most probable, the nucleus: of enumerated posteriors, in the law of a step to 0.
#[test]
fn truncated_denoisers_follow_their_definition() {
    let law = random_law(&[4, 3], 98);
    for noise in [masks(&[4, 3], &[1.0, 0.7]), Noise::new(Rates::new(random_rates(&[4, 3], 98)).unwrap(), schedule())] {
        let exact = ExactDenoiser::new(&law, &noise).unwrap();
        for (temperature, top, nucleus) in [(1.0, 9, 1.0), (0.5, 9, 1.0), (1.0, 2, 1.0), (1.3, 3, 0.6), (2.0, 9, 0.8)] {
            let denoiser = Truncated::new(&exact, temperature, top, nucleus).unwrap();
            for y in all_configs(noise.dims_out()).outer_iter() {
                let y = y.to_vec();
                let posterior = law.posterior(&noise.kernel(0.0, 0.8).unwrap(), &y).unwrap();
                let site = |j: usize| {
                    let d = law.dims()[j];
                    let mut p: Vec<f64> = (0..d)
                        .map(|a| posterior.mean(|x| f64::from(u8::from(usize::from(x[j]) == a))))
                        .map(|p| p.powf(1.0 / temperature))
                        .collect();
                    // A symbol stays if fewer than `top` come before it, and those before it carry less.
                    let before = |p: &[f64], a: usize| -> Vec<f64> { p.iter().copied().filter(|&q| q > p[a]).collect() };
                    p = (0..d).map(|a| if before(&p, a).len() < top { p[a] } else { 0.0 }).collect();
                    let total: f64 = p.iter().sum();
                    let cut = |a| nucleus < 1.0 && before(&p, a).iter().sum::<f64>() >= nucleus * total;
                    p = (0..d).map(|a| if cut(a) { 0.0 } else { p[a] }).collect();
                    let total: f64 = p.iter().sum();
                    p.iter().map(|p| p / total).collect::<Vec<f64>>()
                };
                let sites: Vec<Vec<f64>> = (0..2).map(site).collect();
                let end = LeapLaw::new(
                    &denoiser,
                    &point(noise.dims_out(), &y),
                    &TimeGrid::new(vec![0.8, 0.0]).unwrap(),
                    Step::Analytical,
                    None,
                );
                let end = end.unwrap().law;
                for x in all_configs(law.dims()).outer_iter() {
                    let truth: f64 = x.iter().zip(&sites).map(|(&a, p)| p[usize::from(a)]).product();
                    let got = end.p()[end.index(&x.to_vec()).unwrap()];
                    assert!((got - truth).abs() < TOLERANCE, "{temperature} {top} {nucleus}: {got} against {truth}");
                }
            }
        }
    }
}

#[test]
fn parameters_out_of_range() {
    let law = random_law(&[2, 2], 99);
    let uniform = Noise::from(Rates::uniform(&[2, 2], 1.0).unwrap());
    let denoiser = ExactDenoiser::new(&law, &uniform).unwrap();
    let start = point(&[2, 2], &[0, 1]);
    let grid = TimeGrid::new(vec![1.0, 0.5]).unwrap();
    let run = |step, corrector| LeapLaw::new(&denoiser, &start, &grid, step, corrector).unwrap_err();
    let name = |error: Error| match error {
        Error::Parameter { name, .. } => name,
        other => panic!("{other}"),
    };
    for theta in [0.0, 1.0, -0.1, f64::NAN] {
        assert_eq!(name(run(Step::Trapezoidal { theta }, None)), "theta");
    }
    for theta in [0.0, 1.1, f64::NAN] {
        assert_eq!(name(run(Step::RungeKutta { theta }, None)), "theta");
    }
    for eta in [-0.1, 1.1, f64::NAN] {
        for remask in [Remask::Cap(eta), Remask::Rescale(eta), Remask::Confidence(eta)] {
            assert_eq!(name(run(Step::Remask(remask), None)), "eta");
        }
    }
    for temperature in [-1.0, f64::INFINITY, f64::NAN] {
        let order = Order::Confidence { temperature };
        let corrector = Some(Corrector::Resample { rounds: 1, sites: 1, order });
        assert_eq!(name(run(Step::Unmask(order), None)), "temperature");
        assert_eq!(name(run(Step::Euler, corrector)), "temperature");
        assert_eq!(name(Truncated::new(&denoiser, temperature, 1, 1.0).unwrap_err()), "temperature");
    }
    assert_eq!(name(run(Step::Unmask(Order::Random), None)), "noise of a site");
    assert_eq!(name(Truncated::new(&denoiser, 1.0, 0, 1.0).unwrap_err()), "number of symbols");
    assert_eq!(name(Truncated::new(&denoiser, 1.0, 1, 0.0).unwrap_err()), "nucleus");
    for step in [Step::Trapezoidal { theta: 0.5 }, Step::Unmask(Order::Random)] {
        let y = ndarray::array![[0, 1]];
        assert_eq!(name(step.law(&denoiser, (0.5, 1.0), y.view()).unwrap_err()), "step");
    }
}

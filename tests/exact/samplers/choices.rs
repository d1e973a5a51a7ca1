//! Steps that choose which sites move, and denoisers that are cut.

use ndarray::ArrayView1;
use tensorjump::Error;
use tensorjump::Target;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::reverse::{Corrector, Order, Step, TimeGrid};
use tensorjump::diffusion::{ExactDenoiser, Truncated};
use tensorjump::noise::{Noise, Rates};

use super::{TOLERANCE, after, assert_close, masks, point, schedule, systems};
use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};

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
            law[index_of(&x, dims)] += mass * share;
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
                    let before =
                        |p: &[f64], a: usize| -> Vec<f64> { p.iter().copied().filter(|&q| q > p[a]).collect() };
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

/// The mean over the orders of the sites of `KL(P ‖ law)` where blocks of the order are drawn at once.
fn mean_divergence(law: &DenseLaw, blocks: &[usize]) -> f64 {
    let configs = all_configs(law.dims());
    let n = law.dims().len();
    // P(x_S) by summation over all that agree with x on S.
    let marginal = |x: ArrayView1<'_, u8>, sites: &[usize]| -> f64 {
        let agrees = |z: ArrayView1<'_, u8>| sites.iter().all(|&j| z[j] == x[j]);
        configs.outer_iter().zip(law.p()).filter(|(z, _)| agrees(z.view())).map(|(_, p)| p).sum()
    };
    let orders = permutations(&(0..n).collect::<Vec<_>>());
    let divergence = |order: &Vec<usize>| -> f64 {
        let log_ratio = |x: ArrayView1<'_, u8>, p: &f64| {
            let (mut log_q, mut known) = (0.0, 0);
            for &block in blocks {
                let before = marginal(x, &order[..known]);
                for &j in &order[known..known + block] {
                    log_q += (marginal(x, &[&order[..known], &[j]].concat()) / before).ln();
                }
                known += block;
            }
            p * (p.ln() - log_q)
        };
        configs.outer_iter().zip(law.p()).map(|(x, p)| log_ratio(x, p)).sum()
    };
    orders.iter().map(divergence).sum::<f64>() / orders.len() as f64
}

/// All ways to write `n` as a sum of `k` positive numbers.
fn compositions(n: usize, k: usize) -> Vec<Vec<usize>> {
    match k {
        1 => vec![vec![n]],
        _ => (1..=n - k + 1)
            .flat_map(|first| compositions(n - first, k - 1).into_iter().map(move |rest| [vec![first], rest].concat()))
            .collect(),
    }
}

/// The best times are the best of all, their divergence is the mean over all orders, and the law that is drawn
/// is nearer than that.
#[test]
fn the_best_times_of_unmasking() {
    // Two sites that agree, one that hangs on both, one nearly free: the best steps are not equal ones.
    let weight = |x: ArrayView1<'_, u8>| {
        let agree = if x[0] == x[1] { 9.0 } else { 1.0 };
        let third = if x[2] == (x[0] + x[1]) % 2 { 3.0 } else { 1.0 };
        agree * third * [1.0, 1.3][usize::from(x[3])]
    };
    let shaped = DenseLaw::new(&[2; 4], &all_configs(&[2; 4]).outer_iter().map(weight).collect::<Vec<_>>()).unwrap();
    for law in [shaped, random_law(&[2, 3, 2, 2], 121)] {
        let noise = masks(law.dims(), &[0.8; 4]);
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let entropies = law.subset_entropies().unwrap();
        assert!(entropies[0].abs() < TOLERANCE);
        let total = -law.p().iter().map(|p| p * p.ln()).sum::<f64>();
        assert!((entropies[4] - total).abs() < TOLERANCE);
        let all_masked: Vec<u8> = law.dims().iter().map(|&d| d as u8).collect();
        for steps in 1..=4 {
            let (grid, divergence) = TimeGrid::unmasking(&noise, &entropies, steps).unwrap();
            let all: Vec<f64> = compositions(4, steps).iter().map(|blocks| mean_divergence(&law, blocks)).collect();
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            assert!((divergence - least).abs() < TOLERANCE, "{steps} steps: {divergence} against {least}");
            assert_eq!(grid.steps(), steps);
            let end = LeapLaw::new(
                &denoiser,
                &point(noise.dims_out(), &all_masked),
                &grid,
                Step::Unmask(Order::Random),
                None,
            );
            let end = end.unwrap().law;
            let clean: Vec<f64> = (0..law.p().len()).map(|i| end.p()[end.index(&law.config(i)).unwrap()]).collect();
            let reached = distances(law.p(), &clean).unwrap().1;
            assert!(reached < divergence + TOLERANCE, "{steps} steps: {reached} above {divergence}");
            assert!(steps % 3 == 1 || all.iter().any(|other| *other > least + 1e-4), "all times are alike");
        }
        let name = |noise: &Noise, entropies: &[f64], steps| match TimeGrid::unmasking(noise, entropies, steps) {
            Err(Error::Parameter { name, .. }) => name,
            Err(Error::Shape { field, .. } | Error::NotFinite { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&noise, &entropies, 0), "number of steps");
        assert_eq!(name(&noise, &entropies[1..], 2), "entropies");
        assert_eq!(name(&noise, &[0.0, 1.0, f64::NAN, 1.0, 1.0], 2), "entropies");
        let unequal = masks(law.dims(), &[0.2, 1.0, 3.0, 1.0]);
        assert_eq!(name(&unequal, &entropies, 2), "masks that the noise leaves");
        let uniform = Noise::from(Rates::uniform(law.dims(), 1.0).unwrap());
        assert_eq!(name(&uniform, &entropies, 2), "masks that the noise leaves");
    }
}

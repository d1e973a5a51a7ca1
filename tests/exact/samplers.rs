//! Samplers of 2024–2026 by enumeration: laws of one step against their definitions, written out here without
//! the library's steps, orders of convergence, and what leaves which law alone.

mod choices;
mod loops;
mod psi;

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

/// Laws with weights from 1 to 10 to a power.
fn laws(power: f64) -> Vec<DenseLaw> {
    let law = |(dims, seed): (&[usize], u64)| {
        DenseLaw::new(dims, &random_law(dims, seed).p().iter().map(|p| p.powf(power)).collect::<Vec<_>>()).unwrap()
    };
    [(&[2; 3][..], 1), (&[3; 3], 2), (&[2; 4], 3)].map(law).to_vec()
}

/// Errors from 1 to 0.1 in 4, 8, …, 64 equal steps.
fn errors(law: &DenseLaw, noise: &Noise, step: Step) -> [f64; 5] {
    [4, 8, 16, 32, 64].map(|k| error_of(law, noise, &TimeGrid::uniform(1.0, 0.1, k).unwrap(), step))
}

const TRAPEZOIDAL: Step = Step::Trapezoidal { theta: 0.5 };

/// The mean slope from 4 to 64 steps is above 1.5 on masks (found: 1.86, 1.77, 1.83), and from 8 steps on the
/// error is below that of twice as many steps of Euler, which cost as much; on uniform noise it is three times
/// below, at any number of steps. The Runge–Kutta step is of first order on both.
#[test]
fn the_trapezoidal_step_is_better_than_twice_as_many_of_euler() {
    for law in laws(1.0) {
        let masked = Noise::from(Rates::mask(law.dims(), 1.0).unwrap());
        let (trapezoidal, euler) = (errors(&law, &masked, TRAPEZOIDAL), errors(&law, &masked, Step::Euler));
        let slope = (trapezoidal[0] / trapezoidal[4]).log2() / 4.0;
        assert!(slope > 1.5, "slope {slope}: {trapezoidal:?}");
        assert!((1..4).all(|k| trapezoidal[k] < euler[k + 1]), "{trapezoidal:?} {euler:?}");
        let uniform = Noise::from(Rates::uniform(law.dims(), 1.0).unwrap());
        let (trapezoidal, euler) = (errors(&law, &uniform, TRAPEZOIDAL), errors(&law, &uniform, Step::Euler));
        assert!((0..4).all(|k| 3.0 * trapezoidal[k] < euler[k + 1]), "{trapezoidal:?} {euler:?}");
        for noise in [masked, uniform] {
            let [.., coarse, fine] = errors(&law, &noise, Step::RungeKutta { theta: 0.5 });
            assert!((coarse / fine).log2() < 1.2, "{coarse} {fine}");
        }
    }
}

/// Of laws so flat that no rate is cut off, for every noise.
#[test]
fn the_trapezoidal_step_is_of_second_order_where_no_rate_is_cut_off() {
    for law in laws(0.1) {
        let dims = law.dims();
        let general = Noise::new(Rates::new(random_rates(dims, 100)).unwrap(), schedule());
        for noise in [general, masks(dims, &[1.0, 0.7, 1.2, 0.9][..dims.len()])] {
            for theta in [0.3, 0.5] {
                let errors = errors(&law, &noise, Step::Trapezoidal { theta });
                for pair in errors[2..].windows(2) {
                    assert!((pair[0] / pair[1]).log2() > 1.85, "θ = {theta}: {errors:?}");
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

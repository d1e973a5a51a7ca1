//! Neither threads nor the size of a batch change a draw, a score or a chain.

use ndarray::{Array2, s};
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Bridge, Denoise, ExactDiffusion};
use tensorjump::mcmc::{Chains, Connected, MetropolisHastings, RunOptions};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, ExactModel, Model, SiteWeights, Streams};

use crate::common::random::{random_law, random_rates};
use crate::laws::{every_form, stream};

/// Rows of a batch: more than two blocks of 512 on one thread, other blocks on two or three.
const ROWS: usize = 1300;

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

struct Models {
    positive: PositiveMps,
    single: PositiveMps<f32>,
    born: BornMps,
    dense: DenseLaw,
}

impl Models {
    fn new(dims: &[usize], bond: usize) -> Self {
        let positive = PositiveMps::random(dims, bond, &mut stream("threads")).unwrap();
        let single = positive.single_precision();
        let born = BornMps::random(dims, bond, &mut stream("threads")).unwrap();
        Models { positive, single, born, dense: random_law(dims, 61) }
    }

    fn all(&self) -> [&dyn Model; 4] {
        [&self.positive, &self.single, &self.born, &self.dense]
    }

    fn exact(&self) -> [&dyn ExactModel; 3] {
        [&self.positive, &self.born, &self.dense]
    }
}

fn systems() -> Vec<Models> {
    vec![Models::new(&[2; 9], 5), Models::new(&[3, 2, 4, 2], 9)]
}

/// The first rows of weights.
fn first_rows<'a>(w: &SiteWeights<'a>, rows: usize) -> SiteWeights<'a> {
    match *w {
        SiteWeights::Observed { tables, dims_in, dims_out, y } => {
            SiteWeights::Observed { tables, dims_in, dims_out, y: y.slice_move(s![..rows, ..]) }
        }
        SiteWeights::PerRow(w) => SiteWeights::PerRow(w.slice_move(s![..rows, .., ..])),
        other => other,
    }
}

#[test]
fn models_do_not_see_threads() {
    for models in systems() {
        let streams = Streams::new(1);
        for w in every_form(models.positive.as_mps().dims(), ROWS, 7, &mut stream("weights")) {
            let w = w.get();
            for model in models.all() {
                let old = model.sample(&w, ROWS, &streams.step(1)).unwrap().x;
                let answer = |threads| in_pool(threads, || model.redraw(&w, old.view(), &streams).unwrap());
                let one = answer(1);
                assert_eq!(one, answer(2));
                assert_eq!(one, answer(3));
                // Wrong twin: another step gives other draws.
                assert_ne!(one.0.x, old);
            }
            for model in models.exact() {
                let answer =
                    |threads| in_pool(threads, || (model.log_evidence(&w).unwrap(), model.cavities(&w).unwrap()));
                assert_eq!(answer(1), answer(2));
            }
        }
    }
}

#[test]
fn models_do_not_see_the_batch() {
    for models in systems() {
        let streams = Streams::new(2);
        for w in every_form(models.positive.as_mps().dims(), ROWS, 7, &mut stream("weights")) {
            let w = w.get();
            for model in models.all() {
                let many = model.sample(&w, ROWS, &streams).unwrap();
                for rows in [1, 35, 256, 257, 513, 1025] {
                    let few = model.sample(&first_rows(&w, rows), rows, &streams).unwrap();
                    assert_eq!(
                        (few.x.view(), few.log_prob.view()),
                        (many.x.slice(s![..rows, ..]), many.log_prob.slice(s![..rows]))
                    );
                }
            }
        }
    }
}

#[test]
fn noise_and_diffusion_see_neither() {
    let dims = [3, 2, 4, 2];
    let models = Models::new(&dims, 4);
    let noise = Noise::new(Rates::new(random_rates(&dims, 62)).unwrap(), Schedule::linear(0.2, 1.5, 1.0).unwrap());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let bridge = Bridge::of(&noise, 0.2, 0.5).unwrap();
    let streams = Streams::new(3);
    let x = models.dense.draw(9000, &streams).unwrap().x;
    let noised = |threads, rows: usize| in_pool(threads, || kernel.sample(x.slice(s![..rows, ..]), &streams).unwrap());
    let y = noised(1, 9000);
    assert_eq!(noised(2, 9000), y);
    assert_eq!(noised(2, 4321), y.slice(s![..4321, ..]));
    let paths =
        |threads, rows: usize| in_pool(threads, || noise.paths(x.slice(s![..rows, ..]), 0.0, 0.5, &streams).unwrap());
    let all = paths(1, 900);
    assert_eq!(paths(2, 900), all);
    assert_eq!(paths(2, 321), all[..321]);
    let y = y.slice(s![..900, ..]);
    for model in models.exact() {
        let back = |threads, rows: usize| {
            let y = y.slice(s![..rows, ..]);
            in_pool(threads, || {
                let path = model.denoise_through(&noise, &[0.5, 0.2, 0.0], y, &streams).unwrap();
                (model.denoise(&kernel, y, &streams).unwrap(), model.denoise_to(&bridge, y, &streams).unwrap(), path)
            })
        };
        let (clean, between, path) = back(1, 900);
        assert_eq!(back(2, 900), (clean.clone(), between.clone(), path.clone()));
        let few = back(2, 700);
        assert_eq!(
            (few.0.x, few.1.x),
            (clean.x.slice(s![..700, ..]).to_owned(), between.x.slice(s![..700, ..]).to_owned())
        );
        assert_eq!(few.2.states[2], path.states[2].slice(s![..700, ..]));
    }
}

#[test]
fn chains_see_neither() {
    let dims = [3, 2, 4, 2];
    let models = Models::new(&dims, 4);
    let target = random_law(&dims, 63);
    let kernel =
        Noise::new(Rates::new(random_rates(&dims, 64)).unwrap(), Schedule::default()).kernel(0.0, 0.3).unwrap();
    let observe = |x: Configs<'_>| Ok(x.mapv(f64::from));
    for model in models.all() {
        let trajectory = |threads, chains: usize, seed| {
            in_pool(threads, || {
                let dynamics = MetropolisHastings::new(Connected::new(model, kernel.clone()).unwrap());
                let mut chains = Chains::new(&target, Array2::zeros((chains, 4))).unwrap();
                let options = RunOptions { updates: 10, warm_up: 0, seed, ..RunOptions::default() };
                options.run(&target, &dynamics, &mut chains, observe).unwrap().series
            })
        };
        let one = trajectory(1, 700, 5);
        assert_eq!(trajectory(2, 700, 5), one);
        assert_eq!(trajectory(2, 311, 5), one.slice(s![.., ..311, ..]));
        assert_ne!(trajectory(1, 700, 6), one);
    }
}

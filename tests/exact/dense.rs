//! Dense laws against sums written out here.

use ndarray::{Array1, Array2, ArrayView1, array};
use tensorjump::dense::{DenseLaw, generator_matrix, kernel_matrix};
use tensorjump::diffusion::ExactDiffusion;
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Streams};

use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};
use crate::diffusion_checks::{assert_close, check_diffusion, repeat};

#[test]
fn dense_model_against_enumeration() {
    let schedule = Schedule::linear(0.3, 1.7, 1.0).unwrap();
    for (dims, seed) in [(vec![2, 2, 2, 2, 2], 1), (vec![3, 3, 3], 2), (vec![4, 4, 4], 3), (vec![2, 4, 3, 2], 4)] {
        let law = random_law(&dims, seed);
        let general = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), schedule.clone());
        for times in [(0.2, 0.6), (0.0, 0.6), (0.6, 0.6), (0.01, 3.0)] {
            check_diffusion(&law, &law, &general, times, &|_| 1.0);
        }
    }
}

#[test]
fn enumeration_is_the_dense_matrix() {
    let dims = [2, 3, 4];
    let law = random_law(&dims, 7);
    let rates = random_rates(&dims, 7);
    let noise = Noise::new(Rates::new(rates.clone()).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.4).unwrap();
    let p = Array1::from(law.p().to_vec());
    let noised = law.noised(&kernel).unwrap();
    let p_t = p.dot(&kernel_matrix(&kernel).unwrap());
    p_t.iter().zip(noised.p()).for_each(|(a, b)| assert_close(*b, *a, 1e-15, "noised"));
    // The reverse rates carry p_t backwards: Σ_y p_t(y) R(y→x) − p_t(x) Σ_z R(x→z) = −(p_t Q)(x).
    let forward = p_t.dot(&generator_matrix(&rates).unwrap());
    let all = all_configs(&dims);
    let reverse = law.scores(&kernel, all.view()).unwrap().reverse_rates(&noise, 0.4).unwrap();
    let mut flow = Array1::<f64>::zeros(all.nrows());
    for (i, y) in all.outer_iter().enumerate() {
        for j in 0..dims.len() {
            for b in 0..dims[j] {
                let mut to = y.to_owned();
                to[j] = b as u8;
                let current = p_t[i] * reverse[[i, j, b]];
                flow[index_of(&to, &dims)] += current;
                flow[i] -= current;
            }
        }
    }
    flow.iter().zip(&forward).for_each(|(got, q)| assert_close(*got, -q, 1e-14, "reverse current"));
}

#[test]
fn dense_laws_under_all_forms_of_weights() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 8);
    let x = all_configs(&dims);
    let n = x.nrows();
    let shared =
        Array2::from_shape_fn((3, 3), |(j, a)| 0.3 + (j * 3 + a) as f64 * if a < dims[j] { 1.0 } else { f64::NAN });
    let per_row = shared.broadcast((n, 3, 3)).unwrap().to_owned();
    let kernel = Noise::new(Rates::mask(&dims, 0.9).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let y = array![[0u8, 3, 2]];
    let all_y = repeat(y.row(0), n);
    let observed =
        Array2::from_shape_fn((3, 3), |(j, a)| if a < dims[j] { kernel.table(j)[[a, y[[0, j]].into()]] } else { 0.0 });
    let forms = [
        (SiteWeights::Uniform, Array2::ones((3, 3))),
        (SiteWeights::Shared(shared.view()), shared.clone()),
        (SiteWeights::PerRow(per_row.view()), shared.clone()),
        (kernel.likelihood(all_y.view()), observed),
    ];
    for (form, table) in forms {
        let weight = |x: ArrayView1<'_, u8>, skip: usize| -> f64 {
            (0..3).filter(|&j| j != skip).map(|j| table[[j, x[j].into()]]).product()
        };
        let tilted: Vec<f64> = x.outer_iter().zip(law.p()).map(|(x, p)| p * weight(x, 9)).collect();
        let z: f64 = tilted.iter().sum();
        let evidence = law.log_evidence(&form).unwrap();
        assert_eq!(evidence.len(), form.rows().unwrap_or(1));
        evidence.iter().for_each(|e| assert_close(e.exp(), z, 1e-14 * z, "evidence"));
        let got = law.log_prob_given(x.view(), &form).unwrap();
        got.iter().zip(&tilted).for_each(|(g, w)| assert_close(g.exp(), w / z, 1e-14, "tilted law"));
        let cavities = law.cavities(&form).unwrap();
        for j in 0..3 {
            let mut sums = [0.0; 3];
            x.outer_iter().zip(law.p()).for_each(|(x, p)| sums[usize::from(x[j])] += p * weight(x, j));
            let total: f64 = sums.iter().sum();
            (0..3).for_each(|a| assert_close(cavities[[0, j, a]], sums[a] / total, 1e-14, "cavity"));
        }
        let streams = Streams::new(3);
        let (new, old) = law.redraw(&form, x.view(), &streams).unwrap();
        assert_eq!((new.log_prob, old), (law.log_prob_given(new.x.view(), &form).unwrap(), got));
        assert_eq!(new.x, law.sample(&form, n, &streams).unwrap().x);
    }
    let of = DenseLaw::of(&law).unwrap();
    of.p().iter().zip(law.p()).for_each(|(a, b)| assert_close(*a, *b, 1e-15, "law of a target"));
}

#[test]
fn bad_dense_laws() {
    assert!(matches!(DenseLaw::new(&[2; 21], &[]), Err(Error::TooLarge { size: 2_097_152, .. })));
    assert!(matches!(DenseLaw::new(&[2; 200], &[]), Err(Error::TooLarge { .. })));
    assert!(matches!(DenseLaw::new(&[], &[]), Err(Error::SiteCount { .. })));
    assert!(matches!(DenseLaw::new(&[2, 0], &[]), Err(Error::Parameter { name: "local dimension", .. })));
    assert!(matches!(DenseLaw::new(&[2], &[1.0]), Err(Error::Shape { field: "weights", .. })));
    assert!(matches!(DenseLaw::new(&[2], &[1.0, -0.5]), Err(Error::Negative { field: "weights", site: 1, .. })));
    assert!(matches!(DenseLaw::new(&[2], &[f64::NAN, 1.0]), Err(Error::NotFinite { field: "weights", site: 0, .. })));
    assert!(matches!(DenseLaw::new(&[2], &[0.0, 0.0]), Err(Error::ZeroWeight { .. })));
    assert!(matches!(kernel_matrix(&Kernel::identity(&[2; 12]).unwrap()), Err(Error::TooLarge { .. })));
    let law = DenseLaw::new(&[2, 2], &[1.0, 2.0, 3.0, 2.0]).unwrap();
    assert_close(law.log_z(), 8f64.ln(), 1e-15, "sum of the weights");
    assert_eq!(law.config(law.index(&[1, 0]).unwrap()), [1, 0]);
    let w = array![[1.0, -1.0], [1.0, 1.0]];
    let out = law.sample(&SiteWeights::Shared(w.view()), 1, &Streams::new(1));
    assert!(matches!(out, Err(Error::Negative { field: "site weights", site: 0, .. })));
}

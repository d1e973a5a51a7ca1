//! Laws of draws of kernel mixtures.

use ndarray::{Array1, Array2, s};
use rand::RngExt;
use tensorjump::model::KernelMixture;
use tensorjump::{Model, Streams, Target};

use crate::common::{assert_law, counts, law};
use crate::laws::{every_form, stream, tilted_law};

const DRAWS: usize = 40_000;
const PERIOD: usize = 5;

/// Under every form of weights; twins: the law without weights, and that of the next row's.
#[test]
fn draws_of_mixtures_under_every_form_of_weights() {
    for (k, dims) in [vec![2; 5], vec![2, 4, 3]].into_iter().enumerate() {
        let name = format!("mixture statistics {k}");
        let mut rng = stream(&name);
        let x = Array2::from_shape_fn((12, dims.len()), |(_, j)| rng.random_range(0..dims[j] as u8));
        let weights = Array1::from_shape_simple_fn(12, || rng.random::<f64>().powi(3));
        let table =
            |&d: &usize| Array2::from_shape_fn((d, d), |(a, b)| if a == b { 1.0 } else { 0.3 * rng.random::<f64>() });
        let tables: Vec<_> = dims.iter().map(table).collect();
        let model = KernelMixture::new(x.view(), Some(weights.view()), &tables).unwrap();
        let p = law(&model);
        for (form, w) in every_form(&dims, DRAWS, PERIOD, &mut rng).iter().enumerate() {
            let w = w.get();
            let x = model.sample(&w, DRAWS, &Streams::new(4).step(form as u64)).unwrap().x;
            if form == 0 {
                // Twin: equal weights for the components.
                let equal = KernelMixture::new(model.centres(), None, &tables).unwrap();
                assert_law(&counts(&x, &dims), &p, &law(&equal));
                continue;
            }
            for row in 0..if w.rows().is_some() { PERIOD } else { 1 } {
                let rows = if w.rows().is_some() { x.slice(s![row..;PERIOD, ..]).to_owned() } else { x.clone() };
                let exact = tilted_law(&p, model.dims(), &w, row).0;
                assert_law(&counts(&rows, &dims), &exact, &p);
                if w.rows().is_some() {
                    assert_law(&counts(&rows, &dims), &exact, &tilted_law(&p, &dims, &w, (row + 1) % PERIOD).0);
                }
            }
        }
    }
}

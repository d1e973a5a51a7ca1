use ndarray::*;
use std::time::Instant;
use tensorjump::model::*;
use tensorjump::*;
fn main() {
    let n = 100_000;
    let dims = vec![2; n];
    let streams = Streams::new(1);
    let mut rng = streams.stream(0);
    let y = Array2::from_shape_fn((3, n), |(i, j)| ((i + j * j) % 3 == 0) as u8);
    let tables = Array3::from_shape_fn((n, 2, 2), |(_, a, b)| [[0.9, 0.1], [0.3, 0.7]][a][b]);
    let w = SiteWeights::Observed { tables: tables.view(), dims_out: &dims, y: y.view() };
    let t = Instant::now();
    let positive = PositiveMps::random(&dims, 4, &mut rng).unwrap();
    println!("new {:?}", t.elapsed());
    let t = Instant::now();
    let born = BornMps::random(&dims, 3, &mut rng).unwrap();
    println!("new {:?}", t.elapsed());
    for model in [&positive as &dyn ExactModel, &born] {
        let t = Instant::now();
        let plain = model.sample(&SiteWeights::Uniform, 3, &streams).unwrap();
        println!("plain {:?}", t.elapsed());
        let t = Instant::now();
        let tilted = model.sample(&w, 3, &streams).unwrap();
        println!("tilted {:?}", t.elapsed());
        let t = Instant::now();
        let evidence = model.log_evidence(&w).unwrap();
        println!("ev {:?}", t.elapsed());
        let (score, kernel) = (model.log_prob(tilted.x.view(), &SiteWeights::Uniform).unwrap(), |i: usize| -> f64 {
            (0..n).map(|j| tables[[j, tilted.x[[i, j]].into(), y[[i, j]].into()]].ln()).sum()
        });
        for i in 0..3 {
            println!(
                "{} {} {:e}",
                plain.log_prob[i],
                tilted.log_prob[i],
                tilted.log_prob[i] - (score[i] + kernel(i) - evidence[i])
            );
        }
        // chunk comparision
    }
}

//! Laws in lanes beside those of exact tables, and lanes beside each other.

mod tests {
    use ndarray::{Array2, Array3};
    use pulp::{Simd, WithSimd};
    use rand::RngExt;

    use super::super::contract::{Contract, contract};
    use super::super::factors::{Factors, Spin, Tables};
    use super::super::numbers::WIDTH;
    use super::super::room::Room;
    use super::super::sources::{Batch, OfOdds, OfTables, Source};
    use super::super::walk::{draw, score};
    use crate::lattice::BoundaryMps;
    use crate::lattice::square::boundary::weights::Weights;
    use crate::lattice::square::couplings::Couplings;
    use crate::lattice::square::geometry::{Geometry, Square};
    use crate::lattice::square::ising::Ising;
    use crate::lattice::square::odds::Odds;
    use crate::lattice::square::pair::PairModel;
    use crate::model::{Model, SiteWeights, Target};
    use crate::rng::Streams;

    /// Bond dimension at which rows are short enough for exact tables, whatever is tested.
    const EXACT: usize = 64;

    fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
        Square::new(rows, cols, geometry).unwrap()
    }

    /// Glasses in fields, of either sign of β, and tables without any symmetry.
    fn spins(lattice: Square) -> [PairModel; 4] {
        let field = (0..lattice.sites()).map(|j| 0.1 * (j % 7) as f64 - 0.25).collect();
        let glass = Couplings::gaussian(lattice, 3).with_field(field).unwrap();
        let pairs = |c: &Couplings, beta| Ising::new(c.clone(), beta).unwrap().pair_model().unwrap();
        [
            pairs(&glass, 0.3),
            pairs(&Couplings::plus_minus(lattice, 5), 0.3),
            pairs(&Couplings::gaussian(lattice, 6), -0.4),
            tables(lattice, 2, 1),
        ]
    }

    /// Random tables.
    fn tables(lattice: Square, states: usize, seed: u64) -> PairModel {
        let mut rng = Streams::new(seed).domain("tables").stream(0);
        let sites = (0..lattice.sites()).map(|_| (0..states).map(|_| rng.random()).collect()).collect();
        let table = |_, _, _| Array2::from_shape_simple_fn((states, states), || 1.5 * rng.random::<f64>());
        PairModel::of_bonds(lattice, sites, table).unwrap()
    }

    /// Weights of some rows, each repeated `times` times.
    fn weights(rows: usize, times: usize, (sites, states): (usize, usize)) -> Array3<f64> {
        let mut rng = Streams::new(2).domain("weights").stream(0);
        let few = Array3::from_shape_simple_fn((rows, sites, states), || 0.2 + rng.random::<f64>());
        Array3::from_shape_fn((rows * times, sites, states), |(i, j, a)| few[[i / times, j, a]])
    }

    /// Largest difference of a log-probability of a draw or a score from that of exact tables.
    fn largest_error(model: &PairModel, odds: Option<&Odds>, chi: usize) -> f64 {
        let exact = BoundaryMps::new(model, EXACT).unwrap();
        let states = model.dims().iter().copied().max().unwrap();
        let w = weights(20, 3, (model.dims().len(), states));
        let w = SiteWeights::PerRow(w.view());
        let streams = Streams::new(3);
        let old = exact.sample(&w, 60, &streams.step(1)).unwrap().x;
        let runs: Vec<_> = (0..20).map(|k| 3 * k..3 * k + 3).collect();
        let tables = &Weights::new(model).unwrap();
        let score = Some(old.view());
        let (rows, left) =
            Batch { model, odds, tables, chi, weights: &w, streams: Some(&streams), score }.answer(&runs);
        assert!(left.is_empty() && rows.len() == 60);
        let mut new = old.clone();
        rows.iter().for_each(|row| new.row_mut(row.row).assign(&ndarray::aview1(&row.x)));
        let [new, old] = [new.view(), old.view()].map(|x| exact.log_prob_given(x, &w).unwrap());
        assert!(new.iter().chain(&old).all(|log| log.is_finite()));
        let errors = rows.iter().map(|r| (r.log_prob - new[r.row]).abs().max((r.score - old[r.row]).abs()));
        errors.fold(0.0, f64::max)
    }

    /// Where nothing is truncated the law is that of exact tables, to the rounding of single precision: a
    /// few 10⁻⁷ at each of 24 sites, as couplings are weak (a state is accurate relative to its largest
    /// entry); with bonds of two, or of one where couplings are weaker, it is not.
    #[test]
    fn untruncated_laws_in_single_precision() {
        for geometry in [Geometry::Open, Geometry::Cylinder] {
            for (k, (model, twin)) in spins(square(4, 6, geometry)).into_iter().zip([2, 1, 1, 1]).enumerate() {
                let odds = Odds::of(&model).unwrap();
                let (full, truncated) =
                    (largest_error(&model, Some(&odds), 8), largest_error(&model, Some(&odds), twin));
                assert!(full < 1e-5 && truncated > 1e-5, "{geometry:?}, {k}: {full:e} {truncated:e}");
            }
        }
    }

    /// The score is that of the law drawn from, truncated or not: probabilities of all configurations of
    /// 3 × 4 spins sum to one, thresholds being integers, and a draw has the score of its configuration.
    #[test]
    fn scores_are_those_of_the_law_drawn_from() {
        let old = Array2::from_shape_fn((4096, 12), |(i, j)| (i >> j & 1) as u8);
        let w = weights(1, 4096, (12, 2));
        let (w, streams) = (&SiteWeights::PerRow(w.view()), Streams::new(6));
        for geometry in [Geometry::Open, Geometry::Cylinder] {
            for model in &spins(square(3, 4, geometry)) {
                let (odds, tables) = (&Odds::of(model).unwrap(), &Weights::new(model).unwrap());
                for (odds, chi) in [Some(odds), None].into_iter().flat_map(|odds| [1, 2, 4, 8].map(|chi| (odds, chi))) {
                    let (streams, score) = (Some(&streams), Some(old.view()));
                    let (mut rows, left) = Batch { model, odds, tables, chi, weights: w, streams, score }
                        .answer(std::slice::from_ref(&(0..4096)));
                    assert!(left.is_empty());
                    rows.sort_by_key(|row| row.row);
                    let sum: f64 = rows.iter().map(|row| row.score.exp()).sum();
                    assert!((sum - 1.0).abs() < 1e-10, "{geometry:?}, χ = {chi}: {sum}");
                    for row in &rows {
                        let index: usize = row.x.iter().enumerate().map(|(j, &a)| usize::from(a) << j).sum();
                        assert_eq!(row.log_prob, rows[index].score);
                    }
                }
            }
        }
    }

    /// Untruncated laws in double precision, with more states and with zeros.
    #[test]
    fn untruncated_laws_in_double_precision() {
        for geometry in [Geometry::Open, Geometry::Cylinder] {
            let spins = spins(square(4, 6, geometry)).into_iter().zip([2, 1, 1, 1]);
            let short = square(5, 3, geometry);
            let potts = PairModel::potts(&Couplings::gaussian(short, 7), 3, 0.8).unwrap();
            let others = [
                (potts, 2),
                (tables(short, 3, 8), 2),
                (tables(short, 4, 9), 2),
                (PairModel::hard_squares(square(5, 7, geometry), 1.3).unwrap(), 2),
                (PairModel::colourings(short, 4).unwrap(), 2),
                (mixed(square(4, 3, geometry)), 2),
            ];
            for (k, (model, twin)) in spins.chain(others).enumerate() {
                let (full, truncated) = (largest_error(&model, None, 8), largest_error(&model, None, twin));
                assert!(full < 1e-11 && truncated > 1e-9, "{geometry:?}, {k}: {full:e} {truncated:e}");
            }
        }
    }

    /// Sites of two and of three states, some of them forbidden.
    fn mixed(lattice: Square) -> PairModel {
        let mut rng = Streams::new(5).domain("mixed").stream(0);
        let states = |j: usize| if j % 3 == 1 { 2 } else { 3 };
        let sites = (0..lattice.sites()).map(|j| (0..states(j)).map(|_| rng.random()).collect()).collect();
        let mut rng = Streams::new(6).domain("mixed").stream(0);
        let table = |_, i, j| {
            let mut table = Array2::from_shape_simple_fn((states(i), states(j)), || 1.5 * rng.random::<f64>());
            if i % 4 == 0 {
                table[[1, 1]] = f64::NEG_INFINITY;
            }
            table
        };
        PairModel::of_bonds(lattice, sites, table).unwrap()
    }

    /// Each lane has bonds, β and fields of its own: its score is that of its model.
    #[test]
    fn lanes_have_models_of_their_own() {
        for geometry in [Geometry::Open, Geometry::Cylinder] {
            let lattice = square(4, 7, geometry);
            let model = |i: usize| {
                let field = (0..28).map(|j| 0.05 * ((i + j) % 9) as f64 - 0.2).collect();
                let glass = Couplings::gaussian(lattice, i as u64).with_field(field).unwrap();
                Ising::new(glass, 0.1 * i as f64 - 0.7).unwrap().pair_model().unwrap()
            };
            let models: [PairModel; WIDTH] = std::array::from_fn(model);
            let one = Array3::ones((1, 28, 2));
            let w = SiteWeights::PerRow(one.view());
            let ring = geometry == Geometry::Cylinder;
            let (mut single, mut double) =
                (Room::<Spin<true>, 2, 8>::new(4, 7, ring), Room::<Tables<2>, 2, 8>::new(4, 7, ring));
            for (i, model) in models.iter().enumerate() {
                let odds = Odds::of(model).unwrap();
                let source = OfOdds::<true>::new(&odds, &w);
                let mut own = source.room::<8>();
                source.weigh(&mut own, [0; WIDTH]);
                for (site, own) in single.sites.iter_mut().zip(&own.sites) {
                    site.site.0[i] = own.site.0[i];
                    site.left.0[i] = own.left.0[i];
                    site.above.0[i] = own.above.0[i];
                }
                let tables = &Weights::new(model).unwrap();
                let batch = Batch { model, odds: None, tables, chi: 8, weights: &w, streams: None, score: None };
                let source = OfTables::<2>::new(&batch);
                let mut own = source.room::<8>();
                source.weigh(&mut own, [0; WIDTH]);
                for (site, own) in double.sites.iter_mut().zip(&own.sites) {
                    (0..2).for_each(|a| site.site[a].0[i] = own.site[a].0[i]);
                    (0..4).for_each(|k| site.left[k / 2][k % 2].0[i] = own.left[k / 2][k % 2].0[i]);
                    (0..4).for_each(|k| site.above[k / 2][k % 2].0[i] = own.above[k / 2][k % 2].0[i]);
                }
            }
            let mut rng = Streams::new(8).stream(0);
            let old = Array2::from_shape_simple_fn((WIDTH, 28), || u8::from(rng.random::<bool>()));
            for j in 0..28 {
                single.old[j].0 = std::array::from_fn(|i| old[[i, j]].into());
                double.old[j].0 = std::array::from_fn(|i| old[[i, j]].into());
            }
            contract(&mut single);
            contract(&mut double);
            let (single, double) = (score(&mut single), score(&mut double));
            for (i, model) in models.iter().enumerate() {
                let exact = BoundaryMps::new(model, EXACT).unwrap();
                // Under weights with rows tables are asked.
                let log = exact.log_prob_given(old.slice(ndarray::s![i..i + 1, ..]), &w).unwrap()[0];
                assert!((single[i] - log).abs() < 1e-4, "{geometry:?}, lane {i}: {} {log}", single[i]);
                assert!((double[i] - log).abs() < 1e-11, "{geometry:?}, lane {i}: {:e}", double[i] - log);
            }
        }
    }

    /// Odds of a lattice in every lane, with fields of its own.
    fn room<const X: usize>() -> Room<Spin<false>, 2, X> {
        let odds = Odds::of(&spins(square(5, 6, Geometry::Open))[0]).unwrap();
        let none = Array3::ones((1, 30, 2));
        let weights = SiteWeights::PerRow(none.view());
        let mut room = OfOdds::<false>::new(&odds, &weights).room::<X>();
        let mut rng = Streams::new(4).stream(0);
        for j in 0..30 {
            room.sites[j].site.0 = std::array::from_fn(|_| odds.sites[j] * (0.5 + rng.random::<f32>()));
            room.old[j].0 = std::array::from_fn(|_| u32::from(rng.random::<bool>()));
        }
        room
    }

    /// The same as tables.
    fn double<const X: usize>() -> Room<Tables<2>, 2, X> {
        let single = room::<X>();
        let mut room = Room::<Tables<2>, 2, X>::new(5, 6, false);
        for (j, (site, odds)) in room.sites.iter_mut().zip(&single.sites).enumerate() {
            site.site[1].0 = odds.site.0.map(f64::from);
            for a in 0..2 {
                site.left[a][1 - a].0 = odds.left.0.map(f64::from);
                site.above[a][1 - a].0 = odds.above.0.map(f64::from);
            }
            room.old[j].0 = single.old[j].0.map(u64::from);
        }
        room
    }

    fn answers<M: Factors<Q>, const Q: usize, const X: usize>(
        room: &mut Room<M, Q, X>,
    ) -> ([f64; WIDTH], [f64; WIDTH]) {
        (draw(room, |i| Streams::new(5).stream(i)), score(room))
    }

    /// A lane that is not finite is found, in whatever column and in every row below the first, which is not
    /// contracted; no other lane sees it.
    #[test]
    fn lost_lanes_are_found() {
        let mut whole = room::<4>();
        contract(&mut whole);
        assert_eq!(whole.lost, [false; WIDTH]);
        let all = answers(&mut whole);
        for (site, odds) in [(29, f32::NAN), (24, f32::NAN), (14, f32::INFINITY), (9, f32::NAN), (18, f32::INFINITY)] {
            let mut room = room::<4>();
            room.sites[site].site.0[3] = odds;
            contract(&mut room);
            assert_eq!(room.lost, std::array::from_fn(|i| i == 3), "{site}, {odds}");
            let (new, old) = answers(&mut room);
            (0..WIDTH).filter(|&i| i != 3).for_each(|i| assert_eq!((new[i], old[i]), (all.0[i], all.1[i])));
            let mut room = double::<4>();
            room.sites[site].site[1].0[3] = odds.into();
            contract(&mut room);
            assert_eq!(room.lost, std::array::from_fn(|i| i == 3), "{site}, {odds}");
        }
    }

    /// All instruction sets round alike: fused multiply-adds in the same order.
    #[test]
    fn laws_do_not_depend_on_the_instruction_set() {
        alike(room::<4>);
        alike(double::<4>);
    }

    fn alike<M: Factors<Q>, const Q: usize, const X: usize>(room: fn() -> Room<M, Q, X>) {
        let mut best = room();
        contract(&mut best);
        let best = answers(&mut best);
        let mut scalar = room();
        Contract(&mut scalar).with_simd(pulp::Scalar::new());
        assert_eq!(answers(&mut scalar), best);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            let mut wide = room();
            Simd::vectorize(simd, Contract(&mut wide));
            assert_eq!(answers(&mut wide), best);
        }
    }
}

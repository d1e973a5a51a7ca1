//! Generator, sectors, spectrum, and the bookkeeping of rejection-free trajectories.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};
use tensorjump::lattice::{Fredkin, FredkinProcess};
use tensorjump::tn::Mpo;
use tensorjump::{Streams, Target};

use super::super::common::{all_configs, index_of};

/// The generator by its rates, sites counted from one as in the definition.
pub fn dense_generator(sites: usize, c: f64) -> Array2<f64> {
    let dims = vec![2; sites];
    let x = all_configs(&dims);
    let mut w = Array2::zeros((x.nrows(), x.nrows()));
    for (from, row) in x.outer_iter().enumerate() {
        let n = |j: usize| f64::from(row[j - 1]);
        for j in 1..sites {
            let left = if j >= 2 { n(j - 1) } else { 0.0 };
            let right = if j + 2 <= sites { 1.0 - n(j + 2) } else { 0.0 };
            let rate = (left + right) * (c * (1.0 - n(j)) * n(j + 1) + (1.0 - c) * n(j) * (1.0 - n(j + 1)));
            let mut to = row.to_vec();
            to.swap(j - 1, j);
            let to = index_of(&to, &dims);
            if to != from {
                w[[from, to]] += rate;
                w[[from, from]] -= rate;
            }
        }
    }
    w
}

/// Contracts an operator to a matrix: `rows[x][y]` grows by one site at a time.
fn contract(mpo: &Mpo) -> Array2<f64> {
    let mut size = 1;
    // One array of shape (size, size) a bond state.
    let mut parts = vec![Array2::from_elem((1, 1), mpo.log_scale().exp())];
    for w in mpo.tensors() {
        let (_, d_in, d_out, right) = w.dim();
        let mut next = vec![Array2::zeros((size * d_in, size * d_out)); right];
        for ((l, a, b, r), &value) in w.indexed_iter().filter(|(_, v)| **v != 0.0) {
            let mut block = next[r].slice_mut(ndarray::s![a..;d_in, b..;d_out]);
            block.scaled_add(value, &parts[l]);
        }
        size *= d_in;
        parts = next;
    }
    parts.swap_remove(0)
}

#[test]
fn generator_equals_the_dense_one() {
    for sites in [2, 4, 6, 8, 10] {
        let generator = Fredkin::new(sites, 0.3).unwrap().generator().unwrap();
        let (got, expected) = (contract(&generator), dense_generator(sites, 0.3));
        let error = (&got - &expected).iter().fold(0.0f64, |m, e| m.max(e.abs()));
        assert!(error < 1e-13, "N = {sites}: off by {error:e}");
        assert!(generator.max_bond() <= 16, "bond {}", generator.max_bond());
        // The twin with c and 1 − c exchanged is another matrix.
        assert!(sites == 2 || (&got - &dense_generator(sites, 0.7)).iter().any(|e| e.abs() > 0.1));
    }
}

#[test]
fn local_terms_conserve_probability() {
    for term in Fredkin::new(8, 0.2).unwrap().local_terms() {
        assert!(term.matrix.sum_axis(Axis(1)).iter().all(|s| s.abs() < 1e-15));
        let width = term.matrix.nrows().trailing_zeros() as usize;
        assert!(term.first + width <= 8 && width <= 4);
    }
}

/// Components of the transition graph are the sectors, and `q^{Σh/2}` is stationary in each, in detailed
/// balance.
#[test]
fn stationary_law_of_every_sector() {
    let (sites, c) = (8, 0.35);
    let chain = Fredkin::new(sites, c).unwrap();
    let (x, w) = (all_configs(chain.dims()), dense_generator(sites, c));
    let mpo = contract(&chain.generator().unwrap());
    let (sectors, area) = (chain.sectors(x.view()).unwrap(), chain.area(x.view()).unwrap());
    let mut seen = vec![false; x.nrows()];
    let mut found = std::collections::BTreeSet::new();
    for start in 0..x.nrows() {
        if seen[start] {
            continue;
        }
        assert!(found.insert(sectors[start]), "the sector {:?} falls apart", sectors[start]);
        let (mut component, mut next) = (vec![start], 0);
        seen[start] = true;
        while let Some(&from) = component.get(next) {
            for to in (0..x.nrows()).filter(|&to| to != from && w[[from, to]] > 0.0) {
                assert_eq!(sectors[to], sectors[from]);
                if !std::mem::replace(&mut seen[to], true) {
                    component.push(to);
                }
            }
            next += 1;
        }
        let log_q = chain.log_q();
        let mut pi = Array1::zeros(x.nrows());
        component.iter().for_each(|&i| pi[i] = (area[i] as f64 / 2.0 * log_q).exp());
        pi /= pi.sum();
        assert!(pi.dot(&mpo).iter().all(|flow| flow.abs() < 1e-14), "not stationary in {:?}", sectors[start]);
        for &i in &component {
            component.iter().for_each(|&j| assert!((pi[i] * mpo[[i, j]] - pi[j] * mpo[[j, i]]).abs() < 1e-15));
        }
        let (a, b) = sectors[start];
        assert_eq!(component.len(), chain.enumerate_sector(a, b).unwrap().nrows());
    }
    assert_eq!(found.len(), (0..=sites).step_by(2).map(|m| m + 1).sum::<usize>());
}

#[test]
fn spectral_gaps_of_the_dyck_sector() {
    let reference =
        [(8, [0.46433175, 0.24225810, 0.21160881], 5e-9), (10, [0.3326449957, 0.1218319272, 0.1078103652], 5e-11)];
    for (sites, gaps, half_digit) in reference {
        for (c, gap) in [0.3, 0.5, 0.7].into_iter().zip(gaps) {
            let chain = Fredkin::new(sites, c).unwrap();
            let x = chain.enumerate_sector(0, 0).unwrap();
            let index: Vec<usize> = x.outer_iter().map(|row| index_of(row, chain.dims())).collect();
            let w = contract(&chain.generator().unwrap());
            // √π_i W_ij / √π_j is symmetric, = √(W_ij W_ji) off the diagonal.
            let symmetric = DMatrix::from_fn(index.len(), index.len(), |i, j| {
                if i == j {
                    w[[index[i], index[i]]]
                } else {
                    (w[[index[i], index[j]]] * w[[index[j], index[i]]]).sqrt()
                }
            });
            let mut spectrum = SymmetricEigen::new(symmetric).eigenvalues.as_slice().to_vec();
            spectrum.sort_by(|a, b| b.total_cmp(a));
            assert!(spectrum[0].abs() < 1e-13);
            assert!((-spectrum[1] - gap).abs() <= half_digit, "N={sites}, c={c}: {} instead of {gap}", -spectrum[1]);
        }
    }
}

/// The escape rate from the lists of movable bonds is the diagonal of the generator, at every step of a
/// trajectory.
#[test]
fn lists_of_movable_bonds_stay_right() {
    let (sites, c) = (8, 0.3);
    let chain = Fredkin::new(sites, c).unwrap();
    let w = dense_generator(sites, c);
    let mut total = 0;
    for (row, x) in all_configs(chain.dims()).outer_iter().enumerate() {
        let mut process = FredkinProcess::new(&chain, x.as_slice().unwrap()).unwrap();
        let mut rng = Streams::new(4).stream(row);
        let sector = chain.sectors(x.insert_axis(Axis(0))).unwrap();
        let mut events = 0;
        for _ in 0..20 {
            let here = index_of(process.state(), chain.dims());
            assert!((process.escape_rate() + w[[here, here]]).abs() < 1e-13);
            events += process.advance(0.3, &mut rng).unwrap();
        }
        assert!((process.time() - 6.0).abs() < 1e-12);
        assert!(events == 0 || w[[row, row]] < 0.0);
        total += events;
        let end = Array1::from(process.state().to_vec()).insert_axis(Axis(0));
        assert_eq!(chain.sectors(end.view()).unwrap(), sector);
    }
    assert!(total > 1000, "{total} events");
}

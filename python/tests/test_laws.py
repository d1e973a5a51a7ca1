"""Laws and log-probabilities against enumeration by NumPy."""

import pickle

import numpy as np
import pytest
import tensorjump as tj

from helpers import (
    all_x, amplitudes, chi_square_p, index, ising_weights, kernel_matrix, kernel_tables, normalised, random_tensors,
)

FALSE_ALARM = 1e-6  # of each test of draws
CHAINS = [([2, 2, 2], [3, 2, 1]), ([3, 2, 4], [2, 5, 1]), ([2], [1]), ([1, 3, 2], [1, 3, 1]), ([2] * 6, [2, 4, 5, 3, 2, 1])]


def agrees(model, p, dims):
    """All log-probabilities to 1e-12, and draws by chi-square with a wrong twin that must fail."""
    x = all_x(dims)
    log_prob = model.log_prob(x)
    np.testing.assert_allclose(np.exp(log_prob), p, rtol=1e-11, atol=1e-14)
    drawn, q = model.sample(20_000, rng=7)
    np.testing.assert_array_equal(q, model.log_prob(drawn))
    counts = np.bincount(index(drawn, dims), minlength=len(x))
    assert chi_square_p(counts, p) > FALSE_ALARM
    if len(p) > 2 and p.std() > 1e-3:
        assert chi_square_p(counts, p[::-1]) < FALSE_ALARM or np.allclose(p, p[::-1])


@pytest.mark.parametrize("case", range(len(CHAINS)))
def test_positive(case):
    dims, bonds = CHAINS[case]
    tensors = random_tensors(np.random.default_rng(case), dims, bonds, positive=True)
    w = amplitudes(tensors, all_x(dims))[:, 0].real
    model = tj.PositiveMps(tensors)
    agrees(model, normalised(w), dims)
    assert abs(model.log_z - np.log(w.sum())) < 1e-12
    again = amplitudes(model.tensors, all_x(dims))[:, 0].real
    np.testing.assert_allclose(again, normalised(w), rtol=1e-12)


@pytest.mark.parametrize("cplx", [False, True])
@pytest.mark.parametrize("last", [1, 3])
@pytest.mark.parametrize("case", range(len(CHAINS)))
def test_born(case, last, cplx):
    dims, bonds = CHAINS[case]
    tensors = random_tensors(np.random.default_rng(10 + case), dims, [*bonds[:-1], last], cplx=cplx)
    w = (abs(amplitudes(tensors, all_x(dims))) ** 2).sum(1)
    model = tj.BornMps(tensors)
    agrees(model, normalised(w), dims)
    assert abs(model.log_z - np.log(w.sum())) < 1e-10


def test_born_forgets_no_phase():
    """The wrong twin of complex states: the real parts alone."""
    tensors = random_tensors(np.random.default_rng(3), [2] * 5, [2, 3, 3, 2, 1], cplx=True)
    x = all_x([2] * 5)
    p = normalised(abs(amplitudes(tensors, x)[:, 0]) ** 2)
    assert abs(np.exp(tj.BornMps([a.real for a in tensors]).log_prob(x)) - p).max() > 1e-2


def test_born_marginal():
    tensors = random_tensors(np.random.default_rng(4), [2, 3, 2, 2], [2, 4, 2, 1])
    w = amplitudes(tensors, all_x([2, 3, 2, 2]))[:, 0].real ** 2
    agrees(tj.BornMps.marginal(tensors, 2), normalised(w.reshape(6, 4).sum(1)), [2, 3])


@pytest.mark.parametrize("ring", [False, True])
def test_ising_chain(ring):
    n, rng = 7, np.random.default_rng(5)
    j, h = rng.standard_normal(n if ring else n - 1), rng.standard_normal(n)
    s = 2.0 * all_x([2] * n) - 1
    pairs = (s * np.roll(s, -1, 1))[:, : len(j)] @ j
    w = np.exp(0.7 * (pairs + s @ h))
    agrees(tj.PositiveMps.ising(0.7, j, h, ring=ring), normalised(w), [2] * n)


def test_ising_chains_of_one_number():
    a = tj.PositiveMps.ising(0.5, 1.0, 0.2, sites=6, ring=True)
    b = tj.PositiveMps.ising(0.5, np.ones(6), 0.2 * np.ones(6), ring=True)
    c = tj.PositiveMps.ising(0.5, np.ones(5), 0.2)
    d = tj.PositiveMps.ising(0.5, 1.0, 0.2 * np.ones(6))
    x = all_x([2] * 6)
    np.testing.assert_array_equal(a.log_prob(x), b.log_prob(x))
    np.testing.assert_array_equal(c.log_prob(x), d.log_prob(x))
    for wrong in (lambda: tj.PositiveMps.ising(0.5, 1.0, 0.2), lambda: tj.PositiveMps.ising(0.5, np.ones(7), np.ones(6))):
        with pytest.raises(tj.TensorJumpError):
            wrong()


def test_product_and_table():
    rng = np.random.default_rng(6)
    factors = [rng.random(d) for d in (2, 3, 2)]
    w = np.einsum("a,b,c->abc", *factors).ravel()
    agrees(tj.PositiveMps.product([list(f) for f in factors]), normalised(w), [2, 3, 2])
    table = rng.random(12) * (rng.random(12) > 0.3)
    agrees(tj.PositiveMps.from_table([2, 3, 2], table), normalised(table), [2, 3, 2])
    agrees(tj.DenseLaw([2, 3, 2], table), normalised(table), [2, 3, 2])


def test_mixture():
    rng, dims = np.random.default_rng(8), [2, 3, 2]
    tables = kernel_tables(rng, dims)
    centres = np.stack([rng.integers(0, d, 5) for d in dims], axis=1)
    weights = rng.random(5)
    x = all_x(dims)
    parts = [np.prod([t[c[j], x[:, j]] for j, t in enumerate(tables)], axis=0) for c in centres]
    p = normalised(weights @ np.array(parts))
    agrees(tj.KernelMixture(centres, tables, weights=weights), p, dims)
    agrees(tj.KernelMixture(centres, tj.Kernel(tables), weights=weights).to_positive(), p, dims)


@pytest.mark.parametrize("kind", ["positive", "born"])
def test_tilts_and_evidence(kind):
    rng, dims = np.random.default_rng(9), [2, 3, 2, 2]
    positive = kind == "positive"
    tensors = random_tensors(rng, dims, [2, 4, 3, 1], positive=positive)
    model = (tj.PositiveMps if positive else tj.BornMps)(tensors)
    x = all_x(dims)
    p = np.exp(model.log_prob(x))
    w = rng.random((3, len(dims), 3))
    tilt = np.prod(w[:, np.arange(len(dims)), x], axis=2)  # (3, configurations)
    np.testing.assert_allclose(model.log_evidence(w), np.log(tilt @ p), rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.log_evidence(w[0]), np.log(tilt[:1] @ p), rtol=0, atol=1e-12)
    agrees(model.tilted(w[1]), normalised(tilt[1] * p), dims)
    for k in range(3):
        q = normalised(tilt[k] * p)
        shared = model.log_prob(x, weights=w[k])
        np.testing.assert_allclose(np.exp(shared), q, rtol=1e-11, atol=1e-14)
    drawn = model.sample(3, rng=1, weights=w)
    per_row = model.log_prob(drawn.x, weights=w)
    np.testing.assert_array_equal(drawn.log_prob, per_row)
    cavities = model.cavities(w)
    for k in range(3):
        for j, d in enumerate(dims):
            without = np.prod(np.delete(w[k][np.arange(len(dims)), x], j, axis=1), axis=1) * p
            law = normalised(np.array([without[x[:, j] == a].sum() for a in range(d)]))
            np.testing.assert_allclose(cavities[k, j, :d], law, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["positive", "born", "fredkin"])
def test_denoising(kind):
    rng = np.random.default_rng(12)
    dims = [2] * 6 if kind == "fredkin" else [2, 3, 2]
    if kind == "fredkin":
        model = tj.FredkinModel(tj.Fredkin(6, c=0.4))
    else:
        tensors = random_tensors(rng, dims, [2, 3, 1], positive=kind == "positive")
        model = (tj.PositiveMps if kind == "positive" else tj.BornMps)(tensors)
    tables = kernel_tables(rng, dims)
    kernel, matrix, x = tj.Kernel(tables), kernel_matrix(tables), all_x(dims)
    with np.errstate(divide="ignore"):
        p = np.exp(model.log_prob(x))
    noised = p @ matrix
    np.testing.assert_allclose(np.exp(model.noised_log_prob(kernel, x)), noised, rtol=0, atol=1e-12)
    wrong = p @ matrix.T
    assert abs(normalised(wrong) - noised).max() > 1e-3  # a transposed kernel is another law
    y = x[rng.choice(len(x), 4, p=noised)]
    for row in y:
        posterior = normalised(p * matrix[:, index(row[None], dims)[0]])
        got = model.denoise_log_prob(kernel, x, np.repeat(row[None], len(x), axis=0))
        np.testing.assert_allclose(np.exp(got), posterior, rtol=0, atol=1e-12)
    row = np.repeat(y[:1], 20_000, axis=0)
    drawn, log_prob = model.denoise(kernel, row, rng=3)
    posterior = normalised(p * matrix[:, index(y[:1], dims)[0]])
    assert chi_square_p(np.bincount(index(drawn, dims), minlength=len(x)), posterior) > FALSE_ALARM
    np.testing.assert_allclose(log_prob, np.log(posterior[index(drawn, dims)]), rtol=0, atol=1e-11)
    ratios = model.score_ratios(kernel, y)
    marginals = model.denoiser_marginals(kernel, y)
    for i, row in enumerate(y):
        at = noised[index(row[None], dims)[0]]
        posterior = normalised(p * matrix[:, index(row[None], dims)[0]])
        for j, d in enumerate(dims):
            for b in range(d):
                other = row.copy()
                other[j] = b
                assert abs(ratios[i, j, b] - noised[index(other[None], dims)[0]] / at) < 1e-10
                assert abs(marginals[i, j, b] - posterior[x[:, j] == b].sum()) < 1e-12


def test_noise_is_the_exponential_of_its_rates():
    rng = np.random.default_rng(13)
    q = rng.random((3, 3))
    np.fill_diagonal(q, 0)
    np.fill_diagonal(q, -q.sum(1))
    noise = tj.Noise([q, q[:2, :2] - np.diag(q[:2, :2].sum(1))], schedule=tj.Schedule.linear(0.5, 2.0, 3.0))
    s, t = 0.4, 1.7
    elapsed = 0.5 * (t - s) + 0.25 * (t**2 - s**2)
    values, vectors = np.linalg.eig(q * elapsed)
    exact = (vectors @ np.diag(np.exp(values)) @ np.linalg.inv(vectors)).real
    tables = noise.kernel(t, s=s).tables
    np.testing.assert_allclose(tables[0], exact, rtol=0, atol=1e-12)
    both = noise.kernel(0.4).then(noise.kernel(1.7, s=0.4))
    np.testing.assert_allclose(both.tables, noise.kernel(1.7).tables, rtol=0, atol=1e-12)
    mask = tj.Noise.mask([2, 3], rate=0.8).kernel(1.0)
    np.testing.assert_allclose(mask.tables[1][:3, :4], np.hstack([np.eye(3) * np.exp(-0.8), np.full((3, 1), 1 - np.exp(-0.8))]),
                               rtol=0, atol=1e-14)


def test_kernel_draws():
    rng, dims = np.random.default_rng(14), [3, 2]
    tables = kernel_tables(rng, dims)
    kernel, x = tj.Kernel(tables), np.array([[2, 1]] * 20_000)
    y = kernel.sample(x, rng=4)
    p = np.outer(tables[0][2], tables[1][1]).ravel()
    assert chi_square_p(np.bincount(index(y, dims), minlength=6), p) > FALSE_ALARM
    transposed = normalised(np.outer(tables[0][:, 2], tables[1][:, 1]).ravel())
    assert chi_square_p(np.bincount(index(y, dims), minlength=6), transposed) < FALSE_ALARM
    np.testing.assert_allclose(kernel.log_prob(x[:100], y[:100]), np.log(p[index(y[:100], dims)]), rtol=0, atol=1e-12)


def test_noise_paths_end_like_the_kernel():
    noise = tj.Noise.flips(2, up=0.3, down=1.1)
    paths = noise.paths(np.array([[0, 1]] * 20_000), 0.9, rng=5)
    ends = np.array([last for _, last in paths])
    k = noise.kernel(0.9).tables
    p = np.outer(k[0][0], k[1][1]).ravel()
    assert chi_square_p(np.bincount(index(ends, [2, 2]), minlength=4), p) > FALSE_ALARM
    jumps, last = paths[0]
    assert all(0 <= time <= 0.9 and site < 2 and state < 2 for time, site, state in jumps)


def test_constraints_and_labels():
    dims = [2] * 6
    model = tj.PositiveMps.ising(0.4, np.ones(5), 0.2 * np.ones(6))
    x = all_x(dims)
    p = np.exp(model.log_prob(x))
    two_up = tj.Automaton.sum([[0, 1]] * 6, 2, 2)
    q = normalised(p * (x.sum(1) == 2))
    agrees_with_zeros(model.constrained(two_up), q, x)
    no_neighbours = tj.Automaton(dims, 0, lambda site, state, a: None if state and a else a, lambda state: True)
    r = normalised(p * ((x[:, 1:] & x[:, :-1]).sum(1) == 0) * (x.sum(1) == 2))
    agrees_with_zeros(model.constrained(two_up & no_neighbours), r, x)
    weighted = tj.Automaton(dims, "start", lambda site, state, a: ("on", 1.0 + a), lambda state: 2.0)
    agrees_with_zeros(model.constrained(weighted), normalised(p * 2.0 ** x.sum(1)), x)
    with pytest.raises(ZeroDivisionError):
        tj.Automaton(dims, 0, lambda site, state, a: 1 // (site - 3), lambda state: True)
    with pytest.raises(tj.ZeroEvidenceError):
        tj.Automaton.sum([[0, 1]] * 6, 7, 9)
    labelled = tj.Labelled.by_sum(model, [[0, 1]] * 6, [(0, 2), (3, 6)])
    low = x.sum(1) <= 2
    np.testing.assert_allclose(labelled.posterior()[0], [p[low].sum(), p[~low].sum()], rtol=0, atol=1e-12)
    drawn = labelled.sample(500, rng=1, label=1)
    assert (drawn.x.sum(1) >= 3).all()
    np.testing.assert_allclose(drawn.log_prob, np.log(p[index(drawn.x, dims)] / p[~low].sum()), rtol=0, atol=1e-11)
    pins = tj.pinned(dims, {0: 1, 5: 0})
    pinned = model.sample(400, rng=2, weights=pins).x
    assert (pinned[:, 0] == 1).all() and (pinned[:, 5] == 0).all()


def agrees_with_zeros(model, p, x):
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(np.exp(model.log_prob(x)), p, rtol=0, atol=1e-12)
    drawn = model.sample(2000, rng=1)
    assert (p[index(drawn.x, [2] * x.shape[1])] > 0).all()


def test_permuted():
    model = tj.PositiveMps.ising(0.4, [1.0, 0.3, -0.5], [0.1, 0.2, 0.3, 0.4])
    order = [2, 0, 3, 1]
    other = tj.Permuted(model, order)
    x = all_x([2] * 4)
    # Site k of the model is site order[k] of the permuted law.
    np.testing.assert_array_equal(other.log_prob(x), model.log_prob(x[:, order]))
    assert abs(other.log_prob(x[:, order]) - model.log_prob(x)).max() > 1e-3  # the other way round is another law


@pytest.mark.parametrize("geometry", ["open", "cylinder", "torus"])
def test_ising_lattices(geometry):
    rng = np.random.default_rng(15)
    rows, cols = 3, 4
    wc, wr = geometry != "open", geometry == "torus"
    h = rng.standard_normal((rows, cols if wc else cols - 1))
    v = rng.standard_normal((rows if wr else rows - 1, cols))
    field = rng.standard_normal((rows, cols))
    ising = tj.Ising(rows, cols, 0.6, couplings=(h, v), geometry=geometry, field=field)
    x, w = ising_weights(rows, cols, 0.6, h, v, field, wc, wr)
    np.testing.assert_allclose(ising.log_weight(x), np.log(w), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ising.pair_model().log_weight(x), np.log(w), rtol=0, atol=1e-12)
    np.testing.assert_allclose(-0.6 * (ising.energy(x) + ising.field_energy(x)), np.log(w), rtol=0, atol=1e-12)
    p = normalised(w)
    models = [tj.BoundaryMps(ising, chi=64)] if geometry == "torus" else [
        tj.BoundaryMps(ising, chi=16), tj.SnakeMps(ising, chi=64)
    ]
    for model in models:
        atol = 1e-5 if isinstance(model, tj.BoundaryMps) else 1e-12  # boundary states are single precision
        np.testing.assert_allclose(model.log_prob(x), np.log(p), rtol=0, atol=atol)
        assert abs(model.log_z - np.log(w.sum())) < 1e-8
        drawn = model.sample(20_000, rng=2)
        counts = np.bincount(index(drawn.x, [2] * 12), minlength=len(p))
        assert chi_square_p(counts, p) > FALSE_ALARM
    assert abs(ising.log_z() - np.log(w.sum())) < 1e-6
    assert abs(tj.contract(ising)["log_z"] - np.log(w.sum())) < 1e-6
    law = tj.DenseLaw.of(ising)
    np.testing.assert_allclose(law.p, p, rtol=1e-11)
    assert abs(law.log_z - np.log(w.sum())) < 1e-11


def test_free_fermions():
    rng = np.random.default_rng(16)
    h, v = rng.standard_normal((3, 3)), rng.standard_normal((2, 4))
    h = np.hstack([h, rng.standard_normal((3, 1))])
    ising = tj.Ising(3, 4, 0.5, couplings=(h, v), geometry="cylinder")
    x, w = ising_weights(3, 4, 0.5, h, v, np.zeros((3, 4)), True)
    p, e = normalised(w), -np.log(w) / 0.5
    exact = ising.free_fermions()
    assert abs(exact["log_z"] - np.log(w.sum())) < 1e-11
    assert abs(exact["energy_per_site"] - p @ e / 12) < 1e-11
    assert abs(exact["specific_heat"] - 0.25 * (p @ e**2 - (p @ e) ** 2) / 12) < 1e-9


def test_pair_models():
    rng = np.random.default_rng(17)
    sites, h, v = rng.standard_normal(3), rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    model = tj.PairModel(2, 3, sites, h, v)
    x = all_x([3] * 6)
    g = x.reshape(-1, 2, 3)
    w = sites[x].sum(1) + sum(h[g[:, r, c], g[:, r, c + 1]] for r in range(2) for c in range(2))
    w = w + sum(v[g[:, 0, c], g[:, 1, c]] for c in range(3))
    np.testing.assert_allclose(model.log_weight(x), w, rtol=0, atol=1e-12)
    p = normalised(np.exp(w))
    np.testing.assert_allclose(np.exp(tj.SnakeMps(model, chi=128).log_prob(x)), p, rtol=1e-10, atol=1e-14)
    potts = tj.PairModel.potts(2, 3, 3, 0.8)
    equal = sum((g[:, r, c] == g[:, r, c + 1]).astype(float) for r in range(2) for c in range(2))
    equal = equal + sum((g[:, 0, c] == g[:, 1, c]).astype(float) for c in range(3))
    np.testing.assert_allclose(potts.log_weight(x), 0.8 * equal, rtol=0, atol=1e-12)
    hard = tj.PairModel.hard_squares(2, 3, 1.7)
    drawn = tj.BoundaryMps(hard, chi=8).sample(2000, rng=1).x.reshape(-1, 2, 3)
    assert not (drawn[:, :, 1:] & drawn[:, :, :-1]).any() and not (drawn[:, 1] & drawn[:, 0]).any()


def test_solvable_models():
    board = tj.PairModel.dimers(8, 8)
    assert abs(np.exp(board.log_z()) - 12_988_816) < 1
    holed = np.ones((3, 3), bool)
    holed[1, 1] = False
    assert abs(np.exp(tj.PairModel.dimers(3, 3, inside=holed).log_z()) - 2) < 1e-6
    assert abs(np.exp(tj.PairModel.colourings(3, 3, 3).masked(holed).log_z()) - 258) < 1e-6
    diamond = tj.PairModel.aztec_diamond(4, weights=[1, 2])
    assert abs(diamond.log_z() - 10 * np.log(5)) < 1e-6
    law = tj.BoundaryMps(diamond.balanced(), chi=16)
    drawn = law.sample(2000, rng=1)
    assert abs(tj.Importance(diamond, drawn).log_z - 10 * np.log(5)) < 0.01
    assert np.isfinite(diamond.log_weight(drawn.x)).all()
    for order, matrices in zip(range(1, 7), [1, 2, 7, 42, 429, 7436]):
        assert abs(np.exp(tj.PairModel.domain_walls(order).log_z()) / matrices - 1) < 1e-8
    # An open edge lets arrows point where they will: one site has all states.
    assert abs(np.exp(tj.PairModel.six_vertex(1, 1, weights=[1, 2, 3]).log_z()) - 12) < 1e-9
    assert abs(np.exp(tj.PairModel.eight_vertex(1, 1, weights=[1, 2, 3, 4]).log_z()) - 20) < 1e-9
    hexagons = tj.PairModel.hard_hexagons(2, 2, 1.0)
    assert abs(np.exp(hexagons.log_z()) - 6) < 1e-9
    # Without the four-spin coupling two Ising models, without spin 0 one.
    ising = tj.Ising(3, 3, 0.4)
    two = tj.PairModel.ashkin_teller(3, 3, 0.4, 0.0).log_z()
    assert abs(two - 2 * tj.contract(ising)["log_z"]) < 1e-6
    spins = tj.PairModel.blume_capel(3, 3, 0.4, -100.0).log_z()
    assert abs(spins - 9 * 0.4 * 100 - tj.contract(ising)["log_z"]) < 1e-6
    with pytest.raises(tj.ParameterError):
        tj.PairModel.dimers(3, 3)
    with pytest.raises(tj.ShapeError):
        tj.PairModel.dimers(3, 3, inside=np.ones((2, 3), bool))



def test_named_lattices():
    bonds = {"triangular": 48, "honeycomb": 24, "kagome": 24, "kings": 64, "union_jack": 48, "j1_j2": 64}
    degrees = {"triangular": {6}, "honeycomb": {3}, "kagome": {0, 4}, "kings": {8}, "union_jack": {4, 8}, "j1_j2": {8}}
    up = np.ones((1, 16), np.uint8)
    flipped = up.repeat(16, axis=0) - np.eye(16, dtype=np.uint8)
    for kind, number in bonds.items():
        ising = tj.Ising.lattice(kind, 4, 4, 0.3, geometry="torus")
        assert ising.energy(up) == [-number], kind
        degree = (ising.energy(flipped) + number) / 2
        assert set(degree) == degrees[kind], kind
        again = pickle.loads(pickle.dumps(ising))
        np.testing.assert_array_equal(again.energy(flipped), ising.energy(flipped))
    two = tj.Ising.lattice("j1_j2", 4, 4, 0.3, coupling=(1.0, -0.25), geometry="torus")
    assert two.energy(up) == [-24.0]
    with pytest.raises(tj.ParameterError, match="kind"):
        tj.Ising.lattice("diamond", 4, 4, 0.3)
    with pytest.raises(tj.ParameterError, match="rows"):
        tj.Ising.lattice("kagome", 5, 4, 0.3, geometry="torus")
    with pytest.raises(TypeError):
        tj.Ising.lattice("j1_j2", 4, 4, 0.3, coupling=1.0)


def test_fredkin():
    chain = tj.Fredkin(8, c=0.3)
    model, x = tj.FredkinModel(chain), all_x([2] * 8)
    h = np.cumsum(2 * x.astype(int) - 1, axis=1)
    dyck = (h.min(1) >= 0) & (h[:, -1] == 0)
    allowed = x[dyck]
    with np.errstate(divide="ignore"):
        p = np.exp(model.log_prob(x))
    assert abs(p[dyck].sum() - 1) < 1e-12 and p[~dyck].max() == 0
    np.testing.assert_allclose(np.exp(chain.log_weight(allowed)) / np.exp(chain.log_weight(allowed)).sum(), p[dyck], rtol=1e-11)
    area = chain.area(allowed)
    exact = chain.equilibrium()
    assert abs(exact["area_mean"] - p[dyck] @ area) < 1e-11
    assert abs(exact["log_z"] - model.log_z) < 1e-10
    np.testing.assert_array_equal(chain.heights(allowed)[:, -8:], h[dyck])
    truncated = tj.FredkinModel(chain, chi=2)
    assert 0 < truncated.missing_mass < 1


@pytest.mark.parametrize("geometry", ["open", "cylinder", "torus"])
@pytest.mark.parametrize("which", [(True, False), (False, True), (True, True)])
def test_diagonals(geometry, which):
    rng = np.random.default_rng(3)
    rows, cols = 3, 3
    wrap_rows, wrap_cols = geometry == "torus", geometry != "open"
    down, right = (rows if wrap_rows else rows - 1), (cols if wrap_cols else cols - 1)
    h, v, d, a = rng.normal(size=(rows, right)), rng.normal(size=(down, cols)), *rng.normal(size=(2, down, right))
    x, w = ising_weights(rows, cols, 0.4, h, v, 0.1, wrap_cols, wrap_rows)
    s = 2.0 * x.reshape(-1, rows, cols) - 1
    for r in range(down):
        for c in range(right):
            below, beside = (r + 1) % rows, (c + 1) % cols
            w *= np.exp(0.4 * which[0] * d[r, c] * s[:, r, c] * s[:, below, beside])
            w *= np.exp(0.4 * which[1] * a[r, c] * s[:, r, beside] * s[:, below, c])
    diagonals = (d if which[0] else None, a if which[1] else None)
    ising = tj.Ising(rows, cols, 0.4, couplings=(h, v), geometry=geometry, field=0.1, diagonals=diagonals)
    np.testing.assert_allclose(ising.log_weight(x), np.log(w), atol=1e-12)
    assert abs(ising.log_z() - np.log(w.sum())) < 1e-10
    assert [len(part) > 0 for part in ising.diagonals] == list(which)
    for model in (ising, ising.pair_model()):
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_allclose(again.log_weight(x), np.log(w), atol=1e-12)
    table = np.array([[0.3, 0.0], [-0.2, 0.5]])
    pairs = tj.PairModel(rows, cols, [0.0, 0.0], np.zeros((2, 2)), np.zeros((2, 2)), geometry=geometry,
                         diagonals=(table if which[0] else None, table if which[1] else None))
    e = np.zeros(len(x))
    grid = x.reshape(-1, rows, cols)
    for r in range(down):
        for c in range(right):
            below, beside = (r + 1) % rows, (c + 1) % cols
            e += which[0] * table[grid[:, r, c], grid[:, below, beside]]
            e += which[1] * table[grid[:, r, beside], grid[:, below, c]]
    np.testing.assert_allclose(pairs.log_weight(x), e, atol=1e-12)
    with pytest.raises(ValueError):
        tj.Ising(rows, cols, 0.4, geometry=geometry, diagonals=(np.zeros((1, 1)), None))

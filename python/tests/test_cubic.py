"""±J models in three dimensions, in bits, against enumeration."""

import numpy as np
import pytest
import tensorjump as tj

SHAPE, OPEN = (2, 2, 3), (False, False, False)
LADDER = [0.2, 0.5, 0.9]


def couplings():
    """±1 at random, one bond missing, the same up the last direction negative."""
    j = np.zeros((3, *SHAPE))
    rng = np.random.default_rng(3)
    j[0, :-1] = rng.choice([-1.0, 1.0], j[0, :-1].shape)
    j[1, :, :-1] = rng.choice([-1.0, 1.0], j[1, :, :-1].shape)
    j[2, :, :, :-1] = -1.0
    j[0, 0, 1, 2] = 0.0
    return j


def everything():
    """Spins (configurations, nx, ny, nz) and energies of all configurations."""
    n = int(np.prod(SHAPE))
    spins = 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
    s = spins.reshape(-1, *SHAPE)
    j = couplings()
    bonds = [np.roll(s, -1, axis=d + 1) * s * j[d] for d in range(3)]
    return spins, -sum(b.reshape(len(s), -1).sum(1) for b in bonds)


@pytest.mark.parametrize("clusters", [None, 0.4])
def test_energies_and_overlaps_of_all_levels(clusters):
    bits = tj.CubicBits(couplings(), LADDER, periodic=OPEN, seed=5, exchanges=True, clusters=clusters)
    bits.advance(100)
    bits.reset_counts()
    e, q2, updates = np.zeros((3, 512)), np.zeros((3, 256)), 400
    for _ in range(updates):
        bits.advance(1)
        e += bits.energy / updates
        q2 += np.array([bits.overlap(k) for k in range(3)]) ** 2 / updates
    spins, energy = everything()
    for k, beta in enumerate(LADDER):
        p = np.exp(-beta * (energy - energy.min()))
        p /= p.sum()
        # Pairs of replicas are independent; 4.5 standard errors twelve times: a false alarm in 1e-4.
        pairs = e[k].reshape(-1, 2).mean(1)
        assert abs(pairs.mean() - p @ energy) < 4.5 * pairs.std(ddof=1) / 16
        correlations = (spins.T * p) @ spins
        exact = (correlations**2).sum() / spins.shape[1] ** 2
        assert abs(q2[k].mean() - exact) < 4.5 * q2[k].std(ddof=1) / 16
        wrong = np.exp(-1.1 * beta * (energy - energy.min()))
        assert abs(pairs.mean() - wrong @ energy / wrong.sum()) > 10 * pairs.std(ddof=1) / 16
    assert bits.round_trips > 100 and (bits.swap_rates > 0.1).all() and bits.swap_rates.shape == (2,)


def test_levels_and_their_order():
    bits = tj.CubicBits(couplings(), LADDER, periodic=OPEN, replicas=64, seed=1)
    x = np.random.default_rng(1).integers(0, 2, (64, 12)).astype(np.uint8)
    bits.set_level(1, x)
    np.testing.assert_array_equal(bits.level(1), x)
    s, j = 2.0 * x.reshape(-1, *SHAPE) - 1, couplings()
    energy = -sum((np.roll(s, -1, axis=d + 1) * s * j[d]).reshape(64, -1).sum(1) for d in range(3))
    np.testing.assert_allclose(bits.energy[1], energy)
    np.testing.assert_allclose(bits.overlap(1), ((2.0 * x[::2] - 1) * (2.0 * x[1::2] - 1)).mean(1))
    np.testing.assert_array_equal(bits.couplings, couplings())
    np.testing.assert_array_equal(bits.betas, LADDER)
    assert "2x2x3" in repr(bits)


def test_a_file_goes_on_bit_for_bit(tmp_path):
    def made():
        return tj.CubicBits(tj.CubicBits.plus_minus((4, 4, 4), seed=2), LADDER, seed=7, exchanges=True, clusters=0.4)

    whole, first, second = made(), made(), made()
    whole.advance(50)
    first.advance(20)
    first.write(tmp_path / "state.safetensors")
    second.read(tmp_path / "state.safetensors")
    second.advance(30)
    assert second.updates == 50 and second.round_trips == whole.round_trips
    for k in range(3):
        np.testing.assert_array_equal(second.level(k), whole.level(k))
    other = tj.CubicBits(tj.CubicBits.plus_minus((4, 4, 4), seed=2), LADDER, seed=7, exchanges=True)
    with pytest.raises(tj.TensorJumpError):
        other.read(tmp_path / "state.safetensors")


def test_mistakes_are_named():
    j = tj.CubicBits.plus_minus((4, 4, 4), seed=1)
    assert j.shape == (3, 4, 4, 4) and set(np.unique(j)) == {-1.0, 1.0}
    half = j.copy()
    half[1, 2, 3, 0] = 0.5
    for wrong, word in (
        (lambda: tj.CubicBits(j[0], [1.0]), "couplings"),
        (lambda: tj.CubicBits(half, [1.0]), "absolute value"),
        (lambda: tj.CubicBits(j, [np.nan]), "NaN"),
        (lambda: tj.CubicBits(j, [1.0], replicas=513), "513"),
        (lambda: tj.CubicBits(j, [1.0], exchanges=True), "two"),
        (lambda: tj.CubicBits(j, [1.0], clusters=np.nan), "clusters"),
        (lambda: tj.CubicBits.plus_minus((1290, 1290, 1290), seed=1), "couplings"),
        (lambda: tj.CubicBits(j, [1.0], sweeps=0), "sweeps"),
        (lambda: tj.CubicBits(j, [1.0], periodic=OPEN), "free edge"),
        (lambda: tj.CubicBits(j, [1.0]).level(1), "level"),
        (lambda: tj.CubicBits.plus_minus((2, 4, 4), seed=1), "nx"),
    ):
        with pytest.raises(tj.TensorJumpError, match=word):
            wrong()

"""Proposals, chains, tempering and diagnostics against enumeration."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
import tensorjump as tj

from helpers import all_x, chi_square_p, index, ising_weights, normalised

N = 6
FALSE_ALARM = 1e-6


def target():
    rng = np.random.default_rng(2)
    j, h = rng.standard_normal(N - 1), rng.standard_normal(N)
    law = tj.PositiveMps.ising(0.8, j, h)
    return law, np.exp(law.log_prob(all_x([2] * N)))


def end_counts(law, dynamics, seed=1, updates=12):
    """Where 20,000 chains stand after starting at independent draws of the law."""
    chains = tj.Chains(law, law.sample(20_000, rng=seed).x)
    report = chains.advance(dynamics, updates, rng=seed)
    assert len(chains) == 20_000 and chains.updates == updates
    np.testing.assert_allclose(chains.log_weight, law.log_weight(chains.x), rtol=0, atol=1e-11)
    return np.bincount(index(chains.x, [2] * N), minlength=2**N), report


def moves(law):
    model, kernel = tj.PositiveMps.ising(0.5, np.ones(N - 1), np.zeros(N)), tj.Noise.flips(N, up=0.4).kernel(0.5)
    flip = tj.Proposal.custom([2] * N, lambda x, seed: (x ^ (np.random.default_rng(seed).random(x.shape) < 0.3), 0.0))
    single, one = tj.Proposal.single_site([2] * N), tj.Proposal(model)
    return {
        "independent": one,
        "connected": tj.Proposal(model, kernel),
        "single site": single,
        "mixture": tj.Proposal.mixture([(0.4, single), (0.6, tj.Proposal(model, kernel))]),
        "custom": flip,
        "inner draws": tj.Move.inner_draws(model, kernel, 3),
        "cycle": tj.Move.cycle([single, tj.Move(one)]),
        "mixture of moves": tj.Move.mixture([(0.3, single), (0.7, one)]),
        "repeat": tj.Move.repeat(single, 3),
    }


@pytest.mark.parametrize("name", list(moves(None)))
def test_moves_leave_the_target_invariant(name):
    law, p = target()
    counts, report = end_counts(law, moves(law)[name])
    assert chi_square_p(counts, p) > FALSE_ALARM and 0 < report["acceptance"] <= 1


def test_a_wrong_ratio_is_found():
    law, p = target()
    wrong = tj.Proposal.custom([2] * N, lambda x, seed: (x | (np.random.default_rng(seed).random(x.shape) < 0.3), 0.0))
    counts, _ = end_counts(law, wrong)
    assert chi_square_p(counts, p) < FALSE_ALARM


def test_exchange_keeps_the_number():
    law, _ = target()
    x = law.sample(50, rng=1).x
    new, log_ratio = tj.Proposal.exchange([2] * N).propose(x, rng=1)
    assert (new.sum(1) == x.sum(1)).all() and (log_ratio == 0).all() and (new != x).any()
    far, _ = tj.Proposal.exchange([2] * N, [(0, 5)]).propose(x, rng=1)
    assert (far[:, 1:5] == x[:, 1:5]).all()


def test_log_ratios_of_proposals():
    law, _ = target()
    x = law.sample(200, rng=3).x
    new, log_ratio = tj.Proposal(law).propose(x, rng=4)
    np.testing.assert_allclose(log_ratio, law.log_prob(x) - law.log_prob(new), rtol=0, atol=1e-11)
    one, ratio = tj.Proposal(law).propose(x[0], rng=4)
    assert one.shape == (N,) and isinstance(ratio, float)
    np.testing.assert_array_equal(one, new[0])


@pytest.mark.parametrize("geometry", ["open", "cylinder", "torus"])
@pytest.mark.parametrize("name", ["heat_bath", "metropolis", "wolff", "swendsen_wang", "windows", "tables"])
def test_lattice_moves(name, geometry):
    rng = np.random.default_rng(5)
    wc, wr = geometry != "open", geometry == "torus"
    rows, cols, beta = 3, 3, 0.7
    h, v = rng.random((rows, cols if wc else cols - 1)), rng.random((rows if wr else rows - 1, cols))
    field = np.zeros((rows, cols)) if name in ("wolff", "swendsen_wang") else 0.3 * rng.standard_normal((rows, cols))
    ising = tj.Ising(rows, cols, beta, couplings=(h, v), geometry=geometry, field=field)
    x, w = ising_weights(rows, cols, beta, h, v, field, wc, wr)
    p = normalised(w)
    dynamics = {
        "heat_bath": lambda: tj.Move.heat_bath(ising),
        "metropolis": lambda: tj.Move.metropolis(ising, sweeps=2),
        "wolff": lambda: tj.Move.wolff(ising, clusters=2),
        "swendsen_wang": lambda: tj.Move.swendsen_wang(ising),
        "windows": lambda: tj.Move.windows(ising, 2, 2, chi=4, count=2),
        "tables": lambda: tj.Move.heat_bath(ising.pair_model()),
    }[name]()
    start = x[np.random.default_rng(6).choice(len(x), 20_000, p=p)]
    chains = tj.Chains(ising, start)
    chains.advance(dynamics, 3, rng=7)
    counts = np.bincount(index(chains.x, [2] * 9), minlength=512)
    assert chi_square_p(counts, p) > FALSE_ALARM
    assert (chains.x != start).any(axis=1).mean() > 0.2


def test_fredkin_dynamics():
    chain = tj.Fredkin(8, c=0.3)
    model = tj.FredkinModel(chain)
    chains = tj.Chains(chain, model.sample(20_000, rng=1).x)
    chains.advance(tj.Move.fredkin(chain, 2.0), 2, rng=1)
    with np.errstate(divide="ignore"):
        p = np.exp(model.log_prob(all_x([2] * 8)))
    assert chi_square_p(np.bincount(index(chains.x, [2] * 8), minlength=256), p) > FALSE_ALARM


def test_runs_and_their_means():
    law, p = target()
    x = all_x([2] * N)
    up = {"up": lambda x: x.sum(1), "first": lambda x: x[:, 0]}
    run = tj.run_chains(law, tj.Proposal.single_site([2] * N), 32, up, updates=2000, seed=3, progress=False)
    assert run.series.shape == (2000, 32, 2) and run.log_weight.shape == (2000, 32) and not run.stopped
    for name, exact in (("up", p @ x.sum(1)), ("first", p @ x[:, 0])):
        mean = run.mean(name)
        assert abs(mean.mean - exact) < 5 * mean.error and mean.error < 0.1
        assert run.autocorrelation_time(name) > 1 and abs(run.r_hat(name) - 1) < 0.05
    assert "up=" in repr(run) and "32 chains" in repr(run)
    with pytest.raises(KeyError, match="down"):
        run.mean("down")


def test_runs_continue_bit_for_bit():
    law, _ = target()
    move, up = tj.Proposal.single_site([2] * N), {"up": lambda x: x.sum(1)}

    def go(start, updates):
        return tj.run_chains(law, move, start, up, updates=updates, warm_up=0, seed=5, progress=False)

    whole = go(8, 60)
    half = go(8, 25)
    saved = pickle.loads(pickle.dumps(half.chains.snapshot()))
    rest = go(tj.Chains.resume(law, saved), 35)
    np.testing.assert_array_equal(np.concatenate([half.series, rest.series]), whole.series)


def test_chains_elsewhere_are_those_of_one_run():
    law, _ = target()
    move, start = tj.Proposal.single_site([2] * N), law.sample(8, rng=1).x
    options = dict(updates=30, warm_up=5, seed=5, progress=False)
    whole = tj.run_chains(law, move, start, {"up": lambda x: x.sum(1)}, **options)
    part = tj.run_chains(law, move, start[5:], {"up": lambda x: x.sum(1)}, first_chain=5, **options)
    np.testing.assert_array_equal(part.series, whole.series[:, 5:])


def test_chains_of_a_callable_start_anywhere():
    target = tj.Target([2, 3, 4], lambda x: x.sum(1) * 0.5)
    run = tj.run_chains(target, tj.Proposal.single_site([2, 3, 4]), 200, {"sum": lambda x: x.sum(1)}, updates=200,
                        progress=False)
    w = np.exp(0.5 * all_x([2, 3, 4]).sum(1))
    exact = (w / w.sum()) @ all_x([2, 3, 4]).sum(1)
    mean = run.mean("sum")
    assert abs(mean.mean - exact) < 5 * mean.error
    start = tj.Chains.initial(target, 200).x
    assert {tuple(x) for x in start} > {(0, 0, 0), (1, 2, 3)}


def test_means_show_the_digits_they_have():
    assert repr(tj.Mean(-1.32913349, 0.00098)) == "-1.32913 +- 0.00098"
    assert repr(tj.Mean(39983.109, 0.49)) == "39983.11 +- 0.49" and repr(tj.Mean(3.0, 0.0)) == "3 +- 0"
    assert repr(tj.Mean(1234.5, 67.0)) == "1234 +- 67"


def test_progress_and_stopping():
    law, _ = target()
    seen = []
    tj.run_chains(law, tj.Proposal(law), 4, updates=10, warm_up=2, progress=seen.append)
    assert seen[-1] == tj.RunProgress(done=12, total=12, acceptance=1.0)
    slow = {"slow": lambda x: time.sleep(0.06) or x.sum(1)}
    run = tj.run_chains(law, tj.Proposal(law), 4, slow, updates=500, warm_up=0, progress=lambda p: p.done < 3)
    assert run.stopped and 1 <= len(run.series) < 500

    class Mine(Exception):
        pass

    def raising(*_):
        raise Mine

    with pytest.raises(Mine):
        tj.run_chains(law, tj.Proposal(law), 4, updates=10, progress=raising)
    for observable, error in ((raising, Mine), (lambda x: np.full(len(x), np.inf), tj.NumberError), (lambda x: 1.0, ValueError)):
        with pytest.raises(error):
            tj.run_chains(law, tj.Proposal(law), 4, {"a": observable}, updates=10, progress=False)


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
@pytest.mark.parametrize("observable", ["lambda x: x.sum(1)", "m.log_weight"])
def test_an_interrupted_run_returns_what_it_has(observable):
    code = """
        import warnings, numpy as np, tensorjump as tj
        m = tj.PositiveMps.ising(0.5, np.ones(60), np.zeros(60), ring=True)
        print("started", flush=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = tj.run_chains(m, tj.Proposal(m), 64, {"a": OBSERVABLE}, updates=10**6, progress=False)
        print(run.stopped, len(run.series) > 0, "interrupted" in str(caught[0].message))
        """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = textwrap.dedent(code).replace("OBSERVABLE", observable)
    p = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, env=env)
    assert p.stdout.readline().strip() == "started"
    time.sleep(1.0)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert out.strip() == "True True True" and "panicked" not in err, (out, err)


def test_false_of_numpy_stops_and_runs_are_pickled():
    law, _ = target()
    run = tj.run_chains(law, tj.Proposal(law), 4, {"up": lambda x: x.sum(1)}, updates=10**5, progress=lambda p: np.False_)
    assert run.stopped
    again = pickle.loads(pickle.dumps(run))
    np.testing.assert_array_equal(again["up"], run["up"])
    assert again.chains is None and run.chains is not None


def test_heat_bath_with_diagonals_and_ladders_that_no_memory_holds():
    ising = tj.Ising(3, 3, 0.4, diagonals=(-1.0, 0.5), field=0.2)
    x = all_x([2] * 9)
    p = np.exp(ising.log_weight(x))
    p /= p.sum()
    start = x[np.random.default_rng(1).choice(len(x), 20_000, p=p)]
    chains = tj.Chains(ising, start)
    chains.advance(tj.Move.heat_bath(ising), 3, rng=2)
    counts = np.bincount(index(chains.x, [2] * 9), minlength=len(x))
    assert chi_square_p(counts, p) > 1e-6 > chi_square_p(counts, p[::-1])
    ladder = tj.Tempering([(b, tj.Ising(3, 3, b), tj.Move.heat_bath(tj.Ising(3, 3, b))) for b in (0.3, 0.4)])
    for copies in (2**62, 10**15):
        with pytest.raises(tj.TooLargeError, match="copies"):
            ladder.start(copies)


def test_xarray_and_arviz():
    law, _ = target()
    run = tj.run_chains(law, tj.Proposal(law), 4, {"up": lambda x: x.sum(1)}, updates=50, progress=False)
    pytest.importorskip("xarray")
    data = run.to_xarray()
    assert data["up"].dims == ("chain", "draw") and data["up"].shape == (4, 50)
    np.testing.assert_array_equal(data["up"].values, run["up"].T)
    pytest.importorskip("arviz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run.to_arviz()
    np.testing.assert_array_equal(np.asarray(found["posterior"]["up"]), run["up"].T)
    np.testing.assert_array_equal(np.asarray(found["sample_stats"]["lp"]), run.log_weight.T)


def test_tempering():
    rng = np.random.default_rng(8)
    h, v, field = rng.standard_normal((3, 2)), rng.standard_normal((2, 3)), rng.standard_normal((3, 3))
    betas = [0.3, 0.7, 1.2]
    laws = [tj.Ising(3, 3, beta, couplings=(h, v), field=field) for beta in betas]
    ladder = tj.Tempering([(b, law, tj.Move.heat_bath(law)) for b, law in zip(betas, laws)], proportional=True)
    replicas = ladder.start(4000, seed=1)
    replicas.advance(30)
    half = pickle.loads(pickle.dumps(replicas.snapshot()))
    replicas.advance(20)
    again = ladder.resume(half)
    again.advance(20)
    assert again.swap_rates == replicas.swap_rates and again.updates == 50
    for k, beta in enumerate(betas):
        np.testing.assert_array_equal(again.level(k), replicas.level(k))
        x, w = ising_weights(3, 3, beta, h, v, field)
        counts = np.bincount(index(replicas.level(k), [2] * 9), minlength=512)
        assert chi_square_p(counts, normalised(w)) > FALSE_ALARM
        np.testing.assert_allclose(replicas.log_weight(k), laws[k].log_weight(replicas.level(k)), rtol=0, atol=1e-9)
    assert len(replicas.swap_rates) == 2 and all(0.1 < r < 1 for r in replicas.swap_rates) and replicas.round_trips > 0
    with pytest.raises(tj.ParameterError):
        ladder.resume("{}")
    with pytest.raises(tj.ParameterError):
        replicas.level(3)


def test_importance():
    law, p = target()
    x = all_x([2] * N)
    model = tj.PositiveMps.ising(0.5, np.ones(N - 1), np.zeros(N))
    shifted = tj.Target([2] * N, lambda x: law.log_prob(x) + 2.5)
    draws = model.sample(100_000, rng=1)
    weights = tj.Importance(shifted, draws)
    q = np.exp(model.log_prob(x))
    assert abs(weights.log_z - 2.5) < 5 * weights.log_z_error
    assert abs(weights.fraction - 1 / (q @ (p / q) ** 2)) < 0.02
    mean = weights.mean(draws.x.sum(1))
    assert abs(mean.mean - p @ x.sum(1)) < 5 * mean.error
    assert weights.max_log_relative <= np.log((p / q).max()) + 0.1 and weights.outside == 0
    assert "ESS/n" in repr(weights)


def test_diagnostics():
    rng = np.random.default_rng(9)
    x = np.zeros((20_000, 4))
    for t in range(1, len(x)):
        x[t] = 0.8 * x[t - 1] + rng.standard_normal(4)
    assert abs(tj.autocorrelation_time(x) - 4.5) < 0.5  # (1 + .8) / (1 - .8) / 2
    found = tj.series_mean(x)
    assert abs(found["mean"]) < 5 * found["error"] and not found["lower_bound"]
    assert abs(tj.split_r_hat(x) - 1) < 0.01 and tj.split_r_hat(x + 3 * np.arange(4)) > 1.5
    assert tj.series_mean(x[:, 0])["error"] > found["error"]
    mass, error = tj.missing_mass(np.inf, np.zeros(100), np.where(np.arange(100) < 10, -np.inf, -1.0))
    assert mass == 0.1 and 0.02 < error < 0.05
    draws, chains = rng.standard_normal(10_000) * 0.1, rng.standard_normal(10_000) * 0.1 + 0.01
    assert abs(tj.bridge_log_z(draws, chains)) < 0.02


def test_functions_of_means_have_errors_by_the_jackknife():
    rng = np.random.default_rng(11)
    x = np.zeros((8_000, 4, 2))
    for t in range(1, len(x)):
        x[t, :, 0] = 0.6 * x[t - 1, :, 0] + rng.standard_normal(4)
    x[..., 1] = x[..., 0] ** 2
    variance = tj.jackknife(x, lambda m: m[1] - m[0] ** 2)
    assert abs(variance["value"] - 1 / (1 - 0.36)) < 4 * variance["error"] and not variance["lower_bound"]
    # Of a mean the jackknife is the error of the mean.
    mean, plain = tj.jackknife(x, lambda m: m[0]), tj.series_mean(x[..., 0])
    assert mean["value"] == pytest.approx(plain["mean"]) and mean["error"] == pytest.approx(plain["error"], rel=0.2)
    with pytest.raises(ZeroDivisionError):
        tj.jackknife(x, lambda m: 1 // 0)
    with pytest.raises(TypeError):
        tj.jackknife(x, lambda m: None)
    with pytest.raises(tj.TensorJumpError):
        tj.jackknife(x, lambda m: np.nan)
    law = tj.Ising(4, 4, 0.4)
    observables = {"e": law.energy, "e2": lambda x: law.energy(x) ** 2}
    run = tj.run_chains(law, tj.Move.heat_bath(law), 8, updates=2000, warm_up=50, observables=observables, progress=False)
    heat = run.jackknife(lambda mean: 0.16 * (mean["e2"] - mean["e"] ** 2))
    x = ((np.arange(2**16)[:, None] >> np.arange(16)) & 1).astype(np.uint8)
    e = law.energy(x)
    p = np.exp(-0.4 * (e - e.min()))
    p /= p.sum()
    assert abs(heat.mean - 0.16 * (p @ e**2 - (p @ e) ** 2)) < 4.5 * heat.error


def test_moves_of_another_law_are_refused():
    law, other = tj.Ising(4, 4, 0.1), tj.Ising(4, 4, 0.9)
    same = law.pair_model()
    for move in (tj.Move.heat_bath(other), tj.Move.cycle([tj.Move.heat_bath(law), tj.Move.wolff(other)]),
                 tj.Move.repeat(tj.Move.windows(other, 2, 2), 2), tj.Move.mixture([(1.0, tj.Move.swendsen_wang(other))])):
        with pytest.raises(tj.ParameterError, match="another law"):
            tj.run_chains(law, move, 1, updates=2, progress=False)
        with pytest.raises(tj.ParameterError, match="another law"):
            tj.Chains.initial(law, 8).advance(move, 1, rng=1)
        with pytest.raises(tj.ParameterError, match="another law"):
            tj.Tempering([(0.1, law, move), (0.9, other, tj.Move.heat_bath(other))])
    tj.run_chains(same, tj.Move.heat_bath(law), 4, updates=2, progress=False)
    shifted = tj.Target([2] * 16, lambda x: law.log_weight(x) + 7.0)
    tj.run_chains(shifted, tj.Move.heat_bath(law), 4, updates=2, progress=False)


def test_observables_cannot_spoil_each_other():
    law, _ = target()

    def flips(x):
        x ^= 1
        return x.sum(1)

    with pytest.raises(ValueError, match="read-only"):
        tj.run_chains(law, tj.Proposal(law), law.sample(4, rng=1), {"f": flips}, updates=5, progress=False)


def test_a_checkpointed_run_goes_on_bit_for_bit(tmp_path):
    law, _ = target()
    path, move = tmp_path / "run", tj.Proposal.single_site([2] * N)
    observables = {"up": lambda x: x.sum(1), "third": lambda x: x[:, 0] / 3}
    options = dict(updates=60, warm_up=5, thin=2, seed=5)

    def go(stop, start=8, **changed):
        return tj.run_chains(law, move, start, observables, **options | changed, checkpoint=path, checkpoint_every=0.0,
                             progress=stop)

    whole = tj.run_chains(law, move, 8, observables, **options, progress=False)
    slow = dict(observables, third=lambda x: time.sleep(0.06) or x[:, 0] / 3)
    part = tj.run_chains(law, move, 8, slow, **options, checkpoint=path, checkpoint_every=0.0,
                         progress=lambda p: p.done < 11)
    assert part.stopped and 0 < len(part.series) < 30
    np.testing.assert_array_equal(np.load(f"{path}.series.npy"), part.series)
    np.testing.assert_array_equal(tj.Chains.read(law, path).x, part.chains.x)
    for start in (part.chains, 8):  # as the file stands, or as the run began
        rest = go(False, start)
        np.testing.assert_array_equal(rest.series, whole.series)
        np.testing.assert_array_equal(rest.log_weight, whole.log_weight)
        assert rest.report == whole.report and not rest.stopped
        np.testing.assert_array_equal(rest.chains.x, whole.chains.x)
    np.testing.assert_array_equal(np.load(f"{path}.log_weight.npy", mmap_mode="r"), whole.log_weight)
    for changed, named in ((dict(seed=6), "seed 5, not 6"), (dict(thin=3), "thin 2, not 3"), (dict(updates=10), "65 updates"),
                           (dict(start=7), "8 chains, not 7")):
        with pytest.raises(tj.FormatError, match=named):
            go(False, **changed)
    with pytest.raises(tj.ParameterError, match="every"):
        tj.run_chains(law, move, 8, checkpoint=path, checkpoint_every=-1.0, progress=False)


def test_numpy_reads_the_series_while_a_run_goes_on(tmp_path):
    """A killed run leaves files that numpy reads, and while it runs every look shows whole records."""
    law, _ = target()
    path = tmp_path / "run"
    code = f"""
        import numpy as np, tensorjump as tj
        law = tj.PositiveMps.ising(0.5, np.ones({N - 1}), np.zeros({N}))
        print("started", flush=True)
        tj.run_chains(law, tj.Proposal(law), 16, {{"up": lambda x: x.sum(1)}}, updates=10**6, progress=False,
                      checkpoint={str(path)!r}, checkpoint_every=0.05)
        """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    p = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=-1, stderr=-1, text=True, env=env)
    assert p.stdout.readline().strip() == "started"
    looks, before, end = 0, np.zeros((0, 16, 1)), time.time() + 2
    while time.time() < end:
        try:
            now = np.load(f"{path}.series.npy")
        except FileNotFoundError:  # not begun yet
            continue
        assert now.dtype == np.float64 and now.shape[1:] == (16, 1) and len(now) >= len(before)
        np.testing.assert_array_equal(now[: len(before)], before)
        looks, before = looks + 1, now
    p.kill()
    p.communicate()
    assert looks > 20 and len(before) > 100
    assert len(np.load(f"{path}.log_weight.npy")) >= len(before) and path.exists()


def test_chains_and_replicas_in_files(tmp_path):
    law, _ = target()
    move = tj.Proposal.single_site([2] * N)
    chains = tj.Chains.initial(law, 8, seed=3)
    chains.advance(move, 7, rng=5)
    chains.write(tmp_path / "chains")
    again = tj.Chains.read(law, str(tmp_path / "chains"))
    assert again.updates == 7 and chains.advance(move, 9, rng=5) == again.advance(move, 9, rng=5)
    np.testing.assert_array_equal(again.x, chains.x)
    with pytest.raises(tj.FormatError, match="log_weight"):
        tj.Chains.read(tj.PositiveMps.ising(0.1, np.ones(N - 1), np.zeros(N)), tmp_path / "chains")
    laws = [tj.Ising(3, 3, beta) for beta in (0.3, 0.7)]
    ladder = tj.Tempering([(b, law, tj.Move.heat_bath(law)) for b, law in zip((0.3, 0.7), laws)])
    replicas = ladder.start(3, seed=1)
    replicas.advance(9)
    replicas.write(tmp_path / "replicas")
    read = ladder.read(tmp_path / "replicas")
    for both in (replicas, read):
        both.advance(5)
    assert read.snapshot() == replicas.snapshot() and read.reports == replicas.reports and read.reports[0]["proposed"] > 0
    other = tj.Tempering([(b, law, tj.Move.heat_bath(law)) for b, law in zip((0.3, 0.8), laws)])
    with pytest.raises(tj.FormatError, match=r"parameters\[1\]"):
        other.read(tmp_path / "replicas")


def test_checkpointed_tempering_goes_on_bit_for_bit(tmp_path):
    betas = (0.3, 0.5, 0.9)
    laws = [tj.Ising(4, 4, beta) for beta in betas]
    ladder = tj.Tempering([(b, law, tj.Move.heat_bath(law)) for b, law in zip(betas, laws)], proportional=True)
    overlap = {"q": lambda x: [(2 * np.mean(x[0] == x[1]) - 1) ** 2], "up": lambda x: [x.mean()]}
    options = dict(updates=60, warm_up=7, thin=4)
    whole = tj.run_tempering(whole_replicas := ladder.start(2, seed=5), overlap, **options, progress=False)
    assert len(whole) == 3 and whole[0].series.shape == (15, 1, 2) and whole[0].log_weight.shape == (15, 2)
    by_hand = ladder.start(2, seed=5)
    by_hand.advance(11)
    assert whole[2]["q"][0, 0] == overlap["q"](by_hand.level(2))[0]

    path = tmp_path / "state"
    files = dict(checkpoint=path, checkpoint_every=0.0)
    slow = dict(overlap, up=lambda x: time.sleep(0.06) or [x.mean()])
    part = tj.run_tempering(ladder.start(2, seed=5), slow, **options, **files, progress=lambda p: p.done < 20)
    assert part[0].stopped and 0 < len(part[0].series) < 15
    rest = tj.run_tempering(replicas := ladder.start(2, seed=5), overlap, **options, **files, progress=False)
    for a, b in zip(whole, rest):
        np.testing.assert_array_equal(a.series, b.series)
        np.testing.assert_array_equal(a.log_weight, b.log_weight)
        assert a.report == b.report and not b.stopped
    assert replicas.snapshot() == whole_replicas.snapshot()
    np.testing.assert_array_equal(np.load(f"{path}.series.npy")[:, 1], whole[1].series)
    with pytest.raises(tj.FormatError, match="seed 5, not 6"):
        tj.run_tempering(ladder.start(2, seed=6), overlap, **options, **files, progress=False)
    with pytest.raises(ValueError, match="'up'"):
        tj.run_tempering(ladder.start(2, seed=5), dict(overlap, up=lambda x: x.mean()), progress=False)

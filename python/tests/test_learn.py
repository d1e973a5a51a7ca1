"""Learning against enumeration, checkpoints, callbacks and Ctrl-C.

What follows Ctrl-C is measured in CPU seconds of the process: what others run beside it does not count.
"""

import itertools
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tensorjump as tj

DIMS = [2, 3, 2]


def configs(dims):
    return np.array(list(itertools.product(*map(range, dims))), dtype=np.uint8)


def all_states(p):
    """Every configuration once, with its probability as weight: no noise of samples."""
    return dict(x=configs(DIMS), weights=p)


@pytest.fixture(scope="module")
def p():
    weights = np.random.default_rng(3).uniform(0.05, 1.0, int(np.prod(DIMS)))
    return weights / weights.sum()


def kl(p, model):
    return p @ (np.log(p) - model.log_prob(configs(DIMS)))


@pytest.mark.parametrize("method", ["two-site", "adam", "lbfgs"])
def test_born_machines_learn_a_law_from_its_weights(p, method):
    keywords = dict(method=method, validation=None, rounds=200, patience=300, significance=0.0, progress=False)
    keywords |= dict(rate=0.03, batch=1 << 20) if method == "adam" else {}
    fit = tj.learn_born(**all_states(p), dims=DIMS, max_bond=4, **keywords)
    assert isinstance(fit.model, tj.BornMps) and kl(p, fit.model) < (1e-3 if method == "adam" else 1e-8)
    best = fit.history[fit.best].train_nll
    assert best == pytest.approx(-p @ np.log(p), abs=1e-3)
    assert fit.best == int(np.argmin(fit.curve("train_nll"))) and np.isnan(fit.curve("validation_nll")).all()
    # The twin: weights in reversed order teach another law.
    twin = tj.learn_born(configs(DIMS), DIMS, max_bond=4, **keywords, weights=p[::-1])
    assert kl(p, twin.model) > 1e-2


@pytest.mark.parametrize("method", ["em", "lbfgs"])
def test_positive_laws_learn_a_law_from_its_weights(p, method):
    fit = tj.learn_positive(
        **all_states(p), dims=DIMS, bond=3, method=method, validation=None, rounds=400, patience=500, progress=False
    )
    assert isinstance(fit.model, tj.PositiveMps) and kl(p, fit.model) < 1e-3
    if method == "em":
        assert (np.diff(fit.curve("train_nll")) < 1e-12).all()


def test_validation_starts_and_symmetries(p):
    law = tj.PositiveMps.from_table(DIMS, p)
    x, held = law.sample(2000, rng=1).x, law.sample(500, rng=2).x
    fit = tj.learn_born(x, DIMS, validation=held, rounds=4, progress=False)
    model = fit.model
    assert fit.history[fit.best].validation_nll == pytest.approx(-model.log_prob(held).mean())
    on = tj.learn_born(x, DIMS, validation=held, rounds=2, start=model, method="one-site", progress=False)
    assert on.history[0].bonds == model.bonds
    flip = tj.Symmetry([2, 1, 0], [[1, 0], [0, 1, 2], [1, 0]])
    np.testing.assert_array_equal(flip.apply(np.array([[0, 2, 0], [1, 0, 0]]), DIMS), [[1, 2, 1], [1, 0, 0]])
    even = tj.learn_positive(x, DIMS, symmetries=[flip], rounds=200, validation=None, progress=False).model
    images = even.log_prob(flip.apply(configs(DIMS), DIMS)) - even.log_prob(configs(DIMS))
    plain = tj.learn_positive(x, DIMS, rounds=200, validation=None, progress=False).model
    assert (
        np.abs(images).max()
        < 0.3
        < np.abs(plain.log_prob(flip.apply(configs(DIMS), DIMS)) - plain.log_prob(configs(DIMS))).max()
    )
    assert pickle.loads(pickle.dumps(flip)).apply([[0, 0, 0]], DIMS).tolist() == [[1, 0, 1]]


def test_a_seed_names_a_run():
    x = tj.PositiveMps.random([2] * 6, 3, rng=1).sample(500, rng=2).x
    models = [tj.learn_born(x, 2, rounds=3, seed=seed, progress=False).model for seed in (1, 1, 2)]
    first, again, other = (m.log_prob(x) for m in models)
    assert (first == again).all() and (first != other).any()


def test_ratio_matching_learns_the_law_and_its_scores(p):
    noise = tj.Noise.uniform(DIMS)
    fit = tj.learn_ratio_matching(
        np.repeat(configs(DIMS), np.round(2000 * p).astype(int), axis=0), noise, start=4, epochs=60, progress=False
    )
    assert fit.stop == "epochs" and fit.losses.shape == (60,) and fit.losses[-1] < fit.losses[0]
    exact = tj.Denoiser(noise, tj.PositiveMps.from_table(DIMS, p))
    learned, y = tj.Denoiser(noise, fit.model), configs(DIMS)
    uniform = tj.Denoiser(noise, tj.PositiveMps.product([[1.0] * d for d in DIMS]))
    assert exact.conditional_kl(learned, 0.3, y).mean() < 0.1 * exact.conditional_kl(uniform, 0.3, y).mean()


def test_glauber_matching_learns_the_conditionals(p):
    tokens = tj.TokenNoise.uniform(DIMS, 3, 0.5)
    x = np.repeat(configs(DIMS), np.round(2000 * p).astype(int), axis=0)
    fit = tj.learn_glauber(x, tokens, start=4, epochs=200, progress=False)
    window = tj.GlauberWindow(x, tokens, features="saturated", ridge=0.1)
    exact = tj.SiteConditionals(tokens, tj.PositiveMps.from_table(DIMS, p))
    last = tj.DenseLaw(DIMS, p).noised(tokens.kernel(tokens.steps))
    assert tj.distances(p, exact.sampler_law(last)).variation < 1e-12
    for learned, error in ((fit.conditionals, 0.08), (window, 0.02)):
        assert tj.distances(p, learned.sampler_law(last)).variation < error
    flat = tj.SiteConditionals(tokens, lambda k, x: np.ones((len(x), DIMS[k % 3])))
    assert tj.distances(p, flat.sampler_law(last)).variation > 0.15


def test_denoisers_in_closed_form_are_exact_for_the_law_of_the_samples(p):
    """With every configuration as a sample, weighted, tables and saturated features are the law itself."""
    states, y, t = all_states(p), configs(DIMS), 0.4
    for noise in (tj.Noise.uniform(DIMS), tj.Noise.mask(DIMS)):
        exact = tj.Denoiser(noise, tj.PositiveMps.from_table(DIMS, p))
        tables = tj.ConditionalTables(states["x"], noise, smoothing=0.0, weights=p)
        np.testing.assert_allclose(tables.conditional_marginals(t, y), exact.conditional_marginals(t, y), rtol=1e-10)
    noise = tj.Noise.uniform(DIMS)
    exact = tj.Denoiser(noise, tj.PositiveMps.from_table(DIMS, p)).conditional_marginals(t, y)
    softmax = tj.SoftmaxDenoiser(states["x"], noise, features="saturated", ridge=1e-9, times=[t], weights=p)
    np.testing.assert_allclose(softmax.conditional_marginals(t, y), exact, atol=1e-4)
    scores = tj.OperatorScores(states["x"], noise, degree=3, ridge=0.0, weights=p)
    np.testing.assert_allclose(scores.conditional_marginals(t, y), exact, rtol=1e-7)
    np.testing.assert_allclose(
        scores.fitted_ratios(t, y), tj.Denoiser(noise, tj.PositiveMps.from_table(DIMS, p)).score_ratios(t, y), rtol=1e-8
    )
    assert [c.shape for c in scores.coefficients(t)] == [(12, 1), (12, 2), (12, 1)]
    independent = tj.ConditionalTables(states["x"], noise, neighbours=[[], [], []], smoothing=0.0, weights=p)
    assert np.abs(independent.conditional_marginals(t, y) - exact).max() > 0.05
    beside = tj.SoftmaxDenoiser(states["x"], noise, baseline=scores, neighbours=tj.windows(3, 1), copies=2, weights=p)
    assert beside.cavities(t, y).shape == (12, 3, 3) and tj.windows(4, 1, ring=True)[0] == [1, 3]


def test_in_the_loop_learns_a_lattice_from_its_log_weight():
    ising = tj.Ising(3, 4, 0.4, couplings="pm", seed=3)
    rounds = []
    fit = tj.learn_in_the_loop(ising, draws=2048, chains=256, rounds=12, enough=(0.98, 0.98), progress=rounds.append)
    exact = tj.DenseLaw.of(ising)
    assert tj.distances(exact.p, np.exp(fit.model.log_prob(exact.configs))).divergence < 0.02
    assert fit.history == rounds and fit.stop in ("enough", "rounds")
    assert fit.history[-1].log_z == pytest.approx(exact.log_z, abs=0.1)
    np.testing.assert_allclose(fit.born.log_prob(exact.configs[:, fit.order]), fit.model.log_prob(exact.configs))
    assert fit.x.shape == (256, 12) and sorted(fit.order) == list(range(12))
    # Annealing, and a target of one's own.
    own = tj.Target([2] * 6, lambda x: -0.5 * (x.sum(axis=1) - 2.0) ** 2, initial=[0] * 6)
    hot = tj.Target([2] * 6, lambda x: -0.2 * (x.sum(axis=1) - 2.0) ** 2, initial=[0] * 6)
    small = dict(draws=512, chains=64, rounds=6)
    two = tj.learn_in_the_loop([tj.Stage(hot, rounds=2), own], **small, progress=False)
    assert {r.stage for r in two.history} == {0, 1} and np.nanmax(two.curve("acceptance")) > 0.8
    once, again = (tj.learn_in_the_loop(own, **small, seed=4, progress=False) for _ in range(2))
    assert (once.model.log_prob(exact.configs[:4, :6]) == again.model.log_prob(exact.configs[:4, :6])).all()
    with pytest.raises(tj.ParameterError):
        tj.learn_in_the_loop(own, local="heat-bath", progress=False)


# A run of every kind, with a callback.
def runs():
    x = tj.PositiveMps.random([2] * 6, 3, rng=1).sample(400, rng=2).x
    own = tj.Target([2] * 6, lambda x: -0.5 * (x.sum(axis=1) - 2.0) ** 2, initial=[0] * 6)
    return {
        "born": lambda **k: tj.learn_born(x, 2, rounds=50, patience=99, **k),
        "positive": lambda **k: tj.learn_positive(x, 2, rounds=50, patience=99, **k),
        "ratio": lambda **k: tj.learn_ratio_matching(x, tj.Noise.uniform([2] * 6), epochs=50, **k),
        "glauber": lambda **k: tj.learn_glauber(x, tj.TokenNoise.uniform([2] * 6, 2, 0.5), epochs=50, **k),
        "loop": lambda **k: tj.learn_in_the_loop(own, draws=256, chains=32, rounds=50, enough=(2, 2), **k),
    }


class Own(Exception):
    pass


@pytest.mark.parametrize("kind", ["born", "positive", "ratio", "glauber", "loop"])
def test_callbacks_are_told_may_stop_and_may_raise(kind):
    run, told = runs()[kind], []
    fit = run(progress=lambda round: told.append(round) or len(told) < 3)
    assert len(told) == 3 and fit.stop == "asked" and repr(fit)

    def fail(round):
        raise Own("lost")

    with pytest.raises(Own, match="lost"):
        run(progress=fail)

    def interrupt(round):
        raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted"):
        assert run(progress=interrupt).stop == "asked"
    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt, raise_on_interrupt=True)


def test_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    x = tj.PositiveMps.random([2] * 8, 4, rng=1).sample(600, rng=2).x
    path = tmp_path / "state.safetensors"
    keywords = dict(rounds=8, patience=99, method="adam", batch=100, progress=False)
    whole = tj.learn_born(x, 2, **keywords)
    part = tj.learn_born(x, 2, **keywords | dict(progress=lambda r: r.number < 3), checkpoint=path)
    assert part.stop == "asked" and len(part.history) == 4
    rest = tj.learn_born(x, 2, **keywords, checkpoint=path)
    assert (rest.model.log_prob(x) == whole.model.log_prob(x)).all() and len(rest.history) == 8
    assert [r.improved for r in rest.history] == [r.improved for r in whole.history]
    with pytest.raises(tj.FormatError):
        tj.learn_born(x, 2, **keywords, seed=9, checkpoint=path)
    anew = tj.learn_born(x, 2, **keywords | dict(rounds=2), seed=9, checkpoint=path, resume=False)
    assert len(anew.history) == 2


def test_what_cannot_be_learned_is_refused():
    x = np.zeros((5, 3), dtype=np.uint8)
    for call, error in [
        (lambda: tj.learn_born(x, 2, progress=False), tj.SamplesError),
        (lambda: tj.learn_born(x[:0], 2, progress=False), tj.SamplesError),
        (lambda: tj.learn_born(x, [2, 2], progress=False), tj.ShapeError),
        (lambda: tj.learn_born(x + 2, 2, progress=False), tj.StateError),
        (lambda: tj.learn_born(x, 2, method="magic", progress=False), tj.ParameterError),
        (lambda: tj.learn_positive(x, 2, method="magic", progress=False), tj.ParameterError),
        (lambda: tj.learn_born(x, 2, rounds=0, progress=False), tj.ParameterError),
        (
            lambda: tj.learn_ratio_matching(configs(DIMS), tj.Noise.uniform(DIMS), rate=-1.0, progress=False),
            tj.ParameterError,
        ),
        (lambda: tj.SoftmaxDenoiser(x, tj.Noise.uniform([2] * 3), features="none"), tj.ParameterError),
        (lambda: tj.Symmetry([0, 0, 1]), tj.ParameterError),
    ]:
        with pytest.raises(error):
            call()


def test_results_do_not_depend_on_threads():
    script = """
import hashlib, numpy as np, tensorjump as tj
x = tj.PositiveMps.random([2] * 10, 4, rng=1).sample(3000, rng=2).x
quiet = dict(progress=False)
for fit in (tj.learn_born(x, 2, rounds=3, **quiet), tj.learn_positive(x, 2, rounds=3, **quiet),
            tj.learn_ratio_matching(x, tj.Noise.uniform([2] * 10), epochs=2, **quiet)):
    print(hashlib.sha256(fit.model.log_prob(x).tobytes()).hexdigest())
"""
    outputs = set()
    for threads in ("1", "3"):
        env = {**os.environ, "RAYON_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1


@pytest.mark.parametrize("raises", [False, True])
def test_ctrl_c_returns_the_best_model_within_a_second(tmp_path, raises):
    path = tmp_path / "state.safetensors"
    script = f"""
import os, signal, threading, time, warnings, numpy as np, tensorjump as tj
x = tj.PositiveMps.random([2] * 40, 8, rng=1).sample(4000, rng=2).x
def ask():
    global sent
    time.sleep(1.0)
    sent = time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=ask).start()
warnings.simplefilter("ignore")
try:
    long = dict(rounds=10**6, patience=10**6, checkpoint={str(path)!r})
    fit = tj.learn_born(x, 2, max_bond=16, raise_on_interrupt={raises}, **long)
    print("returned", time.process_time() - sent)
    assert fit.stop == "asked" and len(fit.history) > 0 and np.isfinite(fit.model.log_prob(x)).all()
except KeyboardInterrupt:
    print("raised", time.process_time() - sent)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    how, seconds = done.stdout.split()
    assert how == ("raised" if raises else "returned") and float(seconds) < 1.0 and path.exists()


def test_ctrl_c_does_not_wait_for_a_long_round():
    script = """
import os, signal, threading, time, warnings, numpy as np, tensorjump as tj
x = tj.PositiveMps.random([2] * 100, 16, rng=1).sample(20_000, rng=2).x
def ask():
    global sent
    time.sleep(1.5)
    sent = time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=ask).start()
warnings.simplefilter("ignore")
fit = tj.learn_born(x, 2, rounds=100, max_bond=64, start=64, batch=20_000, method="one-site")
print(time.process_time() - sent)
assert fit.stop == "asked" and np.isfinite(fit.model.log_prob(x[:100])).all()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.0


def test_callbacks_run_on_the_calling_thread():
    import threading

    x, seen = tj.PositiveMps.random([2] * 4, 2, rng=1).sample(100, rng=2).x, set()
    tj.learn_positive(x, 2, rounds=2, progress=lambda round: seen.add(threading.get_ident()) and None)
    assert seen == {threading.get_ident()}


def test_bars_are_for_terminals(capsys, monkeypatch):
    x = tj.PositiveMps.random([2] * 4, 2, rng=1).sample(100, rng=2).x
    tj.learn_positive(x, 2, rounds=2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    tj.learn_positive(x, 2, rounds=2, validation=None)
    shown = capsys.readouterr().err
    assert "1/2 NLL" in shown and "2/2 NLL" in shown and shown.endswith("\n")
    tj.learn_positive(x, 2, rounds=2, progress=False)
    assert capsys.readouterr().err == ""

"""Arrays in and out, errors, threads, signals, processes, copies: what the binding itself has to get right."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import tensorjump as tj

from helpers import all_x


def ring(n=8, beta=0.5):
    return tj.PositiveMps.ising(beta, np.ones(n), 0.1 * np.arange(n), ring=True)


def test_shapes_and_seeds():
    m = ring()
    x, log_prob = m.sample(100, rng=1)
    assert x.shape == (100, 8) and x.dtype == np.uint8 and log_prob.shape == (100,) and log_prob.dtype == np.float64
    again = m.sample(100, rng=1)
    assert (again.x == x).all() and (again.log_prob == log_prob).all()
    assert not (m.sample(100, rng=2).x == x).all()
    np.testing.assert_array_equal(m.log_prob(x), log_prob)
    g = np.random.default_rng(3)
    assert not (m.sample(10, rng=g).x == m.sample(10, rng=g).x).all()
    assert (m.sample(10, rng=np.random.default_rng(3)).x == m.sample(10, rng=np.random.default_rng(3)).x).all()
    assert (m.sample(10, rng=np.uint64(5)).x == m.sample(10, rng=tj.Streams(5)).x).all()
    s = tj.Streams(5)
    assert not (m.sample(10, rng=s.step(1)).x == m.sample(10, rng=s).x).all()
    assert (m.sample(10, rng=s).x[4:] == m.sample(6, rng=s.rows_from(4)).x).all()


def test_draws_are_those_of_rust():
    """The numbers of `law.draw(3, &Streams::new(1))` for this law, printed by a Rust program."""
    m = tj.PositiveMps.ising(0.5, [1.0, -0.5, 2.0], [0.1, 0.2, 0.3, 0.4])
    x, log_prob = m.sample(3, rng=1)
    assert x.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert log_prob.tolist() == [-1.4603459313247973, -1.4603459313247973, -1.660345931324797]


def test_arrays_of_other_kinds():
    m, x = ring(), all_x([2] * 8)
    want = m.log_prob(x)
    doubled = np.repeat(x, 2, axis=1)[:, ::2]
    for other in (x.astype(int), x.astype(bool), np.asfortranarray(x), x[::-1][::-1], doubled, x.tolist(), x.astype(">i4")):
        np.testing.assert_array_equal(m.log_prob(other), want)
    np.testing.assert_array_equal(m.log_prob(x[::2]), want[::2])
    read_only = x.copy()
    read_only.setflags(write=False)
    np.testing.assert_array_equal(m.log_prob(read_only), want)


def test_empty_batches():
    m, none = ring(), np.zeros((0, 8), np.uint8)
    kernel = tj.Noise.flips(8).kernel(0.3)
    assert m.sample(0, rng=1).x.shape == (0, 8)
    assert m.log_prob(none).shape == (0,) and m.score_ratios(kernel, none).shape == (0, 8, 2)
    assert m.denoise(kernel, none, rng=1).log_prob.shape == (0,)
    assert tj.Proposal(m).propose(none, rng=1)[0].shape == (0, 8)
    assert tj.Ising(2, 4, 0.3).energy(none).shape == (0,)


@pytest.mark.parametrize(
    "bad, error, match",
    [
        (np.full((2, 8), -1), tj.ParameterError, "from_spins"),
        (np.full((2, 8), 300), tj.ParameterError, "300"),
        (np.zeros((2, 7), np.uint8), tj.ShapeError, "sites"),
        (np.full((2, 8), 2, np.uint8), tj.StateError, "out of range"),
        (np.zeros(8, np.uint8), tj.ShapeError, r"\(samples, sites\)"),
        (np.zeros((2, 2, 8), np.uint8), tj.ShapeError, r"\[2, 2, 8\]"),
        (np.zeros((2, 8)), TypeError, "float64"),
        (np.zeros((2, 8), complex), TypeError, "complex"),
        ("text", TypeError, "integers"),
        (None, TypeError, "integers"),
        (np.full((2, 8), 2**63, np.uint64), tj.ParameterError, str(2**63)),
    ],
)
def test_refused(bad, error, match):
    with pytest.raises(error, match=match):
        ring().log_prob(bad)


def test_errors_carry_their_fields():
    with pytest.raises(tj.StateError) as e:
        ring().log_prob(np.array([[0] * 8, [0, 0, 0, 2, 0, 0, 0, 0]]))
    assert (e.value.row, e.value.site, e.value.state, e.value.dim) == (1, 3, 2, 2) and isinstance(e.value, ValueError)
    chain = tj.Fredkin(8, c=0.5)
    model, kernel = tj.FredkinModel(chain), tj.Noise.flips(8).kernel(0.0)
    y = model.sample(4, rng=1).x.copy()
    y[2] = 0
    with pytest.raises(tj.ZeroEvidenceError) as e:
        model.denoise(kernel, y, rng=1)
    assert e.value.row == 2
    with pytest.raises(tj.NumberError, match="negative") as e:
        tj.PositiveMps([np.full((1, 2, 1), -1.0)])
    assert e.value.value == -1.0
    with pytest.raises(tj.ParameterError) as e:
        tj.Ising(4, 4, 0.3, geometry="klein")
    assert e.value.name == "geometry" and e.value.value == "klein"
    with pytest.raises(tj.FileError) as e:
        tj.BornMps.load("/nowhere/born.safetensors")
    assert isinstance(e.value, OSError) and "nowhere" in str(e.value.path)
    with pytest.raises(tj.TooLargeError):
        tj.DenseLaw.of(tj.Ising(8, 8, 0.3))
    with pytest.raises(tj.ParameterError, match="exact"):
        tj.BoundaryMps(tj.Ising(4, 4, 0.3)).noised_log_prob(tj.Noise.flips(16).kernel(0.1), np.zeros((1, 16), int))
    with pytest.raises(tj.ShapeError):
        ring().sample(3, rng=1, weights=np.ones(8))
    for rng in ("seed", -1, 1.5, None):
        with pytest.raises((TypeError, OverflowError)):
            ring().sample(3, rng=rng)
    with pytest.raises(TypeError):
        ring().sample(3)


def test_zero_copy():
    x = np.zeros((1000, 64), np.uint8)
    assert tj._core._address(x) == x.__array_interface__["data"][0]
    assert tj._core._address(x[5:, 3:]) == x[5:, 3:].__array_interface__["data"][0]
    assert tj._core._address(x.astype(int)) != x.__array_interface__["data"][0]
    a, address = tj._core._made(1000, 64)
    assert a.__array_interface__["data"][0] == address and a.flags.writeable and a.flags.c_contiguous


def test_memory_is_freed():
    resource = pytest.importorskip("resource")
    m = ring(64)
    for k in range(20):
        m.sample(20_000, rng=k)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for k in range(150):
        m.sample(20_000, rng=k)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB; 190 MB were made


def test_the_gil_is_released():
    m, done, ticks = tj.PositiveMps.random([2] * 100, 64, rng=1), threading.Event(), [0]

    def tick():
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    m.sample(40_000, rng=1)
    took, seen = time.perf_counter() - start, ticks[0]
    done.set()
    thread.join()
    assert seen > 30 * took, (seen, took)  # a second of a busy machine has a thousand ticks, without the GIL none


def test_threads_at_once():
    m = ring(64)
    want, got = [m.sample(3000, rng=k).x for k in range(4)], [None] * 4

    def work(k):
        for _ in range(5):
            got[k] = m.sample(3000, rng=k).x

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all((g == w).all() for g, w in zip(got, want))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_draws_do_not_depend_on_threads(threads):
    code = "import tensorjump as tj; print(tj.BoundaryMps(tj.Ising(8, 8, 0.4)).sample(500, rng=1).log_prob.sum().hex())"
    want = tj.BoundaryMps(tj.Ising(8, 8, 0.4)).sample(500, rng=1).log_prob.sum().hex()
    env = {**os.environ, "RAYON_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == want


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_draws():
    """The threads of the library do not survive a fork: a child that waited for them would wait for ever."""
    m = ring(64)
    want = m.sample(5000, rng=1).x.sum()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        same = m.sample(5000, rng=1).x.sum() == want
        kernel = tj.Noise.flips(64).kernel(0.1)
        tj.run_chains(m, tj.Proposal(m, kernel), 32, {"up": lambda x: x.sum(1)}, updates=5, progress=False)
        os._exit(0 if same else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}: 14 is the alarm"


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
def test_interrupt_of_a_long_draw():
    code = """
        import numpy as np, tensorjump as tj
        m = tj.PositiveMps.ising(0.5, np.ones(60), np.zeros(60), ring=True)
        print("started", flush=True)
        try:
            m.sample(50_000_000, rng=1)
        except KeyboardInterrupt:
            print("interrupted"); raise SystemExit(7)
        """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    p = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=-1, stderr=-1, text=True, env=env)
    assert p.stdout.readline().strip() == "started"
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 7 and "interrupted" in out and "panicked" not in err, (p.returncode, out, err)


def objects():
    rng = np.random.default_rng(1)
    ising = tj.Ising(3, 4, 0.3, couplings="pm", seed=3, field=rng.random((3, 4)), geometry="cylinder")
    positive = tj.PositiveMps.random([2, 3, 2], 4, rng=1)
    return [
        positive,
        tj.BornMps.random([2, 3, 2], 4, rng=1),
        tj.BornMps([rng.random((1, 2, 3)) + 1j * rng.random((1, 2, 3)), rng.random((3, 2, 2))]),
        tj.KernelMixture([[0, 1], [1, 1]], [np.array([[0.9, 0.1], [0.3, 0.7]])] * 2, weights=[0.2, 0.8]),
        tj.DenseLaw([2, 2], [0.1, 0.2, 0.3, 0.4]),
        ising,
        tj.PairModel.potts(3, 3, 3, 0.7),
        tj.BoundaryMps(ising),
        tj.BoundaryMps.proposal(ising, chi=4),
        tj.Fredkin(8, c=0.3),
        tj.FredkinModel(tj.Fredkin(8, c=0.3)),
        tj.FredkinModel(tj.Fredkin(12, c=0.3), chi=2),
    ]


@pytest.mark.parametrize("k", range(12))
def test_pickle_and_copy(k):
    a = objects()[k]
    for b in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a)):
        assert type(b) is type(a) and repr(b) == repr(a) and b.dims == a.dims
        if isinstance(a, tj.Model):
            x, y = a.sample(50, rng=1), b.sample(50, rng=1)
            np.testing.assert_array_equal(x.x, y.x)
            np.testing.assert_array_equal(x.log_prob, y.log_prob)
        else:
            x = tj.Chains.initial(a, 20).x
            np.testing.assert_array_equal(a.log_weight(x), b.log_weight(x))


def test_pickle_of_noise():
    q = np.array([[-0.3, 0.3], [1.2, -1.2]])
    for noise in (tj.Noise([q, q], schedule=tj.Schedule.geometric(0.1, 2.0, 1.5)), tj.Noise.mask([2, 3], rate=0.4),
                  tj.Noise.mask([2, 3]).on_sites([1]), tj.Noise.flips(3, up=0.2).scaled([1.0, 0.0, 2.0])):
        again = pickle.loads(pickle.dumps(noise))
        np.testing.assert_array_equal(again.kernel(0.7).tables, noise.kernel(0.7).tables)
        assert repr(again) == repr(noise)
        kernel = noise.kernel(0.7)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(kernel)).tables, kernel.tables)


def test_repr_tells_sizes():
    text = [repr(a) for a in objects()]
    for part in ("BoundaryMps(3x4 cylinder, chi=8)", "Ising(3x4 cylinder, beta=0.3)", "chi=4", "3 sites of 2 to 3 states"):
        assert any(part in t for t in text), (part, text)


def test_spins():
    s = np.array([[-1, 1, 1], [1, -1, -1]])
    assert tj.from_spins(s).tolist() == [[0, 1, 1], [1, 0, 0]] and tj.from_spins(s).dtype == np.uint8
    assert (tj.to_spins(tj.from_spins(s)) == s).all()
    with pytest.raises(tj.StateError):
        tj.from_spins([[0, 1]])


def test_targets_of_callables():
    ising = tj.Ising(4, 4, 0.4)
    same = tj.Target([2] * 16, lambda x: ising.log_weight(x))
    draws = tj.BoundaryMps(ising, chi=8).sample(2000, rng=1)
    a, b = tj.Importance(ising, draws), tj.Importance(same, draws)
    assert a.log_z == b.log_z and (a.log_weights == b.log_weights).all()

    class Mine(Exception):
        pass

    def raising(x):
        raise Mine("from the user")

    with pytest.raises(Mine, match="from the user"):
        tj.Importance(tj.Target([2] * 16, raising), draws)
    for wrong, error in (
        (lambda x: np.full(len(x), np.nan), tj.NumberError),
        (lambda x: "nonsense", TypeError),
        (lambda x: np.zeros(3), tj.ShapeError),
        (lambda x: np.zeros((len(x), 1)), tj.ShapeError),
    ):
        with pytest.raises(error):
            tj.Importance(tj.Target([2] * 16, wrong), draws)


def test_single_draws():
    model = tj.BoundaryMps(tj.Ising(4, 4, 0.4))
    draws = model.draws(rng=3, ahead=64)
    x, log_prob = zip(*(next(draws) for _ in range(100)))
    batch = model.sample(128, rng=3)
    np.testing.assert_array_equal(np.array(x), batch.x[:100])
    np.testing.assert_array_equal(log_prob, batch.log_prob[:100])
    with pytest.raises(tj.ParameterError):
        model.draws(rng=3, ahead=0)


def test_files(tmp_path):
    for model in (tj.PositiveMps.random([2, 3, 2], 4, rng=1), tj.BornMps.random([2, 3, 2], 4, rng=1)):
        path = tmp_path / "model.safetensors"
        model.save(path)
        x = all_x([2, 3, 2])
        again = type(model).load(str(path))
        np.testing.assert_array_equal(again.log_prob(x), model.log_prob(x))
        assert again.log_z == model.log_z
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(tj.FormatError):
            type(model).load(path)


def test_sizes_that_no_memory_holds():
    m = tj.PositiveMps.ising(0.5, [1.0], [0.0, 0.0])
    noise = tj.Noise.flips(2)
    for call in (
        lambda n: m.sample(n, rng=1),
        lambda n: m.draws(rng=1, ahead=n),
        lambda n: tj.Chains.initial(m, n),
        lambda n: tj.prior_start(noise, n, rng=1),
    ):
        for n in (2**46, 2**62):
            with pytest.raises(tj.TooLargeError):
                call(n)


def test_laws_have_no_subclasses():
    for base in (tj.Target, tj.Model, tj.PositiveMps):
        with pytest.raises(TypeError):
            type("Mine", (base,), {})


def test_what_is_not_samples_is_said():
    draws = ring().sample(4, rng=1)
    with pytest.raises(TypeError, match="Samples"):
        tj.Importance(ring(), draws.x)
    with pytest.raises(tj.StateError):
        tj.to_spins([0, 1, 2])

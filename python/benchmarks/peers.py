#!/usr/bin/env python3
"""The same work by this package and by those that people know, in one run, one thread each.

    python peers.py                                   # makes an environment of its own, measures, prints ratios
    python peers.py --venv DIR --json peers.json      # keeps the environment for another run
    python peers.py --only draws,ising --seconds 5

`draws`: configurations with their log-probability from one random state of 100 sites, chi = 64: quimb, TeNPy, emu-mps.
`ising`: independent configurations of the square Ising model at its critical temperature, 16^2, 32^2, 64^2. Draws of a
    boundary law count by their effective sample size; chains (peapods, dwave-samplers) by updates over twice the
    integrated autocorrelation time of |M|, which is estimated here from their own series, for all by one estimator.
`learn`: passes over 2000 configurations of 20 spins, Born machine of bonds up to 8: tn4ml.

What pip does not get, or what fails, is reported as absent with its reason. `--heavy` adds emu-mps (it brings torch).
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
PACKAGES = {
    "draws": ["quimb", "physics-tenpy"],
    "ising": ["dwave-samplers", "peapods"],
    "learn": ["tn4ml", "matplotlib"],
}
HEAVY = {"draws": ["emu-mps"]}
BETA = 0.44068679350977147  # ln(1 + sqrt 2)/2


def seconds(work):
    """CPU seconds of `work()`, and what it returned."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def tau(series):
    """Integrated autocorrelation time 1/2 + sum rho(t) of series (chains, steps), window of 5 tau, with its error."""
    import numpy as np

    series = np.atleast_2d(np.asarray(series, dtype=float))
    chains, n = series.shape
    a = series - series.mean()
    f = np.fft.rfft(a, 2 * n, axis=1)
    rho = np.fft.irfft(np.abs(f) ** 2, axis=1)[:, :n].sum(0) / (chains * (n - np.arange(n)))
    rho /= rho[0]
    sums = 0.5 + np.cumsum(rho[1:])
    window = next((w for w, t in enumerate(sums, 1) if w >= 5 * t), n - 1)
    t = max(0.5, float(sums[window - 1]))
    return t, t * float(np.sqrt((4 * window + 2) / (chains * n)))


# Draws with log-probability from one state.


def draws_tensorjump(state, budget):
    import tensorjump as tj

    model = tj.BornMps(state)
    model.sample(1024, rng=0)
    cpu, n, k = 0.0, 0, 0
    while cpu < budget:
        cpu += seconds(lambda: model.sample(1024, rng=k))[0]
        n, k = n + 1024, k + 1
    return dict(draws=n, cpu_seconds=cpu, rate=n / cpu)


def repeated(one, budget, each=1):
    """Repeats a call that makes `each` draws."""
    one()
    cpu, n = 0.0, 0
    while cpu < budget:
        cpu += seconds(one)[0]
        n += each
    return dict(draws=n, cpu_seconds=cpu, rate=n / cpu)


def draws_quimb(state, budget):
    import tensorjump as tj

    psi = tj.io.to_quimb(tj.BornMps(state))
    seeds = iter(range(10**9))
    # It brings the state to its canonical form once a call.
    return repeated(lambda: list(psi.sample(16, seed=next(seeds))), budget, 16)


def draws_tenpy(state, budget):
    import numpy as np
    from tenpy.networks.site import SpinHalfSite

    import tensorjump as tj

    psi = tj.io.to_tenpy(tj.BornMps(state), SpinHalfSite(conserve=None))
    rng = np.random.default_rng(1)
    return repeated(lambda: psi.sample_measurements(rng=rng), budget)


def draws_emu(state, budget):
    import torch
    from emu_mps import MPS

    import tensorjump as tj

    torch.set_num_threads(1)
    factors = [torch.tensor(a, dtype=torch.complex128) for a in tj.io.to_arrays(tj.BornMps(state))]
    psi = MPS(factors, orthogonality_center=0, num_gpus_to_use=0, eigenstates=("r", "g"))
    return dict(repeated(lambda: psi.sample(num_shots=32), budget, 32), note="no scores")


def draws(budget):
    import numpy as np

    rng = np.random.default_rng(1)
    bonds = [min(64, 2 ** min(j, 100 - j)) for j in range(101)]
    state = [rng.standard_normal((bonds[j], 2, bonds[j + 1])) for j in range(100)]
    return {
        name: attempt(work, state, budget)
        for name, work in [
            ("tensorjump", draws_tensorjump),
            ("quimb sample", draws_quimb),
            ("TeNPy sample_measurements", draws_tenpy),
            ("emu-mps sample", draws_emu),
        ]
    }


# Independent configurations of the Ising model at its critical temperature.


def ising_tensorjump(size, budget):
    import numpy as np

    import tensorjump as tj

    ising = tj.Ising(size, size, beta=BETA)
    chi = {16: 8, 32: 12}.get(size, 16)
    setup, model = seconds(lambda: tj.BoundaryMps(ising, chi=chi))
    model.sample(64, rng=0)
    cpu, n, k, log_w, m = 0.0, 0, 0, [], []
    while cpu < budget:
        took, (x, log_prob) = seconds(lambda: model.sample(1024, rng=k))
        log_w.append(ising.log_weight(x) - log_prob)
        m.append(np.abs(2 * x.mean(1) - 1))
        cpu, n, k = cpu + took, n + len(x), k + 1
    w, m = np.exp(np.concatenate(log_w) - np.max(log_w)), np.concatenate(m)
    share = float(w.sum() ** 2 / (w**2).sum() / len(w))
    mean = float((w * m).sum() / w.sum())
    error = float(np.sqrt((w**2 * (m - mean) ** 2).sum()) / w.sum())
    return dict(
        mean_abs_m=mean,
        error=error,
        rate=share * n / cpu,
        share=share,
        draws=n,
        cpu_seconds=cpu,
        setup_cpu_seconds=setup,
        chi=chi,
        note=f"open lattice, chi = {chi}, effective share {share:.4f}, |m| = {mean:.4f} +- {error:.4f}, "
        f"contraction once {setup:.2f} s",
    )


def chains(step, updates_a_step, budget, lattice, cost=None):
    """From a step that returns |M| of each chain: updates a CPU second, autocorrelation, independent ones a second.

    `cost`: updates a CPU second in one long call, where steps have an overhead of their own."""
    import numpy as np

    series, cpu, warm = [], 0.0, True
    while cpu < budget:
        took, m = seconds(step)
        cpu += took
        if warm and cpu > budget / 10:
            series, warm = [], False
        series.append(m)
    series = np.array(series).T
    t, error = tau(series)
    number, n = series.shape
    t, error = t * updates_a_step, error * updates_a_step
    rate = cost if cost is not None else number * n * updates_a_step / (cpu * 0.9)
    mean = float(series.mean())
    spread = float(series.std() * np.sqrt(2 * t / updates_a_step / series.size))
    note = f"{lattice}, tau of |M| {t:.1f} +- {error:.1f} updates, |m| = {mean:.4f} +- {spread:.4f}"
    if n * updates_a_step < 50 * t:
        note += f", from {n * updates_a_step / t:.0f} tau only: a rough value"
    return dict(
        mean_abs_m=mean,
        error=spread,
        rate=rate / max(1.0, 2 * t),
        updates_a_cpu_second=rate,
        tau=t,
        tau_error=error,
        note=note,
    )


def ising_dwave(size, budget):
    import numpy as np
    from dwave.samplers import SimulatedAnnealingSampler

    at = np.arange(size * size).reshape(size, size)
    bonds = [*zip(at[:, :-1].ravel(), at[:, 1:].ravel()), *zip(at[:-1].ravel(), at[1:].ravel())]
    couplings = {(int(a), int(b)): -1.0 for a, b in bonds}
    sampler, sweeps, seeds = SimulatedAnnealingSampler(), size * size // 64, iter(range(10**9))

    def sample(n, reads, start=None):
        schedule = dict(beta_schedule_type="custom", beta_schedule=[BETA], num_sweeps_per_beta=n)
        return sampler.sample_ising({}, couplings, num_reads=reads, seed=next(seeds), initial_states=start, **schedule)

    long = 20_000_000 // size**2
    cost = long / seconds(lambda: sample(long, 1))[0]
    state = [sample(100 * sweeps, 4)]

    def step():
        state[0] = sample(sweeps, 4, state[0])
        return np.abs(state[0].record.sample.sum(1)) / size**2

    return chains(step, sweeps, budget, "open lattice, Metropolis sweeps", cost)


def ising_peapods(size, budget):
    import numpy as np
    import peapods

    out = {}
    for name, every, cluster in [
        ("Metropolis sweeps", size * size // 64, {}),
        ("sweep + Swendsen-Wang", 1, dict(cluster_update_interval=1, cluster_mode="sw")),
    ]:
        model = peapods.Ising((size, size), temperatures=np.array([1 / BETA]))
        kinds = dict(sweep_mode="metropolis", warmup_ratio=0.0, sequential=True, **cluster)
        long = 5_000_000 // size**2
        model.sample(200, **kinds)
        cost = long / seconds(lambda: model.sample(long, **kinds))[0]

        def step():
            # The last one or two updates are looked at; those before them are discarded as a warm-up.
            r = model.sample(every, **{**kinds, "warmup_ratio": (every - 1.25) / every if every > 1 else 0.0})
            return np.sqrt(np.asarray(r["mags2"], dtype=float).reshape(-1)[:1])

        out[name] = chains(step, every, budget, f"torus, {name}", cost)
    best = max(out.values(), key=lambda r: r["rate"])
    return dict(best, all=out)


def ising(size, budget):
    return {
        name: attempt(work, size, budget)
        for name, work in [
            ("tensorjump BoundaryMps", ising_tensorjump),
            ("peapods", ising_peapods),
            ("dwave-samplers", ising_dwave),
        ]
    }


# Learning.


def data():
    """Configurations of an Ising chain."""
    import numpy as np

    import tensorjump as tj

    return tj.PositiveMps.ising(0.6, np.ones(19), 0.1 * np.ones(20)).sample(2000, rng=1).x


def learn_tensorjump(budget):
    import tensorjump as tj

    if not hasattr(tj, "learn_born"):
        raise ImportError("this build has no learn_born")
    cpu, fit = seconds(lambda: tj.learn_born(data(), 2, max_bond=8, rounds=20, progress=False))
    passes = len(fit.history)
    loss = -float(fit.model.log_prob(data()).mean())
    return dict(
        rate=passes / cpu, passes=passes, cpu_seconds=cpu, loss=loss, note=f"{passes} sweeps, then {loss:.4f} nats"
    )


def learn_tn4ml(budget):
    import contextlib
    import io

    import jax
    import numpy as np
    import optax
    from tn4ml.embeddings import QuantumBasisEmbedding
    from tn4ml.initializers import randn
    from tn4ml.metrics import NegLogLikelihood
    from tn4ml.models.mps import MPS_initialize
    from tn4ml.util import TrainingType

    import tensorjump as tj

    jax.config.update("jax_enable_x64", True)
    x = data()
    embedding = QuantumBasisEmbedding({0: np.array([1.0, 0.0]), 1: np.array([0.0, 1.0])})
    model = MPS_initialize(
        20, initializer=randn(0.1), key=jax.random.PRNGKey(1), bond_dim=8, phys_dim=2, add_identity=True
    )
    model.configure(
        strategy="global",
        optimizer=optax.adam,
        learning_rate=1e-2,
        loss=NegLogLikelihood,
        train_type=TrainingType.UNSUPERVISED,
    )

    def train(epochs):
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            model.train(
                x.astype(float), batch_size=250, epochs=epochs, embedding=embedding, normalize=True, dtype=np.float64
            )

    train(1)
    # Each call compiles anew: the difference of two is the epochs alone.
    few, many = seconds(lambda: train(1))[0], seconds(lambda: train(9))[0]
    loss = -float(tj.io.from_quimb(model).log_prob(x).mean())
    return dict(
        rate=8 / (many - few),
        cpu_seconds=many,
        compile_cpu_seconds=few,
        loss=loss,
        note=f"Adam epochs of batches of 250, {loss:.4f} nats after 11, compilation {few:.1f} s a call not counted",
    )


def learn(budget):
    return {name: attempt(work, budget) for name, work in [("tensorjump", learn_tensorjump), ("tn4ml", learn_tn4ml)]}


# The frame.


def attempt(work, *arguments):
    """What was measured, or why not."""
    try:
        return work(*arguments)
    except Exception as e:  # a peer's failure is a result
        return dict(absent=f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"[:200])


def show(title, rows, unit):
    print(f"{title} ({unit})", flush=True)
    ours = next(iter(rows.values())).get("rate")  # of this package, unless it is absent
    for name, row in rows.items():
        if "absent" in row:
            print(f"  {name:28} absent: {row['absent']}")
            continue
        ratio = f"{ours / row['rate']:10.1f} x" if ours and row["rate"] != ours else " " * 12
        print(f"  {name:28} {row['rate']:14.2f} {ratio}  {row.get('note', '')}")


def measure(options):
    import warnings

    warnings.filterwarnings("ignore")
    import importlib.metadata as metadata

    import tensorjump as tj

    names = [p for group in (*PACKAGES.values(), *HEAVY.values()) for p in group] + ["numpy"]
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    result = dict(
        options={k: str(v) for k, v in vars(options).items()},
        tensorjump=tj.__version__,
        versions=versions,
        python=platform.python_version(),
        machine=platform.machine(),
        threads=1,
    )
    if "draws" in options.only:
        result["draws"] = draws(options.seconds)
        show("Draws with log-probability, 100 sites, chi = 64", result["draws"], "a CPU second")
    if "ising" in options.only:
        result["ising"] = {}
        for size in options.sizes:
            rows = result["ising"][f"{size}^2"] = ising(size, options.seconds)
            show(f"Ising {size}^2 at its critical temperature", rows, "independent configurations a CPU second")
    if "learn" in options.only:
        result["learn"] = learn(options.seconds)
        show(
            "Learning, 2000 configurations of 20 spins, bonds up to 8",
            result["learn"],
            "passes over the data a CPU second",
        )
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n")


def install(options):
    """An environment with the peers; returns its interpreter."""
    python = pathlib.Path(options.venv) / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", options.venv], check=True)
    wanted = ["numpy"] + [
        p for part in options.only for p in PACKAGES[part] + (HEAVY.get(part, []) if options.heavy else [])
    ]
    for package in wanted:
        begun = time.time()
        try:
            done = subprocess.run([python, "-m", "pip", "install", "-q", package], timeout=options.patience)
            state = "installed" if done.returncode == 0 else "not installed"
        except subprocess.TimeoutExpired:
            state = "given up"
        print(f"{package}: {state} after {time.time() - begun:.0f} s", file=sys.stderr)
    return python


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", help="folder of the environment, made where it is not there; else a temporary one")
    parser.add_argument("--only", default="draws,ising,learn", type=lambda s: s.split(","), help="draws, ising, learn")
    parser.add_argument(
        "--sizes", default=[16, 32, 64], type=lambda s: [int(n) for n in s.split(",")], help="of lattices"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="CPU seconds for each figure")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds for each installation")
    parser.add_argument("--heavy", action="store_true", help="emu-mps as well")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if set(options.only) - set(PACKAGES):
        parser.error(f"--only: {', '.join(sorted(set(options.only) - set(PACKAGES)))}")
    if options.inside:
        return measure(options)
    import tensorjump

    with tempfile.TemporaryDirectory(prefix="tensorjump-peers-") as folder:
        options.venv = options.venv or folder
        python = install(options)
        # The package of this interpreter: one extension serves all versions of Python from 3.10.
        environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(tensorjump.__file__).parent.parent))
        environment.update({name: "1" for name in THREADS}, XLA_FLAGS="--xla_cpu_multi_thread_eigen=false")
        raise SystemExit(subprocess.run([python, __file__, *sys.argv[1:], "--inside"], env=environment).returncode)


if __name__ == "__main__":
    main()

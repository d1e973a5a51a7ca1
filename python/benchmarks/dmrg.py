#!/usr/bin/env python3
"""Ground states from TeNPy's DMRG, drawn and measured: XXZ chains with conserved Sz, real and complex.

    pip install physics-tenpy quimb h5py
    python dmrg.py                          # L = 100, chi = 64, 10^5 draws: some minutes, most of them DMRG
    python dmrg.py --sites 40 --chi 32 --json

1. A chain in a random field, and one with a Dzyaloshinskii-Moriya coupling, whose ground state is complex.
2. Draws in the Z basis, in X at all sites, and with X and Y in turn; <Sz>, <Sz Sz>, <Sx Sx> and (complex) <Sx Sy>
   beside TeNPy's expectation values, in units of the exact standard deviation of the mean.
3. Draws with log-probability in a CPU second beside TeNPy's `sample_measurements` and quimb's `sample`, one thread.
"""

import argparse
import json
import os
import pathlib
import platform
import tempfile
import time
import warnings

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

import tensorjump as tj  # noqa: E402


def ground_state(kind, sites, chi, seed, folder):
    """A TeNPy MPS with conserved Sz; kept in `folder` where it has been computed before."""
    from tenpy.algorithms import dmrg
    from tenpy.models.spins import SpinChain
    from tenpy.networks.mps import MPS
    from tenpy.tools import hdf5_io

    path = pathlib.Path(folder) / f"{kind}-{sites}-{chi}-{seed}.h5"
    if path.exists():
        return hdf5_io.load(str(path))["psi"], path, 0.0
    field = 0.4 * np.random.default_rng(seed).standard_normal(sites)
    coupling = dict(Jx=1.0, Jy=1.0, Jz=0.5, muJ=0.6 if kind == "complex" else 0.0, hz=field)
    model = SpinChain(dict(L=sites, S=0.5, conserve="Sz", bc_MPS="finite", sort_charge=True, **coupling))
    start = (["up", "down"] * sites)[:sites]
    psi = MPS.from_product_state(model.lat.mps_sites(), start, dtype=complex if kind == "complex" else float)
    options = dict(mixer=True, max_sweeps=12, max_E_err=1e-8, trunc_params=dict(chi_max=chi, svd_min=1e-10))
    begun = time.process_time()
    dmrg.run(psi, model, options)
    hdf5_io.save({"psi": psi}, str(path))
    return psi, path, time.process_time() - begun


def deviations(name, means, exact, spread, draws):
    """Deviations of means of `draws` values from exact ones, in standard deviations: the largest of how many."""
    z = np.abs(means - exact) / np.sqrt(spread / draws)
    return dict(values=int(z.size), largest=float(z.max()), rms=float(np.sqrt((z**2).mean())), what=name)


def pairs(sites):
    """From ten sites to all sites behind them."""
    first = np.linspace(0, sites - 2, 10).astype(int)
    return [(i, j) for i in first for j in range(i + 1, sites)]


def measured(psi, read, draws, seed):
    """Everything measured from draws beside TeNPy's own values."""
    n = psi.L
    where = pairs(n)
    i, j = np.transpose(where)
    first = sorted(set(i.tolist()))
    row = {site: k for k, site in enumerate(first)}
    table = {
        ops: psi.correlation_function(*ops, sites1=first, sites2=list(range(n))) for ops in [("Sz", "Sz"), ("Sp", "Sm")]
    }
    szsz = np.real([table["Sz", "Sz"][row[a], b] for a, b in where])
    # Sz is conserved: <S+ S+> = 0, <Sx Sx> = Re <S+ S->/2, <Sx Sy> = -Im <S+ S->/2, with S = sigma/2.
    spsm = np.array([table["Sp", "Sm"][row[a], b] for a, b in where])
    sz = np.real(psi.expectation_value("Sz"))

    # TeNPy's SpinSite lists Sz = -1/2 first: Z, and with it Y = iXZ, are reversed where `BornMps` takes 0 as up.
    sign = {None: -1, "Z": -1, "X": 1, "Y": -1}

    def spins(bases):
        signs = [sign[b] for b in (bases if bases and len(bases) == n else [bases] * n)]
        return (0.5 - read(bases).sample(draws, rng=seed).x) * signs

    def product(s):
        return np.array([np.dot(s[:, a], s[:, b]) for a, b in where]) / draws

    s = spins(None)
    out = [
        deviations("<Sz>", s.mean(0), sz, 0.25 - sz**2, draws),
        deviations("<Sz Sz>", product(s), szsz, 1 / 16 - szsz**2, draws),
    ]
    sxsx = spsm.real / 2
    s = spins("X")
    out.append(deviations("<Sx>", s.mean(0), 0.0, 0.25, draws))
    out.append(deviations("<Sx Sx>", product(s), sxsx, 1 / 16 - sxsx**2, draws))
    if np.iscomplexobj(psi.get_B(0).to_ndarray()):
        s = spins(("XY" * n)[:n])
        odd = (j - i) % 2 == 1
        sxsy = np.where(i % 2 == 0, -spsm.imag / 2, spsm.imag / 2)
        exact = np.where(odd, sxsy, spsm.real / 2)
        out.append(deviations("<Sx Sy> or <Sa Sa>", product(s), exact, 1 / 16 - exact**2, draws))
        # What a law of the real part, or of the conjugate state, would be judged as.
        wrong = np.where(odd, -sxsy, spsm.real / 2)
        out[-1]["conjugate"] = deviations("", product(s), wrong, 1 / 16 - wrong**2, draws)["largest"]
    return out


def speeds(psi, model, few, many):
    """Draws in a CPU second of one thread, of the same state."""

    def rate(draws, work):
        begun = time.process_time()
        work()
        return draws / (time.process_time() - begun)

    out = {}
    model.sample(1024, rng=0)
    out["tensorjump, 1024 at a time"] = rate(many, lambda: [model.sample(1024, rng=k) for k in range(many // 1024)])
    rng = np.random.default_rng(1)
    psi.sample_measurements(rng=rng)
    out["TeNPy sample_measurements"] = rate(few, lambda: [psi.sample_measurements(rng=rng) for _ in range(few)])
    try:
        other = tj.io.to_quimb(model)
    except ImportError:
        return out
    list(other.sample(1, seed=0))
    out["quimb sample"] = rate(few, lambda: list(other.sample(few, seed=1)))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--chi", type=int, default=64)
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=20, help="draws of the peers that are timed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder of the states, for another run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.keep or tempfile.mkdtemp(prefix="tensorjump-dmrg-")
    result = dict(options=vars(options), version=tj.__version__, machine=platform.machine(), states={})
    for kind in ("real", "complex"):
        psi, path, seconds = ground_state(kind, options.sites, options.chi, options.seed, folder)
        model = tj.io.from_tenpy(psi)
        arrays, stored = tj.io.from_tenpy(psi, arrays=True), tj.io.read_tenpy(path, arrays=True)
        state = dict(
            chi=int(max(psi.chi)),
            law=repr(model),
            dmrg_cpu_seconds=seconds,
            file_is_object=bool(all((a == b).all() for a, b in zip(arrays, stored))),
            largest_imaginary_part=float(max(np.abs(np.imag(a)).max() for a in arrays)),
            deviations=measured(psi, lambda bases: tj.io.from_tenpy(psi, bases=bases), options.draws, options.seed),
            draws_a_cpu_second=speeds(psi, model, options.few, 8 * 1024),
        )
        rates = state["draws_a_cpu_second"]
        ours = next(iter(rates.values()))
        state["ratios"] = {name: ours / rate for name, rate in list(rates.items())[1:]}
        result["states"][kind] = state
        if options.json:
            continue
        print(f"{kind}: {state['law']}, bonds {state['chi']} in TeNPy; file = object: {state['file_is_object']}")
        for d in state["deviations"]:
            twin = f", {d['conjugate']:.0f} from the conjugate state" if "conjugate" in d else ""
            size = f"{d['largest']:.2f} sigma, rms {d['rms']:.2f}"
            print(f"  {d['what']:20} {d['values']:5} values, largest deviation {size}{twin}")
        for name, rate in rates.items():
            ratio = f", {ours / rate:.0f} times fewer" if rate != ours else ""
            print(f"  {name:28} {rate:12.1f} draws a CPU second{ratio}")
    if options.json:
        print(json.dumps(result, indent=2))
    worst = max(d["largest"] for s in result["states"].values() for d in s["deviations"])
    # About 2 x 1000 values each: a largest deviation above 5 sigma has a chance of some 0.2 %.
    raise SystemExit(0 if worst < 5 else f"a deviation of {worst:.2f} sigma")


if __name__ == "__main__":
    main()

"""Pages of the Python reference, one for each theme. A public name without a theme fails the build."""

import re
from pathlib import Path

THEMES = {
    "laws": (
        "Laws",
        "What can be weighed, drawn, tilted.",
        "Target Model Draws Samples PositiveMps BornMps KernelMixture Permuted Labelled Automaton pinned DenseLaw",
    ),
    "lattices": (
        "Lattices and chains",
        "Square lattices, their draws and contraction; ±J glasses in three dimensions; the Fredkin chain.",
        "Ising PairModel BoundaryMps SnakeMps contract CubicBits Fredkin FredkinModel to_spins from_spins",
    ),
    "noise": (
        "Noise",
        "Continuous-time noise that acts site by site.",
        "Noise Kernel Schedule Bridge signal time_of_signal",
    ),
    "diffusion": (
        "Denoising and reverse processes",
        "Exact and own denoisers, samplers and their laws, guidance, likelihood bounds.",
        "Denoiser TimeGrid Reversed SamplerLaw Trajectory LikelihoodBound exact_start exact_paths prior_start "
        "prior_law convert_scores Guided GuidedSamples Classified TokenNoise SiteConditionals truth_bench "
        "Bench BenchRow distances Distances kernel_matrix generator_matrix",
    ),
    "monte_carlo": (
        "Monte Carlo",
        "Proposals, moves, chains, tempering; weights, errors and diagnostics.",
        "Proposal Move Chains Run RunProgress run_chains run_tempering TemperingProgress Tempering Replicas Importance Mean "
        "autocorrelation_time series_mean jackknife split_r_hat missing_mass bridge_log_z",
    ),
    "learning": (
        "Learning",
        "Laws and denoisers from samples, laws from log-weights.",
        "learn_born learn_positive learn_in_the_loop learn_ratio_matching learn_glauber Fit Round Matched "
        "Epoch LoopFit LoopRound Stage Symmetry ConditionalTables SoftmaxDenoiser OperatorScores "
        "GlauberWindow windows Smoothing Bandwidth LeaveOneOut SiteRates",
    ),
    "files": (
        "Files and other packages",
        "States of TeNPy, quimb and ITensor; plain files.",
        "io",
    ),
    "plots": (
        "Pictures",
        "Helpers that need matplotlib.",
        "plot",
    ),
    "rest": (
        "Randomness and errors",
        "Streams of random numbers; every error is a ValueError with its fields as attributes.",
        "Streams TensorJumpError ParameterError ShapeError StateError NumberError SamplesError "
        "ZeroEvidenceError ConvergenceError TooLargeError FileError FormatError RankError",
    ),
}
SUBMODULES = {"io", "plot"}


def entry(tj, name):
    if name in SUBMODULES:
        return f".. automodule:: tensorjump.{name}\n   :members:\n"
    thing = getattr(tj, name)
    if isinstance(thing, type):
        inherited = "   :inherited-members: " if name in ("Labelled",) else ""
        undocumented = "   :undoc-members:\n" if issubclass(thing, tuple) else ""
        bases = "   :show-inheritance:\n" if thing.__module__.startswith("tensorjump") else ""
        return f".. autoclass:: tensorjump.{name}\n   :members:\n{bases}{undocumented}{inherited}"
    return f".. autofunction:: tensorjump.{name}\n"


def write(app):
    import types

    import tensorjump as tj

    public = {name for name in dir(tj) if not name.startswith("_")}
    public = {name for name in public if not isinstance(getattr(tj, name), types.ModuleType)} - {"annotations"}
    themed = [name for _, _, names in THEMES.values() for name in names.split()]
    lost = sorted(public - set(themed))
    gone = [name for name in themed if name not in public | SUBMODULES]
    if lost or gone:
        raise RuntimeError(f"docs/_ext/reference.py: names without a theme {lost}, themes without a name {gone}")
    folder = Path(app.srcdir) / "api"
    for file, (title, line, names) in THEMES.items():
        body = "\n".join(entry(tj, name) for name in names.split())
        text = f"# {title}\n\n{line}\n\n```{{eval-rst}}\n{body}```\n"
        path = folder / f"{file}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def plain(app, what, name, obj, options, lines):
    """Docstrings are read as text: stars and bars are stars and bars, `*args` is no emphasis."""
    for k, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...", "===", "..", ":")):
            continue
        bullet = re.match(r"\s*\* ", line)
        start = bullet.end() if bullet else 0
        parts = re.split(r"(``.*?``|`[^`]*`)", line[start:])
        for p in range(0, len(parts), 2):
            parts[p] = re.sub(r"(?<!\\)([*|])", r"\\\1", parts[p])
            parts[p] = re.sub(r"(\w)_(?=\W|$)", r"\1\\_", parts[p])
        lines[k] = line[:start] + "".join(parts)


def setup(app):
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", plain)
    return {"parallel_read_safe": True}

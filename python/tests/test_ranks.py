"""Work over ranks, threads standing for processes: everywhere what one process finds, to the last bit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorjump as tj


class Threads:
    """A communicator with the names of mpi4py."""

    def __init__(self, rank: int, numbers: list[Any], barrier: threading.Barrier) -> None:
        self._rank, self._numbers, self._barrier = rank, numbers, barrier

    def Get_rank(self) -> int:
        return self._rank

    @property
    def size(self) -> int:
        return len(self._numbers)

    def allgather(self, mine: np.ndarray) -> list[np.ndarray]:
        self._numbers[self._rank] = mine
        self._barrier.wait()
        everything = list(self._numbers)
        self._barrier.wait()
        return everything


def on_ranks(size: int, work: Callable[[Threads], Any]) -> list[Any]:
    """What `work` returns, or raises, on each of so many ranks."""
    numbers: list[Any] = [None] * size
    barrier = threading.Barrier(size, timeout=60)
    found: list[Any] = [None] * size

    def one(rank: int) -> None:
        try:
            found[rank] = work(Threads(rank, numbers, barrier))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def glass(beta: float) -> tj.Ising:
    return tj.Ising(4, 4, beta, couplings="pm", seed=3)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_runs_are_those_of_one_process(size: int) -> None:
    target = glass(0.7)
    move = tj.Move.heat_bath(target)

    def run(ranks: Threads | None) -> tuple[Any, ...]:
        found = tj.run_chains(
            target, move, 5, {"energy": target.energy}, updates=20, warm_up=3, seed=2, ranks=ranks, progress=False
        )
        return found.series.tobytes(), found.log_weight.tobytes(), found.report, found.chains.x.tobytes()

    expected = run(None)
    assert on_ranks(size, run) == [expected] * size


@pytest.mark.parametrize("size", [2, 3])
def test_tempering_is_that_of_one_process(size: int) -> None:
    levels = [(beta, glass(beta), tj.Move.heat_bath(glass(beta))) for beta in (0.3, 0.5, 0.9)]
    ladder = tj.Tempering(levels, proportional=True)

    def run(ranks: Threads | None) -> str:
        replicas = ladder.start(2, seed=4)
        replicas.advance(17, ranks=ranks)
        replicas.advance(8, ranks=ranks)
        return replicas.snapshot()

    expected = run(None)
    assert on_ranks(size, run) == [expected] * size


def test_learning_in_the_loop_is_that_of_one_process() -> None:
    target = tj.Ising(3, 3, 0.3)

    def learn(ranks: Threads | None) -> tuple[bytes, list[float]]:
        fit = tj.learn_in_the_loop(
            target, max_bond=4, rounds=2, draws=300, chains=40, warm_up=10, enough=(1.0, 1.0), ranks=ranks, progress=False
        )
        return fit.x.tobytes(), [round.log_z for round in fit.history]

    expected = learn(None)
    assert on_ranks(3, learn) == [expected] * 3


def test_the_error_of_a_rank_reaches_all() -> None:
    target = glass(0.7)

    def run(ranks: Threads) -> None:
        def energy(x: np.ndarray) -> np.ndarray:
            if ranks.Get_rank() == 1:
                raise KeyError("mine")
            return target.energy(x)

        tj.run_chains(target, tj.Move.heat_bath(target), 6, {"energy": energy}, ranks=ranks, progress=False)

    first, second, third = on_ranks(3, run)
    assert isinstance(second, KeyError)
    assert isinstance(first, tj.RankError) and isinstance(third, tj.RankError)
    assert first.rank == third.rank == 1


def test_learning_over_ranks_refuses_other_options_and_communicators_that_double():
    few = dict(draws=64, chains=16, warm_up=2, progress=False)

    def learn(ranks: Threads) -> Any:
        return tj.learn_in_the_loop(glass(0.3), max_bond=2, rounds=1 + ranks.Get_rank(), ranks=ranks, **few)

    assert all(isinstance(e, tj.ParameterError) for e in on_ranks(2, learn))

    def other_target(ranks: Threads) -> Any:
        model = glass(0.3 + 0.1 * ranks.Get_rank())
        return tj.run_chains(model, tj.Move.heat_bath(model), 4, updates=2, ranks=ranks, progress=False)

    assert all(isinstance(e, tj.ParameterError) and "target" in str(e) for e in on_ranks(2, other_target))

    class Double:
        rank, size = 0, 1

        def allgather(self, mine: np.ndarray) -> list[np.ndarray]:
            return [np.r_[mine, mine]]

    with pytest.raises(tj.TensorJumpError):
        tj.learn_in_the_loop(glass(0.3), max_bond=2, rounds=1, ranks=Double(), **few)

"""Candidates take turns, and ratios are those of neighbors."""

import time

from f4d_mmaction.analysis.timing import take_turns, time_ratio, timed


def test_candidates_take_turns_and_the_warmup_does_not_count() -> None:
    calls: list[str] = []

    def candidate(name: str):
        def run() -> int:
            calls.append(name)
            return len(calls)

        return run

    results = take_turns([candidate("A"), candidate("B")], rounds=2, warmup=1)
    assert "".join(calls) == "ABABAB"
    assert results == [[3, 5], [4, 6]]


def test_a_ratio_is_the_median_of_the_quotients_of_each_round() -> None:
    times, others = [1.0, 10.0, 3.0], [2.0, 2.0, 1.0]
    assert time_ratio(times, others) == 3  # the quotient of the medians would be 1.5


def test_a_call_is_timed() -> None:
    start = time.perf_counter()
    seconds = timed(lambda: time.sleep(0.05))
    assert 0.05 <= seconds <= time.perf_counter() - start

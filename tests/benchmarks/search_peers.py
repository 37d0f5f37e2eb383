"""Ours against the other libraries of nearest neighbours, in one process on the same threads.

    python tests/benchmarks/search_peers.py [--data gowalla-64 ...] [--quick] [--peers all] [--out results.json]

For every data set, items to items and, where there are users, users to items: top 20, by the cosine (peers are given
normalized vectors), the inner product, or for MNIST the euclidean distance. Peers are swept over the settings in
``peers.py``. A setting's recall is measured on a sample of queries first, and only the cheapest to reach each of
``--recalls`` is timed on all queries; sweeps of a build end there. What would take longer than its share of
``--peer-seconds`` is timed on a random sample of queries and extrapolated, marked ``~``.

Other processes make any figure wrong: the share of the machine that they took is measured, and what was disturbed is
marked; ``--patience`` waits for them.

Ours is built and timed before the peers and again after them, and the best counts. Ratios are a peer's total, build
included, to ours: ``/exact`` to our exact search, ``/.99`` to ours at recall .99, where that has at least the peer's
recall.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
from hardware import NoLimitError, multiply_add_limit
from measure import QUIET, SHORT_SECONDS, Job, Work, answer, best_time, make_job, recall, timed, wait_for_quiet
from peers import PEERS, Annlib, OutOfTimeError, Peer, Settings, UnavailableError, normalized

from annlib import _native

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

#: Of a peer's seconds for a job, what one timing of all queries may take.
_QUERY_SHARE = 0.1
#: A sweep is given up where its queries alone take this many times the peer's best total at the highest recall.
_HOPELESS = 3.0
_QUICK_ROWS = 5_000
_TRUTH_QUERIES, _TRUTH_QUERIES_OF_MANY, _MANY = 2_000, 1_000, 500_000


@dataclass
class Row:
    """One measured setting; seconds are None where it was not timed, and ``note`` says why.

    Attributes
    ----------
    timed_queries
        Of the queries, how many ``query_seconds`` was extrapolated from; all of them if it was not.
    processor_seconds
        Of all threads, build and queries: what a disturbed row would at best have taken is this over the threads.
    others
        Share of the machine that other processes took meanwhile.
    scanned_share, multiply_adds_per_second, limit_share
        Ours alone: of the items how many were scanned, 8-bit products a second, and of the hardware's limit, for the
        instruction set in use.
    """

    data: str
    work: str
    peer: str
    version: str
    build_settings: Settings
    search_settings: Settings
    build_seconds: float | None = None
    query_seconds: float | None = None
    queries: int = 0
    timed_queries: int = 0
    recall: float | None = None
    processor_seconds: float | None = None
    others: float = 0.0
    scanned_share: float | None = None
    multiply_adds_per_second: float | None = None
    limit_share: float | None = None
    note: str = ""

    @property
    def total(self) -> float | None:
        """Build and query seconds."""
        if self.build_seconds is None or self.query_seconds is None:
            return None
        return self.build_seconds + self.query_seconds


@dataclass(frozen=True)
class Plan:
    """What is asked of every job."""

    peers: Sequence[type[Peer]]
    recalls: Sequence[float]
    peer_seconds: float
    num_threads: int
    quick: bool
    patience: float
    limit: float | None


def measure_peer(kind: type[Peer], job: Job, plan: Plan) -> Iterator[Row]:
    """Sweep a peer over its builds and searches."""
    deadline = time.perf_counter() + plan.peer_seconds
    best = float("inf")  # total at the highest recall asked for
    try:
        kind(plan.num_threads)
        builds = kind.builds(job)[:1] if plan.quick else kind.builds(job)
        version = kind.version()
    except UnavailableError as error:
        yield Row(job.data, job.work, kind.name, "", {}, {}, note=f"skipped: {error}")
        return
    for settings in builds:
        row = Row(job.data, job.work, kind.name, version, settings, {}, queries=len(job.queries))
        if time.perf_counter() > deadline:
            yield dataclasses.replace(row, note=f"not run: {plan.peer_seconds:.0f} s were used up")
            continue
        try:
            for measured in _measure_build(kind, job, row, plan, deadline, best):
                if (measured.recall or 0.0) >= max(plan.recalls):
                    best = min(best, _total(measured))
                yield measured
        except UnavailableError as error:
            yield dataclasses.replace(row, note=f"skipped: {error}")
            return
        except OutOfTimeError as error:
            yield dataclasses.replace(row, note=f"build given up after {plan.peer_seconds:.0f} s: {error}")
        except (RuntimeError, MemoryError) as error:  # what the libraries raise of their own failures
            yield dataclasses.replace(row, note=f"failed: {str(error).strip().splitlines()[0]}")


def _measure_build(kind: type[Peer], job: Job, row: Row, plan: Plan, deadline: float, best: float) -> Iterator[Row]:
    peer = kind(plan.num_threads)
    queries = normalized(job.queries) if job.metric == "cosine" else job.queries
    _, built = best_time(partial(_build, peer, job, row.build_settings, deadline), plan.patience, deadline)
    longest = _HOPELESS * best
    for settings, note in _worth_timing(peer, job, queries, plan, deadline, longest):
        search = partial(_answer, peer, job, queries, settings)
        answered = answer(job, search, _QUERY_SHARE * plan.peer_seconds, plan.patience)
        both = built + answered.timing
        yield dataclasses.replace(
            row,
            search_settings=settings,
            build_seconds=built.seconds,
            query_seconds=answered.timing.seconds,
            processor_seconds=both.processor_seconds,
            others=both.others,
            timed_queries=answered.timed_queries,
            recall=recall(job, answered.rows),
            note=note,
        )


def _build(peer: Peer, job: Job, settings: Settings, deadline: float) -> None:
    items = normalized(job.items) if job.metric == "cosine" else job.items
    peer.build(job, items, settings, deadline)


def _answer(peer: Peer, job: Job, queries: NDArray[Any], settings: Settings, rows: NDArray[Any] | None) -> NDArray[Any]:
    return peer.answer(job, queries, rows, settings)


def _worth_timing(
    peer: Peer, job: Job, queries: NDArray[Any], plan: Plan, deadline: float, longest: float
) -> Iterator[tuple[Settings, str]]:
    """The settings to time: all of an exact peer; else the first to reach each recall.

    A sweep ends at the highest recall, or when the next setting would pass the deadline or take longer than ``longest``
    for all queries; where no recall was reached since, the last setting is timed, to say how far it gets.
    """
    settings_list = peer.searches(job)
    if peer.exact:
        yield from ((settings, "") for settings in settings_list)
        return
    wanted = sorted(plan.recalls)
    untimed: Settings | None = None
    seconds = full = 0.0
    for settings in settings_list:
        # The next takes about 1.5 times as long as this one, and then perhaps all queries.
        timing_all = min(_QUERY_SHARE * plan.peer_seconds, full)
        if full > longest or time.perf_counter() + 1.5 * seconds + timing_all > deadline:
            break
        found, timing = timed(partial(_answer, peer, job, queries, settings, job.sample))
        seconds, reached = timing.seconds, recall(job, found)
        full = seconds * len(job.queries) / len(job.sample)
        untimed = settings
        if reached >= wanted[0]:
            wanted, untimed = [target for target in wanted if target > reached], None
            yield settings, ""
        if not wanted:
            return
    if untimed is not None:
        yield untimed, f"recall {wanted[0]} not reached"


def measure_ours(job: Job, plan: Plan) -> list[Row]:
    """Build ours, and search exactly and at recall .99."""
    peer = Annlib(plan.num_threads)
    _, built = best_time(partial(_build_ours, peer, job), plan.patience)
    rows = []
    for settings in peer.searches(job):
        search = partial(_answer, peer, job, job.queries, settings)
        answered = answer(job, search, plan.peer_seconds, plan.patience)
        both = built + answered.timing
        row = Row(
            job.data,
            job.work,
            peer.name,
            peer.version(),
            {},
            settings,
            built.seconds,
            answered.timing.seconds,
            len(job.queries),
            answered.timed_queries,
            recall(job, answered.rows),
            both.processor_seconds,
            both.others,
        )
        _add_statistics(row, peer.last_search(), plan.limit)
        rows.append(row)
    return rows


def _add_statistics(row: Row, statistics: dict[str, float], limit: float | None) -> None:
    row.scanned_share = statistics.get("scanned_share")
    if {"multiply_adds", "seconds"} <= statistics.keys():
        row.multiply_adds_per_second = statistics["multiply_adds"] / statistics["seconds"]
        row.limit_share = None if limit is None else row.multiply_adds_per_second / limit


def _build_ours(peer: Annlib, job: Job) -> None:
    peer.build(job, job.items, {}, deadline=float("inf"))


def measure_job(job: Job, plan: Plan) -> list[Row]:
    """Ours, the peers, and ours again where it was short."""
    print(f"\n{job}", flush=True)
    ours = measure_ours(job, plan)
    rows = []
    for kind in plan.peers:
        for row in measure_peer(kind, job, plan):
            print("  " + describe(row), flush=True)
            rows.append(row)
    if plan.peers and all(row.total is not None and row.total < SHORT_SECONDS for row in ours):
        for row, again in zip(ours, measure_ours(job, plan), strict=True):
            row.build_seconds = min(row.build_seconds or 0.0, again.build_seconds or 0.0)
            row.query_seconds = min(row.query_seconds or 0.0, again.query_seconds or 0.0)
            row.processor_seconds = min(row.processor_seconds or 0.0, again.processor_seconds or 0.0)
            row.others = min(row.others, again.others)
    return ours + rows


def describe(row: Row) -> str:
    """A row on a line, as progress."""
    if row.total is None:
        return f"{row.peer} {_settings(row)} {row.note}"
    return f"{row.peer} {_settings(row)}: {row.total:.2f} s, recall {row.recall:.4f}  {_note(row)}".rstrip()


def table(rows: Sequence[Row]) -> str:
    """The rows of one job, ours first, each peer's in the order of their totals."""
    ours = [row for row in rows if row.peer == Annlib.name]
    header = ["peer", "settings", "build s", "query s", "total s", "cpu s", "recall", "/exact", "/.99"]
    header += ["scanned", "G mul-add/s", "of limit", "note"]
    cells = [header]
    for row in rows:
        approximate = "~" if row.total is not None and row.timed_queries < row.queries else ""
        cells.append(
            [
                row.peer,
                _settings(row),
                _number(row.build_seconds, ".2f"),
                approximate + _number(row.query_seconds, ".2f"),
                approximate + _number(row.total, ".2f"),
                _number(row.processor_seconds, ".2f"),
                _number(row.recall, ".4f"),
                *(_number(ratio(row, our), ".2f") for our in ours),
                _number(row.scanned_share, ".2%"),
                _number(row.multiply_adds_per_second and row.multiply_adds_per_second / 1e9, ".0f"),
                _number(row.limit_share, ".0%"),
                _note(row),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = {0, 1, len(header) - 1}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def ratio(row: Row, ours: Row) -> float | None:
    """A row's total to ours, where ours has at least its recall, but for what the sample cannot tell apart."""
    if row.total is None or ours.total is None or row.recall is None or ours.recall is None:
        return None
    return row.total / ours.total if ours.recall >= row.recall - 5e-4 else None


def summary(rows: Sequence[Row]) -> str:
    """Ours against implicit's exact top-k, and against the best other peer at recall .99 or better."""
    ours = [row for row in rows if row.peer == Annlib.name]
    finished = [row for row in rows if row.total is not None and row.recall is not None and row.peer != Annlib.name]
    implicit = min((row for row in finished if row.peer == PEERS["implicit"].name), key=_total, default=None)
    good = [row for row in finished if (row.recall or 0.0) >= 0.99 and row.peer != PEERS["implicit"].name]
    best = min(good, key=_total, default=None)
    lines = []
    for our in ours:
        against = [
            f"{_total(other) / _total(our):.1f} x {other.peer} {_settings(other)}"
            for other in (implicit, best)
            if other is not None
        ]
        if best is None and finished:
            nearest = max(finished, key=lambda row: (row.peer != PEERS["implicit"].name, row.recall))
            against.append(f"no peer at recall .99 ({nearest.peer} {_settings(nearest)}: {nearest.recall:.3f})")
        lines.append(f"annlib {_settings(our)} ({_total(our):.2f} s): " + ", ".join(against or ["no peers measured"]))
    return "\n".join(lines)


def _total(row: Row) -> float:
    return float("inf") if row.total is None else row.total


def _settings(row: Row) -> str:
    return " ".join(f"{key}={value}" for key, value in {**row.build_settings, **row.search_settings}.items())


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _note(row: Row) -> str:
    notes = [row.note] if row.note else []
    if row.total is not None and row.timed_queries < row.queries:
        notes.append(f"extrapolated from {row.timed_queries:,} of {row.queries:,} queries")
    if row.total is not None and row.others > QUIET:
        notes.append(f"disturbed: other processes took {row.others:.0%} of the machine")
    return "; ".join(notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=datasets.NAMES)
    parser.add_argument("--work", nargs="+", choices=("items", "users"), default=("items", "users"))
    parser.add_argument("--peers", nargs="+", choices=("all", "none", *PEERS), default=("all",), metavar="PEER")
    parser.add_argument("--recalls", nargs="+", type=float, default=(0.9, 0.95, 0.99))
    parser.add_argument("--peer-seconds", type=float, default=600.0, help="for one peer and job (default: 600)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few thousand rows and one build of each peer")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait before a run for a quiet machine")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    arguments = parser.parse_args()
    names = list(PEERS) if "all" in arguments.peers else [name for name in arguments.peers if name != "none"]
    wait_for_quiet(arguments.patience)
    limit = _limit(arguments.threads)
    plan = Plan(
        [PEERS[name] for name in names],
        arguments.recalls,
        arguments.peer_seconds,
        arguments.threads,
        arguments.quick,
        arguments.patience,
        limit,
    )
    rows: list[Row] = []
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        for work in _works(data, arguments.work):
            sample = _TRUTH_QUERIES if len(data.items) < _MANY else _TRUTH_QUERIES_OF_MANY
            job = make_job(data, work, sample=sample, limit=_QUICK_ROWS if plan.quick else None)
            measured = measure_job(job, plan)
            rows += measured
            print(f"\n{job}\n{table(measured)}\n{summary(measured)}", flush=True)
            if arguments.out is not None:
                document = {
                    "isa": _native.isa(),
                    "limit_multiply_adds_per_second": limit,
                    "rows": [dataclasses.asdict(row) for row in rows],
                }
                arguments.out.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _works(data: datasets.DataSet, wanted: Sequence[Work]) -> list[Work]:
    return [work for work in wanted if work == "items" or data.users is not None]


def _limit(num_threads: int) -> float | None:
    """The hardware's limit of the instruction set in use."""
    isa = _native.isa()
    try:
        limit = multiply_add_limit(isa, num_threads)
    except NoLimitError as error:
        print(f"the hardware's limit is not measured: {error}", file=sys.stderr)
        return None
    print(f"hardware limit of {isa}: {limit / 1e9:.0f} G 8-bit multiply-adds a second on {num_threads} threads")
    return limit


if __name__ == "__main__":
    main()

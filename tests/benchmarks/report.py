"""What was measured as one table, in Markdown, with the machine that it was measured on.

Prints everything in bench/results/ and writes it to README-table.md there.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parents[2] / "bench" / "results"
BARE = "bare aiohttp"
ALL_PLACES = " with all places"  # with what such a case's name ends
RIVAL = "django-webhook"  # with what its cases' names begin
Row = tuple[str, str, str, str]
HEAD: Row = ("", "measured", f"× {BARE}", f"× {RIVAL}")


def pipeline(rates: dict[str, list[float]]) -> list[Row]:
    """POSTs per second; beside bare aiohttp in each round, and django-webhook at its fastest."""
    rival = max(median(each) for name, each in rates.items() if name.startswith(RIVAL))
    return [
        (name, _rate(each), f"{_times(each, rates[BARE]):.2f}", f"{median(each) / rival:.1f}")
        for name, each in rates.items()
    ]


def shipped(rates: dict[str, list[float]]) -> list[Row]:
    """A real worker at its defaults."""
    return [
        (
            f"as shipped, {name}",
            _rate(each) + _share(each, rates.get(f"{name}{ALL_PLACES}")),
            f"{_times(each, rates[BARE]):.2f}",
            "",
        )
        for name, each in rates.items()
        if name != BARE
    ]


def _rate(each: list[float]) -> str:
    return f"{median(each):,.0f} POSTs/s"


def _share(each: list[float], at_most: list[float] | None) -> str:
    return f" (× {_times(each, at_most):.2f} of that{ALL_PLACES})" if at_most is not None else ""


def _times(each: list[float], others: list[float]) -> float:
    """How many times as fast, round by round: what was measured together had the same machine. Of
    what is not measured in every round, how the medians compare.
    """
    if len(each) < len(others):
        return median(each) / median(others)
    return median(rate / other for rate, other in zip(each, others, strict=True))


def upkeep(figures: dict[str, dict[str, Any]]) -> list[Row]:
    """What goes on beside deliveries."""
    idle = [
        (f"an idle worker, queue on {queue}", f"{percent:.1f} % of a core", "", "")
        for queue, percent in figures["idle"].items()
    ]
    passes = [
        (f"a pass with 50,000 waiting, {engine}", f"× {ratio:.2f} of one with 10", "", "")
        for engine, ratio in figures["look around"].items()
    ]
    publications = [
        (f"CPU of a {what}, {engine}", f"{spent:.0f} µs", "", "")
        for engine, parts in figures["publication"].items()
        for what, spent in parts.items()
    ]
    return (
        idle
        + passes
        + publications
        + [_ingest(engine, rates) for engine, rates in figures["ingest"].items()]
        + [_conditions(engine, rates) for engine, rates in figures["conditions"].items()]
    )


def _conditions(engine: str, rates: dict[str, float]) -> Row:
    plain, choosy = rates["without"], rates["with ten conditions"]
    told = f"{choosy:,.0f}/s (× {choosy / plain:.2f} of without)"
    return (f"fan-out with 10 conditions on 1,000 webhooks, {engine}", told, "", "")


def _ingest(engine: str, rates: dict[str, float]) -> Row:
    pushed, single = rates["sync"], rates["publish"]
    told = (
        f"sync {pushed:,.0f}/s (× {pushed / rates['bare, in batches']:.2f} of bare INSERTs), "
        f"publish {single:,.0f}/s (× {single / rates['bare, one by one']:.2f})"
    )
    return (f"events in, {engine}", told, "", "")


def cost(microseconds: dict[str, float]) -> list[Row]:
    """CPU of one delivery, by part."""
    parts = dict(microseconds)
    whole = parts.pop("whole")
    told = ", ".join(f"{name} {part:.0f}" for name, part in parts.items())
    return [("CPU of a delivery, SQLite, 1 worker", f"{whole:.0f} µs: {told}", "", "")]


def latency(cases: dict[str, dict[str, float]]) -> list[Row]:
    """From publication to arrival."""
    return [(f"publish → arrival, {name}", _spread(case), "", "") for name, case in cases.items()]


def fairness(figures: dict[str, dict[str, float]]) -> list[Row]:
    """How late a healthy webhook's deliveries are, and how fast they go, beside those that hang."""
    late = [
        (f"publish → arrival, {where}", _spread(figures[what]), "", "")
        for what, where in {
            "lateness": "beside 10 that hang",
            "flooded": "while another business has 50,000 × 20 to deliver",
            "newcomers": "first of a new webhook, beside 20 that take 9 s",
        }.items()
    ]
    rates = figures["deliveries_per_second"].items()
    return late + [
        (f"20 healthy webhooks beside {slow} that hang", f"{rate:,.0f} POSTs/s", "", "")
        for slow, rate in rates
    ]


def parked(figures: dict[str, dict[str, dict[str, float]]]) -> list[Row]:
    """How late others are beside a webhook that is paused in a drain, and resumed."""
    whens = {
        "before": "beside a webhook before its pause",
        "parked": "beside one with over 10,000 parked",
        "resumed": "while these go",
    }
    return [
        (f"publish → arrival, {told}, {engine}", _spread(case[when]), "", "")
        for engine, case in figures.items()
        for when, told in whens.items()
    ]


def _spread(case: dict[str, float]) -> str:
    return "; ".join(f"{quantile} {_ms(seconds)}" for quantile, seconds in case.items())


def screens(seconds: dict[str, float]) -> list[Row]:
    return [(name, _ms(value), "", "") for name, value in seconds.items()]


def growth(figures: dict[str, dict[str, Any]]) -> list[Row]:
    """What work costs with the shortest and with the longest history; memory by what is due."""
    memory = figures["memory"].items()
    return [
        (f"{work}, {engine}", _grown(costs), "", "")
        for engine, works in figures.items()
        if engine != "memory"
        for work, costs in works.items()
    ] + [(f"memory, {int(due):,} due", f"{peak:.0f} MB", "", "") for due, peak in memory]


def _grown(costs: dict[str, float]) -> str:
    (few, less), *_, (many, more) = costs.items()
    return f"{less:.2f} ms at {int(few):,}; {more:.2f} ms at {int(many):,} (× {more / less:.2f})"


ROWS: dict[str, Callable[[Any], list[Row]]] = {
    "pipeline": pipeline,
    "shipped": shipped,
    "cost": cost,
    "latency": latency,
    "fairness": fairness,
    "parked": parked,
    "upkeep": upkeep,
    "growth": growth,
    "screens": screens,
}


def rows(name: str, figures: Any) -> list[Row]:
    """The rows of that benchmark; of one that is not known here, its figures as they are."""
    if name in ROWS:
        return ROWS[name](figures)
    return [(f"{name}, {what}", str(value), "", "") for what, value in figures.items()]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def table(body: list[Row]) -> str:
    """The rows in Markdown that is legible in a terminal too, without columns that say nothing."""
    told = [0, *(column for column in range(1, len(HEAD)) if any(row[column] for row in body))]
    head, *lines = [[row[column] for column in told] for row in [HEAD, *body]]
    first, *widths = [max(map(len, cells)) for cells in zip(head, *lines, strict=True)]
    rule = ["-" * first, *("-" * (width - 1) + ":" for width in widths)]
    return "\n".join(
        "| " + " | ".join([cells[0].ljust(first), *map(str.rjust, cells[1:], widths)]) + " |"
        for cells in [head, rule, *lines]
    )


def machine() -> str:
    """The processor, its cores and Python, in one line."""
    cores = os.cpu_count() or 1
    return (
        f"{_processor()}, {cores} core{'s' * (cores > 1)}, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def results() -> dict[str, Any]:
    """The figures of each benchmark; ends the program when one has not been run."""
    missing = [name for name in ROWS if not (RESULTS / f"{name}.json").exists()]
    if missing:
        sys.exit(f"Not measured yet: {', '.join(missing)}. `make bench` measures everything.")
    others = sorted({file.stem for file in RESULTS.glob("*.json")} - ROWS.keys())
    return {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in [*ROWS, *others]}


def main() -> None:
    every = [row for name, figures in results().items() for row in rows(name, figures)]
    whole = f"{table(every)}\n\nMeasured on {machine()}.\n"
    (RESULTS / "README-table.md").write_text(whole)
    print(f"\n{whole}")


if __name__ == "__main__":
    main()

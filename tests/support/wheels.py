"""Whether everything that is locked comes as a wheel, for each Python on each platform we promise.

Prints a table, and fails where something would have to be built on the newcomer's machine: there
the first command they try would end with a compiler's errors. Needs the package index.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux ARM": "aarch64-manylinux_2_28",
    "macOS ARM": "aarch64-apple-darwin",
}
Missing = Callable[[str, str, str], str]


def missing(lock: str, python: str, platform: str) -> str:
    """What uv says cannot be installed there as a wheel; nothing if everything can."""
    with TemporaryDirectory() as target:
        where = ["--python-version", python, "--python-platform", platform, "--target", target]
        done = subprocess.run(
            [_uv(), "pip", "install", "--dry-run", "--only-binary", ":all:", *where, "-r", lock],
            capture_output=True,
            text=True,
            check=False,
        )
    return reason(done.stderr) if done.returncode else ""


def reason(told: str) -> str:
    """The package that has no wheel; another failure in uv's own words."""
    packages = re.findall(r"(\S+==\S+) has no (?:usable )?wheels", told)
    return f"no wheel of {packages[0]}" if packages else " ".join(told.split())


def table(missing: Missing) -> dict[tuple[str, str], list[str]]:
    """What is missing for each Python on each platform."""
    cases = list(product(PYTHONS, PLATFORMS, LOCKS))
    found: dict[tuple[str, str], list[str]] = {}
    with ThreadPoolExecutor(4) as pool:
        said = pool.map(lambda case: missing(case[2], case[0], PLATFORMS[case[1]]), cases)
        for (python, platform, lock), what in zip(cases, said, strict=True):
            reasons = found.setdefault((python, platform), [])
            reasons += [f"{lock}: {what}"] if what else []
    return found


def lines(found: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    """The table, and below it what is missing."""
    yield _row("Python", PLATFORMS)
    for python in PYTHONS:
        yield _row(python, ("missing" if found[python, each] else "ok" for each in PLATFORMS))
    for (python, platform), reasons in found.items():
        for each in reasons:
            yield f"Python {python} on {platform}: {each}."


def _row(first: str, others: Iterable[str]) -> str:
    return "".join(f"{cell:<14}" for cell in (first, *others)).rstrip()


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def main() -> int:
    found = table(missing)
    print("\n".join(lines(found)))
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())

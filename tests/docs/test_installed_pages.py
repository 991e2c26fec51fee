"""The documentation that is installed with the program."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parents[2]
DOCUMENTATION = "share/doc/aurapos-webhooks"
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def installed() -> dict[Path, Path]:
    """Which file here lies where, below the folder of the documentation."""
    with (HERE / "pyproject.toml").open("rb") as file:
        folders = tomllib.load(file)["tool"]["setuptools"]["data-files"]
    return {
        Path(folder).relative_to(DOCUMENTATION) / source.name: source
        for folder, patterns in folders.items()
        for pattern in patterns
        for source in HERE.glob(pattern)
    }


def test_all_of_the_documentation_is_installed_as_it_lies_here() -> None:
    here = {path.relative_to(HERE) for path in (HERE / "docs").rglob("*") if path.is_file()}
    assert here - set(installed()) == set()


def test_every_link_between_the_installed_pages_holds() -> None:
    pages = installed()
    targets = {*pages, *(folder for page in pages for folder in page.parents)}
    broken = [
        f"{page}: {target}"
        for page, source in pages.items()
        if page.suffix == ".md"
        for target in LINK.findall(source.read_text(encoding="utf-8"))
        if "://" not in target
        and (HERE / page.parent / target).resolve().relative_to(HERE) not in targets
    ]
    assert broken == []

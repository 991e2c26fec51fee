"""Programs that come from neither Python nor us, which some tests try for real."""

import os
import shutil

import pytest


def find_program(name: str) -> str | None:
    """Where it is; servers are often where only root looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def needs(name: str, package: str) -> pytest.MarkDecorator:
    """For tests to leave out, with a word of why, where it is missing. On CI they run, and fail."""
    is_missing = find_program(name) is None and "CI" not in os.environ
    return pytest.mark.skipif(is_missing, reason=f"there is no {name} here: install {package}")

"""The receiver kits, started in each language, and services for them to call."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.kits import LANGUAGES, Kit, NewKit
from tests.support.services import Brevo, Mailchimp, Slack, serving


@pytest.fixture(params=LANGUAGES)
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewKit]:
    """Starts a kit of each language in turn."""
    with ExitStack() as started:

        def start(handler: str, **env: str) -> Kit:
            return started.enter_context(Kit(request.param, handler, tmp_path, **env))

        yield start


@pytest.fixture
def slack() -> Iterator[Slack]:
    with serving(service := Slack()):
        yield service


@pytest.fixture
def brevo() -> Iterator[Brevo]:
    with serving(service := Brevo()):
        yield service


@pytest.fixture
def mailchimp() -> Iterator[Mailchimp]:
    with serving(service := Mailchimp()):
        yield service

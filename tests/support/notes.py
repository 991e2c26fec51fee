"""What a test knows of what it caused, noted as it goes, for the checker of invariants.

Installations, receivers, terminals and webhooks note themselves, so that no test forgets any.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from core.domain.delivery import Schedule
from core.domain.signing import Secret
from core.verification.history import Post


class Receiver(Protocol):
    @property
    def posts(self) -> list[Post]: ...


@dataclass
class Notes:
    receivers: list[Receiver] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)  # of installations
    schedule: Schedule | None = None  # where no configuration says
    published: list[str] = field(default_factory=list)  # the keys of what was committed
    older: dict[int, list[str]] = field(default_factory=dict)  # those before a webhook was made
    secrets: defaultdict[int, list[Secret]] = field(default_factory=lambda: defaultdict(list))
    deletions: dict[int, datetime] = field(default_factory=dict)  # when each had returned
    healthy: set[str] = field(default_factory=set)  # URLs that always answer
    folders: set[Path] = field(default_factory=set)  # no file in them has a secret
    said: dict[str, Callable[[], bytes]] = field(default_factory=dict)  # nor has any of this
    set_back: timedelta = timedelta()  # the sum of a clock's steps back


_now = [Notes()]


def notes() -> Notes:
    """Those of the test that runs."""
    return _now[0]


def begin_notes(with_them: Notes | None = None) -> None:
    """Begin empty ones, or go on with those of an earlier time."""
    _now[0] = with_them or Notes()

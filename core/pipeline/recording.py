"""Recording what attempts came to, even if the database refuses one of them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from peewee import PeeweeException

from core.domain.delivery import Answered, Outcome, Schedule, Unreachable, Unsendable
from core.pipeline import settling
from core.pipeline.settling import Judged, Settlement
from core.storage.database import is_about_a_value

log = logging.getLogger(__name__)

_SET_ASIDE = "what came back could not be recorded"


def settle_all(
    settlements: Sequence[Settlement], schedule: Schedule, now: datetime
) -> list[Judged]:
    """The same as `settle`, but what the database refuses is set aside alone, and the others are
    settled.

    Of an outcome that was refused, everything is recorded except what came back. Where even that is
    refused, the lease runs out as it does after a crash, and the delivery is abandoned after too
    many of these. Raises the error where the database is away, busy or full: then nothing more was
    settled.
    """
    try:
        return settling.settle(settlements, schedule, now)
    except (PeeweeException, ValueError, OverflowError, TypeError) as error:
        if not is_about_a_value(error):
            raise
        if len(settlements) > 1:
            middle = len(settlements) // 2
            halves = settlements[:middle], settlements[middle:]
            return [each for half in halves for each in settle_all(half, schedule, now)]
        return _set_aside(settlements[0], error, schedule, now)


def _set_aside(
    settlement: Settlement, error: Exception, schedule: Schedule, now: datetime
) -> list[Judged]:
    # Only the type of the error: its text may quote the value, and so an answer.
    told = {"delivery": settlement.claim.uuid, "exception": type(error).__name__}
    bare = settlement._replace(outcome=_bare(settlement.outcome))
    if bare.outcome != settlement.outcome:
        log.error(_SET_ASIDE, extra=told)
        return settle_all([bare], schedule, now)
    log.error("an outcome could not be recorded: its lease runs out", extra=told)
    return []


def _bare(outcome: Outcome) -> Outcome:
    match outcome:
        case Answered():
            return outcome._replace(response="", detail=_SET_ASIDE)
        case Unreachable() | Unsendable():
            return replace(outcome, detail=_SET_ASIDE)
        case _:
            return outcome

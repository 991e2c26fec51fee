"""`webhook check`: whether a receiver verifies what it gets, and takes the same delivery twice."""

from time import sleep

import click

from core.domain.checking import Grade, Report
from core.errors import WebhooksError
from core.storage.clock import utc_now
from core.use_cases.checking import begin_check, go_on, longest
from tui.cli.output import print_json, print_table, say
from tui.cli.program import Program, actor_as, as_option, json_option, pass_program

_LOOK = 0.25  # seconds


@click.command(short_help="Does the receiver verify signatures, and take a delivery twice?")
@click.argument("webhook_id", type=int)
@as_option
@json_option
@pass_program
def check(program: Program, webhook_id: int, login: str | None, *, as_json: bool) -> None:
    """Send pings that the receiver should accept, and some that it should refuse, and say what its
    reactions mean. It needs a running worker.

    Exits 0 if there is nothing to mend, else 1. What is sent is marked in the history, and counts
    neither for the webhook's health nor for outages.
    """
    program.open()
    found = _checked(program, webhook_id, login)
    if as_json:
        print_json(_document(found))
    else:
        reactions = [(ping, each.told()) for ping, each in found.reactions.items()]
        print_table(("A PING", "WAS"), reactions, "")
        for sentence in found.told():
            say(sentence)
    click.get_current_context().exit(0 if found.grade is Grade.SOUND else 1)


def _checked(program: Program, webhook_id: int, login: str | None) -> Report:
    actor, now = actor_as(login), utc_now()
    until = now + longest(program.config.delivery.timeout)
    under_way = begin_check(actor, webhook_id, now, wake=program.wake)
    while utc_now() < until:
        found = go_on(actor, under_way, utc_now(), wake=program.wake)
        if found is not None:
            return found
        sleep(_LOOK)
    raise WebhooksError(
        "The pings of the check are still waiting: is the worker running? They stay queued."
    )


def _document(found: Report) -> dict[str, object]:
    return {
        "grade": found.grade,
        "findings": [
            {"grade": grade, "sentence": said}
            for (grade, _), said in zip(found.findings, found.told(), strict=True)
        ],
        "pings": [
            {
                "ping": ping.name.lower(),
                "accepted": each.accepted,
                "http_status": each.http_status,
                "error": each.error,
                "response": each.response,
            }
            for ping, each in found.reactions.items()
        ],
    }

"""The first steps with a webhook, as a list that is ticked off while one takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textual.content import Content

from core.use_cases.first_steps import FirstSteps
from tui.language import _
from tui.states import ARRIVED, NEW


@dataclass(frozen=True)
class Step:
    words: str
    is_done: bool = False


def before_the_first() -> list[Step]:
    return [
        Step(_("Make a webhook: n.")),
        Step(_("Put its secret into your server.")),
        Step(_("Send a test.")),
        Step(_("The first sale then arrives by itself.")),
    ]


def steps_of(known: FirstSteps) -> list[Step]:
    return list(_steps(known))


def _steps(known: FirstSteps) -> Iterator[Step]:
    yield Step(_("The webhook is made."), is_done=True)
    if known.is_secret_stored:
        yield Step(_("Its secret is in your server."), is_done=True)
    elif known.needs_secret:
        yield Step(_("Put its secret into your server: V checks that it verifies."))
    if known.has_test_arrived:
        yield Step(_("A test arrived."), is_done=True)
    else:
        yield Step(_("Send a test: t."))
    if known.has_sale_arrived:
        yield Step(_("The first sale arrived."), is_done=True)
    else:
        yield Step(_("The first sale arrives by itself: T sends a sample of one."))


def in_lines(steps: Sequence[Step], width: int) -> list[Content]:
    """The one to be taken next is bold."""
    to_do = next((step for step in steps if not step.is_done), None)
    return [_line(step, is_next=step is to_do).truncate(width, ellipsis=True) for step in steps]


def _line(step: Step, *, is_next: bool) -> Content:
    glyph = Content.styled(ARRIVED, ".good") if step.is_done else Content(NEW)
    return glyph + Content.styled(f" {step.words}", "bold" if is_next else "")

"""Without colours nothing is lost: read off every cell of a real terminal."""

import re
from collections.abc import Iterator

import pytest

from tests.support.installation import Installation
from tests.support.scripted import answer, receiving
from tests.support.terminal import ENTER, Terminal, terminal

_DIM = re.compile(rb"\x1b\[(?:[\d;]*;)?2(?:;[\d;]*)?m")


@pytest.fixture
def failing(installed: Installation) -> Installation:
    """With a webhook that failed and one that nobody has called yet: a screen of all colours."""
    with receiving(answer(500, b"on fire")) as receiver:
        installed.add_webhook(receiver.url)
        installed.add_webhook("https://hooks.example.org/aurapos")
        installed.emit()
        installed.ok("tick")
    return installed


def ways(shown: Terminal) -> Iterator[str]:
    """From screen to screen, naming each once it is to be seen."""
    for keys, wanted in (
        ((), "FAILING"),
        (("h",), "BECAME"),
        ((ENTER,), "what it said"),
        (("q", "q", "n"), "space or 1-7 toggles"),
        (("\x1b[27u", "d"), "Type the host name"),
        (("\x1b[27u", "?"), "Keys"),
    ):
        shown.press(*keys)
        shown.wait_for(wanted)
        yield wanted


def coloured(shown: Terminal) -> set[tuple[str, str]]:
    """The colours of cells, letters and ground, other than the terminal's own."""
    return {cell for cell in shown.colours() if cell != ("default", "default")}


@pytest.mark.files_only("is about the terminal")
@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "linux", "vt100", "screen-256color"])
def test_no_color_leaves_the_terminal_s_own_colours(failing: Installation, term: str) -> None:
    how = {"NO_COLOR": "1", "TERM": term, "COLORTERM": "truecolor"}
    with terminal(failing.folder, "--config", str(failing.config), **how) as shown:
        for screen in ways(shown):
            assert coloured(shown) == set(), screen
        assert _DIM.search(shown.written) is None


def test_an_owner_over_ssh_chooses_it_once(failing: Installation) -> None:
    """The forced command clears the environment, so nothing but the UI could be asked."""
    as_marie = ("--config", str(failing.config), "tui", "--as", "marie")
    with terminal(failing.folder, *as_marie) as shown:
        shown.wait_for("FAILING")
        assert coloured(shown)
        shown.press(",")
        for theme in ("terminal", "dark", "light", "none"):
            shown.press(" ")
            shown.wait_for(f"Theme {theme}")
        assert coloured(shown) == set()
        shown.press("q")
        shown.wait_for("FAILING")
        assert coloured(shown) == set()
    with terminal(failing.folder, *as_marie) as shown:
        for screen in ways(shown):
            assert coloured(shown) == set(), screen
    with terminal(failing.folder, *as_marie[:2]) as operators:
        operators.wait_for("FAILING")
        assert coloured(operators)


@pytest.mark.files_only("is about the terminal")
@pytest.mark.parametrize("term", ["linux", "vt220"])
def test_such_a_terminal_is_sent_nothing_but_ascii(failing: Installation, term: str) -> None:
    """Whatever the locale says, which sshd may have dropped."""
    how = {"TERM": term, "LC_ALL": "C.UTF-8"}
    with terminal(failing.folder, "--config", str(failing.config), **how) as shown:
        for screen in ways(shown):
            assert shown.written.isascii(), screen

"""The manual page and the completion, as man(1) and bash have them."""

import subprocess
from pathlib import Path

from tests.support.installation import COMMAND, Installation
from tests.support.programs import find_program, needs
from tui.cli.main import main


@needs("groff", "groff")
def test_the_manual_is_read_without_a_warning_and_names_every_command(tmp_path: Path) -> None:
    page = Installation(tmp_path).ok("manual")
    groff = find_program("groff")
    assert groff is not None
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-Kutf8"],
        input=page.encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    for name in main.list_commands(None):  # type: ignore[arg-type]  # it asks for no context
        assert f"\n.SS {name} ".replace("-", "\\-") in page


@needs("bash", "bash")
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    program = tmp_path / "aurapos-webhooks"
    program.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "completion").write_text(Installation(tmp_path).ok("completion", "bash"))
    script = """
        export PATH="$PWD:$PATH"; . ./completion
        words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
                  _aurapos_webhooks_completion "$1"; echo "${COMPREPLY[@]}"; }
        words aurapos-webhooks webh
        words aurapos-webhooks webhook reg
        words aurapos-webhooks webhook create --all
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["webhook", "regenerate-secret", "--all-events"], done.stderr

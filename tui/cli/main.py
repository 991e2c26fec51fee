"""`aurapos-webhooks`: the root that puts the parts together."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from peewee import PeeweeException

from core.cleaning import clean
from core.database import explain
from core.errors import WebhooksError
from tasks.consumer import CONFIG_VARIABLE, DEFAULT_CONFIG
from tui.cli.business import business
from tui.cli.delivery import delivery, recover
from tui.cli.demo import demo
from tui.cli.doctor import doctor
from tui.cli.intake import emit, sync
from tui.cli.listen import listen
from tui.cli.member import member
from tui.cli.program import Program
from tui.cli.setup import init, migrate
from tui.cli.tui import tui
from tui.cli.verify import verify
from tui.cli.webhook import webhook
from tui.cli.worker import tick, worker


class _Commands(click.Group):
    """A group whose errors are one sentence on stderr, exit 1; 2 for usage; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WebhooksError as error:
            _fail(str(error))
        except PeeweeException as error:
            _fail(explain(error))
        except BrokenPipeError:
            # Whoever read the output has gone; what is left of it must not fail at exit again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            name = f" ({error.filename})" if error.filename else ""
            _fail(f"{error.strerror or error}{name}: nothing more was done.")


def _fail(sentence: str) -> None:
    click.echo(clean(sentence), err=True)
    sys.exit(1)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="aurapos-webhooks")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar=CONFIG_VARIABLE,
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
@click.pass_context
def main(ctx: click.Context, config_path: Path) -> None:
    """Tell a business's own servers what happens in AuraPOS: signed webhooks, retried."""
    ctx.obj = Program(config_path)
    if ctx.invoked_subcommand is None:
        ctx.invoke(tui)


for command in (
    business,
    delivery,
    demo,
    doctor,
    emit,
    init,
    listen,
    member,
    migrate,
    recover,
    sync,
    tick,
    tui,
    verify,
    webhook,
    worker,
):
    main.add_command(command)

"""`aurapos-webhooks`: the root that puts the parts together."""

import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from core.config import CONFIG_VARIABLE, DEFAULT_CONFIG, load_config
from core.domain.cleaning import clean
from core.domain.engine_url import SQLITE_PREFIX
from core.errors import WebhooksError
from core.storage.drivers import leave_out_drivers

_MODULES = {
    "authorized-keys": "authorized_keys",
    "backup": "backup",
    "business": "business",
    "completion": "manual",
    "copy-from": "copy_from",
    "delivery": "delivery",
    "demo": "demo",
    "doctor": "doctor",
    "emit": "intake",
    "events": "events",
    "find": "find",
    "init": "init",
    "listen": "listen",
    "mail": "mail",
    "manual": "manual",
    "member": "member",
    "migrate": "init",
    "recover": "delivery",
    "secrets": "secrets",
    "ssh": "over_ssh",
    "status": "status",
    "sync": "intake",
    "tick": "worker",
    "tui": "terminal",
    "verify": "verify",
    "webhook": "webhook",
    "worker": "worker",
}
"""Where each command is; imported when it is called, since the parts take half a second."""

_NAMES_A_DATABASE = {"init"}  # besides the configuration's


class _Commands(click.Group):
    """A group whose errors are one sentence on stderr, exit 1; 2 for usage; never a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(
                stream, TextIOWrapper
            ):  # what the locale cannot print is told by its code
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        return _command(cmd_name, ctx.params.get("config_path", DEFAULT_CONFIG))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WebhooksError as error:
            _fail(str(error))
        except UnicodeEncodeError:  # an argument that the system handed over as bytes
            _fail("A value that was given is not UTF-8: write it in UTF-8.")
        except BrokenPipeError:
            from tui.cli.output import give_up_stdout  # noqa: PLC0415 - see _command

            give_up_stdout()  # whoever read it has gone
            sys.exit(1)
        except OSError as error:
            name = f" ({error.filename})" if error.filename else ""
            _fail(f"{error.strerror or error}{name}: nothing more was done.")
        except Exception as error:
            from peewee import PeeweeException  # noqa: PLC0415 - see _command

            from core.storage.database import explain  # noqa: PLC0415 - see _command

            if not isinstance(error, PeeweeException):
                raise
            _fail(explain(error))


def _is_on_sqlite(config_path: Path) -> bool:
    """Whether the program will open SQLite only, as it does where nothing is set up yet."""
    try:
        if not config_path.exists():
            return True
        config = load_config(config_path)
    except (OSError, WebhooksError):  # which the command itself will tell
        return False
    return all(url.startswith(SQLITE_PREFIX) for url in (config.database.url, config.queue.url))


def _command(name: str, config_path: Path) -> click.Command:
    """Import it. It is the first to import peewee, so which drivers that finds is chosen here."""
    if name not in _NAMES_A_DATABASE and _is_on_sqlite(config_path):
        leave_out_drivers()
    command: click.Command = getattr(
        import_module(f"tui.cli.{_MODULES[name]}"), name.replace("-", "_")
    )
    return command


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
    ui = _command("tui", config_path) if ctx.invoked_subcommand is None else None
    from tui.cli.program import Program  # noqa: PLC0415 - see _command

    ctx.obj = Program(config_path)
    if ui is not None:
        ctx.invoke(ui)

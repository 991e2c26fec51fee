"""Structured log lines: `time level message key=value …`, cleaned and without secrets."""

import json
import logging
import sys
from datetime import UTC, datetime

from core.domain.cleaning import clean
from core.domain.signing import wire_time
from tui.cli.aside import AsideHandler

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MINUTE = 60.0  # seconds


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = wire_time(datetime.fromtimestamp(record.created, UTC))
        extras = [
            f"{key}={_value(value)}"
            for key, value in vars(record).items()
            if key not in _STANDARD and value not in (None, "")
        ]
        words = [moment, record.levelname.lower(), record.getMessage(), *extras]
        if record.exc_info and record.exc_info[0]:
            # Only the kind: what an exception says may quote a payload, and locals a secret.
            words.append(f"exception={record.exc_info[0].__name__}")
        return clean(" ".join(words))


class _Objects(logging.Formatter):
    """The same, for machines: one JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": wire_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "message": clean(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and value not in (None, ""):
                plain = isinstance(value, int | float)
                told.setdefault(key, value if plain else clean(str(value)))
        if record.exc_info and record.exc_info[0]:
            told["exception"] = record.exc_info[0].__name__
        return json.dumps(told)


_FORMATTERS = {"text": _Lines, "json": _Objects}


class _OnceAMinute(logging.Filter):
    """Huey reads its queue twenty times a second, and says so each time while it is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("huey"):
            return True
        said_at, kept_back = self._said.get(record.msg, (-_MINUTE, 0))
        if record.created - said_at < _MINUTE:
            self._said[record.msg] = said_at, kept_back + 1
            return False
        record.kept_back = kept_back or None
        self._said[record.msg] = record.created, 0
        return True


def _value(value: object) -> str:
    text = clean(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


def log_to_stderr(form: str, *, verbose: bool) -> None:
    """Everything of ours at INFO, every delivered attempt too when verbose; Huey's warnings. In one
    of the formats of [log].
    """
    handler = AsideHandler(sys.stderr.fileno())
    handler.setFormatter(_FORMATTERS[form]())
    handler.addFilter(_OnceAMinute())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("core", "tasks", "tui"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)

"""The Django project that delivers with django-webhook: its settings and its Celery.

Runs in .venv-bench. SQLite is set as Django's own notes on production say, which is also how this
program sets it: with its defaults django-webhook would be slower, and lock itself out.
"""

import os

from celery import Celery

DATABASE = os.environ["BENCH_DATABASE"]
SECRET_KEY = "bench"
USE_TZ = True
INSTALLED_APPS = ["django_webhook"]
DJANGO_WEBHOOK = {"MODELS": []}  # its own log of deliveries is on, as it is by default
CELERY_BROKER_URL = os.environ["BENCH_REDIS"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Else Celery closes the connection after every task, whatever CONN_MAX_AGE says, and connects anew
# for each POST.
CELERY_DB_REUSE_MAX = 1_000_000_000  # tasks


def _database() -> dict[str, object]:
    if DATABASE.startswith("sqlite:///"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE.removeprefix("sqlite:///"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - for this engine only

    parts = conninfo_to_dict(DATABASE)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "USER": parts["user"],
        "HOST": parts["host"],
        "CONN_MAX_AGE": None,
    }


DATABASES = {"default": _database()}

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

"""No part of a URL with a password is told, and none is read in two ways."""

import pytest

from core.config import parse_config
from core.domain.engine_url import split_engine_url, without_password
from core.errors import BadConfig

PLAIN = [
    "postgresql://aurapos:p%40ss%2Fw%25@db.example.com:5432/aurapos?sslmode=require",
    "postgres:///aurapos?host=/var/run/postgresql",
    "postgresql://u@h1:5432,h2:5433/db?target_session_attrs=read-write",
    "postgresql://u:a:b#c[d@[2001:db8::1]:5432/db",
    "redis://:p%40ss@h:6379/0",
    "rediss://u:p@h:6380/0?ssl_cert_reqs=required",
    "unix:///run/redis.sock?db=1",
]
MISREAD = [
    "postgresql://u:p%zzX@h/db",
    "postgresql://u:p%00X@h/db",
    "postgresql://u:%FF@h/db",
    "postgresql://u:p@ss@h/db",
    "postgresql://u:p/ss@h/db",
    "postgresql://u:p?ss@h/db",
    "postgresql://u:p ss@h/db",
    "postgresql://u:ss",
    "postgresql://u@h:99999/db",
    "postgresql://h/db?password=a&ss",
    "postgresql://h/db?password=a=ss",
    "redis://:a/ss@h",
    "redis://:a#ss@h",
    "redis://:a[ss@h",
    "redis://:a\nss@h",
    "redis://:ss@h:port/0",
]


@pytest.mark.parametrize("url", PLAIN)
def test_a_url_that_every_driver_reads_alike_is_taken(url: str) -> None:
    assert parse_config({"queue": {"url": url}}, "c.toml").queue.url == url


@pytest.mark.parametrize("url", MISREAD)
def test_a_url_that_could_be_misread_is_refused_without_a_part_of_it(url: str) -> None:
    with pytest.raises(BadConfig, match=r"queue\.url must be a URL .* percent-encoded") as refused:
        parse_config({"queue": {"url": url}}, "c.toml")
    assert "ss@" not in str(refused.value)
    assert "zzX" not in str(refused.value)


def test_what_it_consists_of_stays_as_it_is_written() -> None:
    assert split_engine_url(PLAIN[0]) == (
        "postgresql",
        "aurapos:p%40ss%2Fw%25",
        "db.example.com:5432",
        "/aurapos",
        ("sslmode=require",),
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (PLAIN[0], "postgresql://aurapos@db.example.com:5432/aurapos?sslmode=require"),
        ("postgresql://:p@h/db", "postgresql://h/db"),
        ("postgresql://h/db?user=u&password=p&q=r&sslpassword=q", "postgresql://h/db?user=u"),
    ],
)
def test_it_can_be_told_without_its_password(url: str, told: str) -> None:
    assert without_password(url) == told

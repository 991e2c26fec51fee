"""The configuration file; the mistakes in it are tested through the command."""

import tomllib
from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from core.config import Config, load_config, parse_config, parse_duration, settings_of
from core.errors import BadConfig

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_the_example_is_the_defaults() -> None:
    assert parse_config(tomllib.loads(EXAMPLE.read_text()), "example") == Config()


def test_the_example_shows_every_key_with_a_comment_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for section in fields(Config):
        assert f"[{section.name}]" in lines
        for key in fields(getattr(Config(), section.name)):
            at = lines.index(f"[{section.name}]")
            while not lines[at].startswith(f"{key.name} = "):
                at += 1
            assert lines[at - 1].startswith("# ")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("10s", timedelta(seconds=10)),
        ("0.2s", timedelta(seconds=0.2)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("90d", timedelta(days=90)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "1 s", "1w", "١s", "9" * 400 + "d", 10, None]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("delivery", "timeout", "0s"),
        ("delivery", "retry_after", []),
        ("delivery", "concurrency", 0),
        ("delivery", "per_webhook", 1.5),
        ("delivery", "per_host", 0),
        ("delivery", "allow_http", "yes"),
        ("delivery", "allow_networks", "127.0.0.0/8"),
        ("delivery", "allow_networks", [127]),
        ("delivery", "ca_file", 1),
        ("history", "keep", 90),
        ("queue", "url", "amqp://x"),
        ("secrets", "key_file", None),
    ],
)
def test_a_bad_value_is_named(section: str, key: str, value: object) -> None:
    with pytest.raises(BadConfig, match=rf"In c.toml, {section}\.{key} must be "):
        parse_config({section: {key: value}}, "c.toml")


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[secrets]\nkey_file = "k"\n[delivery]\nca_file = "ca.pem"\n')
    config = load_config(path)
    assert config.secrets.key_file == str(tmp_path / "k")
    assert config.delivery.ca_file == str(tmp_path / "ca.pem")
    assert config.database.url == f"sqlite:///{tmp_path}/aurapos-webhooks.db"
    assert load_config(_written(tmp_path, "")).delivery.ca_file == ""


def test_absolute_paths_and_other_engines_are_left_alone(tmp_path: Path) -> None:
    config = load_config(
        _written(
            tmp_path,
            '[database]\nurl = "sqlite:////var/lib/a.db"\n[queue]\nurl = "redis://h:6379/0"\n',
        )
    )
    assert config.database.url == "sqlite:////var/lib/a.db"
    assert config.queue.url == "redis://h:6379/0"


def test_networks_are_parsed() -> None:
    parsed = parse_config({"delivery": {"allow_networks": ["127.0.0.0/8", "::1/128"]}}, "c")
    assert parsed.delivery.allow_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _written(folder: Path, text: str) -> Path:
    path = folder / "other.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"delivry": {}}, "delivry is not a key .* database, queue, secrets, delivery, history"),
        ({"delivery": {"timout": "1s"}}, r"delivery\.timout is not a key .* timeout, retry_after"),
        ({"delivery": 3}, r"delivery must be a section: write \[delivery\] above it"),
        ({"database": {"url": "mysql://x"}}, r'database\.url must be "sqlite:///FILE" or "postg'),
        ({"delivery": {"retry_after": ["1m", 5]}}, r"retry_after must be a duration such as"),
        ({"delivery": {"max_attempts": True}}, "max_attempts must be a whole number from 1 to"),
        ({"delivery": {"allow_networks": ["10.0.0.1/8"]}}, "networks such as .* host bits set"),
    ],
)
def test_a_mistake_says_what_would_be_right(document: dict[str, object], words: str) -> None:
    with pytest.raises(BadConfig, match=f"In c.toml, .*{words}"):
        parse_config(document, "c.toml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[delivery", "is not valid TOML"),
        (b"a = 1\na = 2", "is not valid TOML"),
        (b"# \xff", "cannot be read"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(BadConfig, match=rf"c\.toml {words}"):
        load_config(tmp_path / "c.toml")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="aurapos-webhooks init"):
        load_config(tmp_path / "c.toml")
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("history", "keep", "999999d"), ("delivery", "retry_after", ["9999999d"])],
)
def test_a_duration_that_leaves_the_calendar_is_refused(
    section: str, key: str, value: object
) -> None:
    """Accepted, it would be an OverflowError at the first pruning or the first failure."""
    with pytest.raises(BadConfig, match=rf"{section}\.{key} must be"):
        parse_config({section: {key: value}}, "c.toml")


def test_an_attempt_cannot_be_given_longer_than_its_lease() -> None:
    """Accepted, another worker would POST the same delivery while the first still waits."""
    with pytest.raises(BadConfig, match=r"delivery\.timeout must be"):
        parse_config({"delivery": {"timeout": "30s"}}, "c.toml")


def test_settings_that_workers_share_tell_no_login_and_no_place_of_files() -> None:
    document = {"queue": {"url": "redis://u:hunter2@h:6379/0"}, "delivery": {"max_attempts": 6}}
    told = settings_of(parse_config(document, "c"))
    assert told["queue.url"] == "redis://h:6379/0"
    assert (told["delivery.max_attempts"], told["delivery.timeout"]) == ("6", "0:00:10")
    other = {
        "queue": {"url": "redis://other:secret@h:6379/0"},
        "database": {"url": "postgresql://h/x"},
        "secrets": {"key_file": "elsewhere"},
        "log": {"format": "json"},
        "delivery": {"max_attempts": 6},
    }
    assert settings_of(parse_config(other, "c")) == told


def test_a_log_has_one_of_two_formats() -> None:
    assert parse_config({"log": {"format": "json"}}, "c").log.format == "json"
    with pytest.raises(BadConfig, match=r'In c, log\.format must be "text" or "json"\.'):
        parse_config({"log": {"format": "xml"}}, "c")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf[delivery]\nmax_attempts = 6\n")
    assert load_config(tmp_path / "c.toml").delivery.max_attempts == 6

"""Addresses of endpoints and keys: nothing secret can be typed, printed or kept."""

from datetime import UTC, datetime
from random import Random

import pytest

from app.errors import AtlasError
from app.explain.address import KEY_VARIABLE, Key, read_address, read_key
from app.explain.waiting import LONGEST_SECONDS, retry_after, seconds_before


@pytest.mark.parametrize(
    ("typed", "url", "is_here"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat/completions", True),
        ("http://localhost:11434/v1/", "http://localhost:11434/v1/chat/completions", True),
        ("http://[::1]:80", "http://[::1]:80/chat/completions", True),
        ("https://api.example.org/v1/chat/completions",
         "https://api.example.org/v1/chat/completions", False),
        (" https://x.example.org/a?api-version=2024-10-21 ",
         "https://x.example.org/a/chat/completions?api-version=2024-10-21", False),
    ],
)  # fmt: skip
def test_addresses_as_they_are_typed(typed: str, url: str, is_here: bool) -> None:
    found = read_address(typed)
    assert (found.url, found.is_here) == (url, is_here)
    assert found.is_encrypted == url.startswith("https")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("127.0.0.1:8000/v1", "write it with its scheme"),
        ("ftp://example.org", "write it with its scheme"),
        ("http://", "write it with its scheme"),
        ("http://[::1", "write it with its scheme"),
        ("http://host:port/v1", "write it with its scheme"),
        ("https://me:secret@example.org/v1", "holds a name or a password"),
        ("https://secret@example.org/v1", "holds a name or a password"),
        ("https://example.org/v1?key=secret", "where a key would be seen"),
        ("https://example.org/v1#secret", "where a key would be seen"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_not_repeated(typed: str, said: str) -> None:
    with pytest.raises(AtlasError, match=said) as found:
        read_address(typed)
    assert "secret" not in str(found.value)


def test_a_key_comes_from_the_environment() -> None:
    assert read_key(KEY_VARIABLE, {KEY_VARIABLE: " abc\n"}).value == "abc"
    assert read_key(KEY_VARIABLE, {}).value == "", "a server of one's own needs none"
    assert read_key("OTHER", {"OTHER": "abc", KEY_VARIABLE: "no"}).value == "abc"


@pytest.mark.parametrize(
    ("variable", "environment"),
    [
        ("sk-secret", {}),
        ("OTHER", {"OTHER": " "}),
        ("OTHER", {"OTHER": "two secret"}),
        ("OTHER", {"OTHER": "secrét"}),
        ("OTHER", {"OTHER": "a\nsecret"}),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(
    variable: str, environment: dict[str, str]
) -> None:
    with pytest.raises(AtlasError) as found:
        read_key(variable, environment)
    assert "secr" not in str(found.value)


def test_a_key_is_not_printed_by_accident() -> None:
    key = Key("secret-key")
    assert "secret" not in f"{key} {key!r} {[key]}"
    assert key.without("it says secret-key!") == "it says …!"
    assert Key("").without("it says") == "it says"


def test_waits_grow_and_never_come_together() -> None:
    rng = Random(0)
    waits = [[seconds_before(attempt, rng) for _ in range(50)] for attempt in range(1, 12)]
    assert all(2**i / 2 <= wait <= 2**i for i in range(6) for wait in waits[i])
    assert max(waits[-1]) <= LONGEST_SECONDS
    assert all(len(set(own)) > 40 for own in waits)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
        ("1.2.3", None),
    ],
)
def test_what_an_endpoint_says_of_waiting(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds

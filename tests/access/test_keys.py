"""Keys on both databases: shown once, kept as hashes, ended by time and by hand."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, inspect, text

from app.access import keys, times
from app.access.listing import key_lines
from app.access.tables import metadata
from app.access.viewer import ROLES, Viewer, role_of
from app.errors import AtlasError


def _by_token(notebook: Engine, token: str) -> keys.Key | None:
    with notebook.connect() as connection:
        return keys.key_of_token(connection, token)


def _by_cookie(notebook: Engine, cookie: str) -> keys.Key | None:
    with notebook.connect() as connection:
        return keys.key_of_cookie(connection, cookie)


def test_the_tables_are_those_of_the_migration(notebook: Engine) -> None:
    keys.create_key(notebook, "Ada", "read")
    with notebook.connect() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            columns = {column["name"]: column for column in found.get_columns(table.name)}
            assert set(columns) == {column.name for column in table.columns}
            assert not any(column["nullable"] for column in columns.values())
            indexes = {index["name"] for index in found.get_indexes(table.name)}
            assert indexes == {index.name for index in table.indexes}


def test_a_key_is_found_by_itself_and_by_its_cookie(notebook: Engine) -> None:
    key, token = keys.create_key(notebook, "  Ada   Lovelace ", "write", ("m", "s"))
    assert key.viewer == Viewer("Ada Lovelace", "write", ("m", "s"))
    assert _by_token(notebook, token) == key
    assert _by_cookie(notebook, keys.cookie_of(token)) == key
    assert _by_token(notebook, keys.cookie_of(token)) is None
    assert _by_cookie(notebook, token) is None


def test_nothing_in_the_database_opens_anything(notebook: Engine) -> None:
    _, token = keys.create_key(notebook, "Ada", "admin")
    with notebook.connect() as connection:
        row = connection.execute(text("SELECT * FROM access_key")).one()
    for stored in row:
        assert token not in str(stored) and keys.cookie_of(token) not in str(stored)
        assert _by_token(notebook, str(stored)) is None
        assert _by_cookie(notebook, str(stored)) is None


def test_keys_are_long_random_and_all_different(notebook: Engine) -> None:
    made = [keys.create_key(notebook, "x", "read")[1] for _ in range(20)]
    assert len(set(made)) == 20
    assert all(re.fullmatch(r"fa_[A-Za-z0-9_-]{43}", token) for token in made)


def test_a_changed_key_is_none(notebook: Engine) -> None:
    _, token = keys.create_key(notebook, "Ada", "read")
    last = "A" if token[-1] != "A" else "B"
    for changed in (token.swapcase(), token[:-1], token[:-1] + last, f"{token} ", f"{token}\0",
                    token[3:], f"{token}{token}", "", "%", "fa_%"):  # fmt: skip
        assert _by_token(notebook, changed) is None


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(notebook: Engine) -> None:
    kept, kept_token = keys.create_key(notebook, "Ada", "read")
    key, token = keys.create_key(notebook, "Bob", "read")
    ended = keys.revoke_key(notebook, key.key_id)
    assert ended.state == "revoked"
    assert _by_token(notebook, token) is None
    assert _by_cookie(notebook, keys.cookie_of(token)) is None
    assert _by_token(notebook, kept_token) == kept
    assert keys.revoke_key(notebook, key.key_id).revoked_at == ended.revoked_at
    assert [(k.viewer.name, k.state) for k in keys.list_keys(notebook)] == [
        ("Ada", "open"), ("Bob", "revoked"),
    ]  # fmt: skip


def test_a_key_ends_with_its_days(notebook: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    key, token = keys.create_key(notebook, "Ada", "read", days=2)
    start = times.now()
    assert _by_token(notebook, token) == key
    monkeypatch.setattr(times, "now", lambda: start + timedelta(days=1.999))
    assert _by_token(notebook, token) is not None
    monkeypatch.setattr(times, "now", lambda: start + timedelta(days=2.001))
    assert _by_token(notebook, token) is None
    assert keys.list_keys(notebook)[0].state == "expired"


def test_that_keys_were_made_is_never_forgotten(notebook: Engine) -> None:
    with notebook.connect() as connection:
        assert not keys.any_key(connection)
    key, _ = keys.create_key(notebook, "Ada", "read")
    keys.revoke_key(notebook, key.key_id)
    with notebook.connect() as connection:
        assert keys.any_key(connection)


@pytest.mark.parametrize("name", ["", "  ", "a" * 81, "a\x00b", "a\u202eb", "a\x1b[31m"])
def test_a_name_must_be_one(notebook: Engine, name: str) -> None:
    with pytest.raises(AtlasError, match="visible characters"):
        keys.create_key(notebook, name, "read")
    assert keys.list_keys(notebook) == []


@pytest.mark.parametrize("days", [0, -1, 4000, float("nan"), float("inf")])
def test_days_must_be_some(notebook: Engine, days: float) -> None:
    with pytest.raises(AtlasError, match="days"):
        keys.create_key(notebook, "Ada", "read", days=days)


def test_an_admin_is_not_limited(notebook: Engine) -> None:
    with pytest.raises(AtlasError, match="can't be limited"):
        keys.create_key(notebook, "Ada", "admin", ("m", "s"))


def test_an_unknown_key_or_role_is_a_sentence(notebook: Engine) -> None:
    with pytest.raises(AtlasError, match="no key 'abc'"):
        keys.revoke_key(notebook, "abc")
    with pytest.raises(AtlasError, match="no role 'root': choose read, write, admin"):
        role_of("root")
    assert [role_of(role) for role in ROLES] == list(ROLES)


def test_the_list_is_aligned_and_opens_nothing(notebook: Engine) -> None:
    assert key_lines([]) == ["No key was ever made here."]
    _, token = keys.create_key(notebook, "Ada", "write", ("m", "s"), 30)
    keys.create_key(notebook, "Somebody longer", "admin")
    lines, words = key_lines(keys.list_keys(notebook)), ("role", "write", "admin")
    assert len({line.index(word) for line, word in zip(lines, words, strict=True)}) == 1
    assert "m/s" in lines[1] and "all" in lines[2] and "no end" in lines[2]
    assert token not in "\n".join(lines)


def test_moments_in_words() -> None:
    moment = times.as_text(datetime(2026, 12, 3, 4, 5, 6, tzinfo=UTC))
    assert moment == "2026-12-03T04:05:06.000Z"
    assert times.in_words(moment) == "3 December 2026, 04:05 UTC"
    assert times.is_over(moment) == (times.as_text(times.now()) >= moment)
    assert not times.is_over(times.NEVER)


def test_what_a_viewer_may() -> None:
    ada, limited, admin = (
        Viewer("a", "write"),
        Viewer("l", "write", ("m", "s")),
        Viewer("b", "admin"),
    )
    assert ada.may_write("m", "s") and not ada.is_admin
    assert limited.may_write("m", "s") and not limited.may_write("m", "t")
    assert not limited.may_read("n", "s")
    assert admin.is_admin and admin.may_write("m", "s")
    assert not Viewer("r", "read").may_write("m", "s")

"""Share links on both databases: signed, ended by time, by hand and with their maker's key."""

import string
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from app.access import keys, shares, times
from app.access.listing import share_lines
from app.errors import AtlasError


def _make(notebook: Engine, **changes: Any) -> shares.Share:
    said: dict[str, Any] = {
        "kind": "feature", "address": "/m/s/12", "dictionary": ("m", "s"), "made_by": "Ada",
        "made_with": "", "days": 7,
    }  # fmt: skip
    return shares.create_share(notebook, **(said | changes))


def _secret(notebook: Engine) -> str:
    with notebook.connect() as connection:
        return shares.read_secret(connection)


def _state(notebook: Engine, share_id: str) -> str:
    with notebook.connect() as connection:
        return shares.find_shares(connection, [share_id])[0].state


def test_a_link_leads_to_its_row(notebook: Engine) -> None:
    share = _make(notebook)
    text = shares.sign(_secret(notebook), share.share_id)
    assert shares.signed_id(_secret(notebook), text) == share.share_id
    with notebook.connect() as connection:
        assert shares.find_shares(connection, [share.share_id, "other"]) == [share]
    assert (share.state, share.dictionary) == ("open", ("m", "s"))


def test_no_changed_link_is_one(notebook: Engine) -> None:
    """Every other character in every place, and every cut."""
    secret = _secret(notebook)
    text = shares.sign(secret, _make(notebook).share_id)
    letters = string.ascii_letters + string.digits + "-_.~=%/ "
    for place in range(len(text)):
        for letter in letters:
            changed = text[:place] + letter + text[place + 1 :]
            assert changed == text or shares.signed_id(secret, changed) is None, changed
        assert shares.signed_id(secret, text[:place]) is None
    for other in (f"{text}=", f"{text}A", text.upper(), f" {text}", "", ".", "é.é"):
        assert shares.signed_id(secret, other) is None


def test_a_link_of_another_notebook_is_none(notebook: Engine) -> None:
    _make(notebook)
    text = shares.sign(_secret(notebook), "0123456789abcdef")
    assert shares.signed_id("ab" * 32, text) is None
    assert len(_secret(notebook)) == 64


def test_a_link_ends_with_its_days(notebook: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    share = _make(notebook, days=1)
    start = times.now()
    monkeypatch.setattr(times, "now", lambda: start + timedelta(hours=23.9))
    assert _state(notebook, share.share_id) == "open"
    monkeypatch.setattr(times, "now", lambda: start + timedelta(hours=24.1))
    assert _state(notebook, share.share_id) == "expired"


def test_a_revoked_link_stays_in_the_list(notebook: Engine) -> None:
    first, second = _make(notebook), _make(notebook)
    ended = shares.revoke_share(notebook, first.share_id, "Bob")
    assert (ended.state, ended.revoked_by) == ("revoked", "Bob")
    assert shares.revoke_share(notebook, first.share_id, "Eve").revoked_by == "Bob"
    found = shares.list_shares(notebook)
    assert {share.share_id: share.state for share in found} == {
        first.share_id: "revoked", second.share_id: "open",
    }  # fmt: skip
    with pytest.raises(AtlasError, match="no share link 'nothing'"):
        shares.revoke_share(notebook, "nothing", "Bob")


def test_links_end_with_the_key_they_were_made_with(notebook: Engine) -> None:
    ada, _ = keys.create_key(notebook, "Ada", "write")
    bob, _ = keys.create_key(notebook, "Bob", "write")
    hers, his = _make(notebook, made_with=ada.key_id), _make(notebook, made_with=bob.key_id)
    nobodys = _make(notebook)
    keys.revoke_key(notebook, ada.key_id)
    states = [_state(notebook, share.share_id) for share in (hers, his, nobodys)]
    assert states == ["revoked", "open", "open"]


@pytest.mark.parametrize("days", [0, -3, 0.01, 367, float("nan"), float("inf")])
def test_days_must_be_some(notebook: Engine, days: float) -> None:
    with pytest.raises(AtlasError, match="days"):
        _make(notebook, days=days)


def test_the_list_opens_nothing(notebook: Engine) -> None:
    assert share_lines([]) == ["No share link was ever made here."]
    share = _make(notebook)
    text = shares.sign(_secret(notebook), share.share_id)
    lines = "\n".join(share_lines(shares.list_shares(notebook)))
    assert "/m/s/12" in lines and share.share_id in lines
    assert text.partition(".")[2] not in lines
    assert shares.signed_id(_secret(notebook), share.share_id) is None

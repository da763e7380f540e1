"""A text in an address: it comes back exactly, and nothing hostile is unpacked."""

import base64
import random
import re
import zlib

import numpy as np
import pytest

from app.db.records import TokenRecord
from app.live.protocol import MOST_CHARACTERS
from app.web.pages.live.packed_text import MOST_PACKED, pack_text, unpack_text
from app.web.pages.live.shown_text import shown_text
from app.web.pages.live.views import SteerView, TopView, TryView, parse_change


@pytest.mark.parametrize("text", ["", "a", " def f(self):\n\treturn", "ö✓🙂" * 50, "<script>&\0"])
def test_a_text_comes_back_exactly(text: str) -> None:
    packed = pack_text(text)
    assert unpack_text(packed) == text
    assert set(packed) <= set(base64.urlsafe_b64encode(bytes(range(256))).decode()) - {"="}


def test_what_forms_send_is_what_was_typed() -> None:
    view = TryView(plain="a\r\nb", position=2)
    assert view.typed == "a\nb"
    assert view.packed() == [("text", pack_text("a\nb")), ("position", "2")]
    assert TryView(text=pack_text("a\nb")).typed == "a\nb"


def test_a_text_too_long_for_an_address_is_a_sentence() -> None:
    noise = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=15_000))
    with pytest.raises(ValueError, match=f"{MOST_PACKED:,} are the most. Shorten it"):
        pack_text(noise)
    with pytest.raises(ValueError, match="shorten it"):
        pack_text("a" * (MOST_CHARACTERS + 1))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b"a" * 50_000_000, 9)
    # a bomb of an argument's length
    with pytest.raises(ValueError, match="more than 20,000 characters"):
        unpack_text(base64.urlsafe_b64encode(bomb[:6_000]).decode())


@pytest.mark.parametrize("packed", ["x", "????", "AAAA", pack_text("some text")[:-4], "é"])
def test_what_was_cut_or_changed_is_a_sentence(packed: str) -> None:
    with pytest.raises(ValueError, match="cut or changed on its way"):
        unpack_text(packed)


def test_changes_are_read_as_they_are_written() -> None:
    change = parse_change("tiny/resid-2-4k/12:add:-8.5")
    assert (change.sae, change.feature_index, change.how, change.strength) == (
        *("tiny/resid-2-4k", 12, "add", -8.5),
    )
    view = SteerView(change=("a/b/1:clamp:0", "", " a/b/2:add:1e3 "))
    assert view.change == ("a/b/1:clamp:0", "a/b/2:add:1e3")
    for wrong in ("a/b:add:1", "a/b/1:set:1", "a/b/1:add:", "a/b/1:add:nan", "a/b/1:add:1e9"):
        with pytest.raises(ValueError, match="is no change of a feature"):
            SteerView(change=(wrong,))


def test_defaults_stay_out_of_addresses() -> None:
    assert TopView(plain="a").packed() == [("text", pack_text("a"))]
    assert SteerView(text=pack_text("a"), seed=0).packed() == [("text", pack_text("a"))]


def test_a_long_text_is_shown_without_a_link_for_each_token() -> None:
    """Every link would carry the whole text: the page would be as large as its square."""
    tokens = [TokenRecord(i, f" w{i}", "", b"", False, True) for i in range(300)]
    values = np.arange(300.0)

    def shown(address: str) -> str:
        return shown_text(tokens, values, 299.0, "heat", [True] * 300, 4, lambda i: f"{address}{i}")

    short, long = shown("/a?position="), shown(f"/a?text={'x' * 2_000}&position=")
    assert short.count("<a ") == 300
    assert "<a " not in long and len(long) < 20_000
    assert long.count("heat-9") == short.count("heat-9") == 30
    texts = [re.sub("<[^>]*>", "", markup) for markup in (short, long)]
    assert texts[0] == texts[1] == "".join(token.token for token in tokens)

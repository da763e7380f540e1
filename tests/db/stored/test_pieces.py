"""Sentences come back piece by piece from a column that holds no more than their texts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.stored.pieces import dump_pieces, whole_pieces

pieces = st.lists(st.tuples(st.sampled_from(["text", "number", "token"]), st.text()).map(list))


@settings(deadline=None)
@given(pieces)
def test_every_piece_survives(sentence: list[list[str]]) -> None:
    assert whole_pieces(json.loads(dump_pieces(sentence))) == sentence


def test_texts_stand_after_their_kinds() -> None:
    assert dump_pieces([["text", "Fires on "], ["number", "1%"]]) == '["tn","Fires on ","1%"]'


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        dump_pieces([["picture", "x"]])

"""A `next` token leads on in its own list and is refused everywhere else."""

import pytest

from app.db.cursor import BadCursor, decode_cursor, encode_cursor


@pytest.mark.parametrize("place", [[0.1 + 0.2, 7], [None, 3], [1e-300, 0], [-5, 2**40]])
def test_a_place_survives_exactly(place: list[float | int | None]) -> None:
    assert decode_cursor(encode_cursor(place, ["density"]), ["density"]) == place


def test_a_token_of_another_list_is_refused() -> None:
    token = encode_cursor([0.5, 7], ["density", []])
    with pytest.raises(BadCursor, match="another sort or other filters"):
        decode_cursor(token, ["density", [["max_activation", 1, None]]])


@pytest.mark.parametrize("token", ["", "x", "!!!!", "bm90IGpzb24", "W10", "MTI", "é"])
def test_a_damaged_token_is_refused(token: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(token, ["density"])

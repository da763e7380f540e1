"""What a study found comes back as it was, and a damaged blob is an error."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from app.db.stored.study import pack_study, unpack_plain, unpack_study


@dataclass(frozen=True)
class Curve:
    """One line."""

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class Whole:
    """Everything a record may hold."""

    curves: list[Curve]
    by_name: dict[str, Curve | None]
    pair: tuple[int, float]
    more: tuple[str, ...]
    table: np.ndarray
    missing: float | None
    nested: Curve | None


def whole() -> Whole:
    curve = Curve("a", np.array([1.5, np.nan, np.inf]))
    return Whole(
        [curve, Curve("b", np.zeros(0, np.float32))],
        {"x": curve, "y": None},
        (np.int64(3), float("nan")),  # type: ignore[arg-type]
        ("one", "zwei ‘…’"),
        np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::-1],
        None,
        Curve("c", np.array([[True], [False]])),
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(
            one, other, equal_nan=one.dtype.kind == "f"
        )
    if isinstance(one, Curve | Whole):
        return type(one) is type(other) and same(vars(one), vars(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same, one, other))
    return bool(one == other or (one != one and other != other))


def test_a_record_comes_back() -> None:
    assert same(unpack_study(Whole, pack_study(whole())), whole())


@pytest.mark.parametrize(
    "value", [np.array([object()]), {1: "a"}, b"bytes", {"$array": 1}, object()]
)
def test_what_has_no_place_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        pack_study(Curve("a", value))


def test_a_record_is_read_without_its_kind() -> None:
    plain = unpack_plain(pack_study(whole()))
    assert plain["by_name"]["x"]["name"] == "a" and plain["pair"][0] == 3
    assert same(plain["table"], whole().table)


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_a_cut_blob_is_an_error(cut: int) -> None:
    inside = zlib.decompress(pack_study(whole()))
    for blob in (pack_study(whole())[:-cut], zlib.compress(inside[:-cut])):
        with pytest.raises((ValueError, zlib.error)):
            unpack_study(Whole, blob)


def test_another_record_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a Whole"):
        unpack_study(Whole, pack_study(Curve("a", np.zeros(1))))
    inside = zlib.decompress(pack_study(Curve("a", np.zeros(1))))
    with pytest.raises(ValueError, match="8 bytes follow"):
        unpack_study(Curve, zlib.compress(inside + bytes(8)))

"""What is packed comes back: whole numbers and exact ones bit for bit, rounded ones as promised;
and numpy alone can read it."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.db.stored.compact import Counts, Exact, Rounded, Steps, unpack, unpack_one
from app.db.stored.packing import Columns, owners, pack, pack_many, runs


@dataclass(frozen=True)
class Panel:
    counts: Counts
    share: float
    exact: Exact
    ids: Steps
    n: int
    rounded: Rounded


@dataclass(frozen=True)
class Other:
    values: Exact
    n: int


_WHOLE = hnp.arrays(
    np.int64, st.integers(0, 40), elements=st.integers(-(2**61), 2**61) | st.integers(0, 99)
)
_REAL = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32))
panels = st.builds(
    Panel, _WHOLE, st.floats(allow_nan=False), _REAL, _WHOLE, st.integers(-(2**61), 2**61), _REAL
)


@settings(deadline=None)
@given(panels, st.booleans())
def test_every_field_survives(panel: Panel, noisy: bool) -> None:
    found: Panel = unpack_one(Panel, pack(panel, noisy=noisy))
    np.testing.assert_array_equal(found.counts, panel.counts)
    np.testing.assert_array_equal(found.ids, panel.ids)
    assert found.exact.tobytes() == panel.exact.tobytes()
    assert (found.n, found.share) == (panel.n, panel.share)
    assert found.counts.dtype == np.int64 and found.rounded.dtype == np.float32


@settings(deadline=None)
@given(hnp.arrays(np.float32, 20, elements=st.floats(2.0**-100, 2.0**100, width=32)))
def test_rounded_numbers_keep_sixteen_bits(values: np.ndarray) -> None:
    signed = values * np.where(np.arange(20) % 2, -1, 1).astype(np.float32)
    found = unpack_one(Panel, pack(_panel(rounded=signed))).rounded
    assert (np.abs(found - signed) <= 2.0**-16 * np.abs(signed)).all()


def test_what_is_no_number_is_kept() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.0], np.float32)
    found = unpack_one(Panel, pack(_panel(exact=values, rounded=values, share=float("nan"))))
    np.testing.assert_array_equal(found.exact, values)
    np.testing.assert_array_equal(found.rounded, values)
    assert np.isnan(found.share)


def test_records_stand_in_a_row_and_may_be_missing() -> None:
    first, last = _panel(counts=np.array([7])), Other(np.array([0.1], np.float32), 3)
    kinds = (Panel, Other, Other)
    one, missing, other = unpack(kinds, pack(first, None, last))
    assert isinstance(one, Panel) and one.counts.tolist() == [7] and missing is None
    assert isinstance(other, Other) and other.n == 3
    assert other.values.tobytes() == last.values.tobytes()
    assert unpack(kinds, pack(None, None, None)) == [None] * 3


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.none() | panels, st.none() | panels), max_size=5))
def test_many_rows_are_packed_as_each_of_them(
    rows: list[tuple[Panel | None, Panel | None]],
) -> None:
    firsts, seconds = [row[0] for row in rows], [row[1] for row in rows]
    blobs = pack_many(Columns.of(Panel, firsts), Columns.of(Panel, seconds))
    for row, blob in zip(rows, blobs, strict=True):
        found, expected = unpack((Panel, Panel), blob), unpack((Panel, Panel), pack(*row))
        np.testing.assert_equal([one and vars(one) for one in found], [
            one and vars(one) for one in expected
        ])  # fmt: skip


def test_more_rows_than_a_thread_takes_stay_in_order() -> None:
    rows = [_panel(counts=np.arange(i % 7), n=i) for i in range(300)]
    blobs = pack_many(Columns.of(Panel, rows))
    assert [unpack_one(Panel, blob).n for blob in blobs] == list(range(300))


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 5)), max_size=8))
def test_runs_and_owners(spans: list[tuple[int, int]]) -> None:
    first, size = np.array(spans, np.int64).reshape(-1, 2).T
    assert runs(first, size).tolist() == [a + i for a, n in spans for i in range(n)]
    assert owners(size).tolist() == np.repeat(np.arange(size.size), size).tolist()


def test_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Other\.values has 2 dimensions"):
        pack(Other(np.zeros((2, 2), np.float32), 0))


def test_the_layout_is_what_the_design_says() -> None:
    """As a reader with numpy alone would do it: docs/design.md, "The file"."""
    blob = pack(Other(np.array([1.5, -2.5], np.float32), -3))
    n_planes, n_whole = struct.unpack_from("<BI", blob)
    inflater = zlib.decompressobj(-15)
    first = np.frombuffer(inflater.decompress(blob[5:]), np.uint8)
    rest = np.frombuffer(inflater.unused_data, np.uint8)
    planes = first[: n_planes * n_whole].reshape(n_planes, n_whole).astype(np.int64)
    coded = (planes << 8 * np.arange(n_planes)[:, None]).sum(axis=0)
    numbers = np.where(coded % 2, -(coded + 1) // 2, coded // 2)
    assert numbers.tolist() == [1, 2, -3]  # there is a record, its array has two values, n
    values = np.vstack([rest.reshape(3, 2), first[n_planes * n_whole :]]).T
    assert np.ascontiguousarray(values).view("<f4").ravel().tolist() == [1.5, -2.5]


def _panel(**values: object) -> Panel:
    none = np.zeros(0)
    usual = {"counts": none, "share": 0.0, "exact": none, "ids": none, "n": 0, "rounded": none}
    return Panel(**{**usual, **values})  # type: ignore[arg-type]

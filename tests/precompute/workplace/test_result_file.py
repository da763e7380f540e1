"""Results come back as they were; a file that would run something is refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from app.db.records import NeighborPanel, QualityRecord
from app.precompute.workplace import result_file


def test_plain_values_arrays_and_records_come_back(tmp_path: Path) -> None:
    value = {
        "arrays": [np.arange(5, dtype=dtype) for dtype in ("u1", "<i4", "<i8", "<f4", "f8")],
        "bits": np.zeros((2, 3), np.float16)[:, ::2],
        "scalar": np.float32(1.5),
        "records": (NeighborPanel(np.arange(2), np.ones(2)), None, "text", b"bytes", 1.5, True),
    }
    result_file.save(tmp_path / "a" / "one.result", value)
    found = result_file.load(tmp_path / "a" / "one.result")
    for array, expected in zip(found["arrays"], value["arrays"], strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)
    np.testing.assert_array_equal(found["bits"], value["bits"], strict=True)
    assert found["scalar"] == 1.5 and found["records"][1:] == value["records"][1:]
    assert isinstance(found["records"][0], NeighborPanel)


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("value", [Harm(), Path("/"), eval, np.load, QualityRecord.__init__])
def test_nothing_else_is_read(tmp_path: Path, value: object) -> None:
    (tmp_path / "one.result").write_bytes(pickle.dumps([value]))
    with pytest.raises(pickle.UnpicklingError, match="no result is made of"):
        result_file.load(tmp_path / "one.result")

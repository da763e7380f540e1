"""Which dictionaries are compared: those that read one hook and write one."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from app.db.beside import Beside
from app.precompute.preparation import Run
from app.precompute.studies.matches import sides
from app.precompute.target import Target
from app.sae.dictionary import Dictionary

READS, WRITES = "blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out"


def test_a_place_is_where_one_reads_and_where_one_writes(
    tiny_dictionary: Callable[..., Dictionary], monkeypatch: pytest.MonkeyPatch
) -> None:
    def target(sae: str, hook_name: str, hook_name_out: str | None = None) -> Target:
        return Target(sae, tiny_dictionary(8), hook_name, Path(), hook_name_out)

    def older(sae: str, hook_name: str, output_hook: str, d_out: int = 8) -> Beside:
        return Beside(sae, 1, hook_name, output_hook, d_out, 24, "weights", "rows")

    beside = [
        older("old-transcoder", READS, WRITES),
        older("old-autoencoder", WRITES, WRITES),
        older("old-wider", READS, WRITES, d_out=9),
    ]
    monkeypatch.setattr(sides, "dictionaries_beside", lambda *_: beside)
    run = MagicMock(
        spec=Run,
        targets=[
            target("first", READS, WRITES),
            target("second", READS, WRITES),
            target("read-there", READS),
            target("written-there", WRITES),
        ],
        job=SimpleNamespace(output=Path(), model_slug="m", saes=()),
    )
    assert [(a.sae, b.sae) for a, b in sides.pairs_of(run)] == [
        ("first", "second"),
        ("first", "old-transcoder"),
        ("second", "old-transcoder"),
        ("written-there", "old-autoencoder"),
    ]

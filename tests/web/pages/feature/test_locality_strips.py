"""Strips of whole contexts: every firing a mark at its place, borders and gaps where they are."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import ContextRecord
from app.web.charts.scales import heat_class
from app.web.memory import Memory
from app.web.pages.feature.busiest_contexts import busiest_contexts
from app.web.pages.feature.locality_strips import build_strips
from app.web.pages.feature.material import Material, load_material


@pytest.fixture
def material(connection: Connection, sae: Sae) -> Material:
    record = get_feature(connection, sae.sae_id, 1)
    assert record is not None
    return load_material(connection, sae, record, lambda _groups, _ablations: {}, Memory(Path()))


def test_the_busiest_contexts_come_first_and_once(material: Material) -> None:
    firings: dict[int, int] = {}
    for stored in material.groups.values():
        counts = np.diff(stored.firing_indptr).tolist()
        for context_id, n in zip(stored.context_id.tolist(), counts, strict=True):
            firings[context_id] = max(n, firings.get(context_id, 0))
    living = [item for item in firings.items() if item[1]]
    expected = sorted(living, key=lambda item: (-item[1], item[0]))[:6]
    found = busiest_contexts(material.groups)
    assert [(busy.context_id, busy.position.size) for busy in found] == expected


def test_every_firing_is_a_mark_of_its_colour(material: Material) -> None:
    strips = build_strips(material)
    assert strips is not None and len(strips.rows) == len(busiest_contexts(material.groups))
    for row, busy in zip(strips.rows, busiest_contexts(material.groups), strict=True):
        drawn = {
            (int(position), marks.css)
            for marks in row.marks
            for position in re.findall(r"M(\d+)\.5 0v10", marks.path)
        }
        maximum = material.record.max_activation or 0.0
        assert drawn == {
            (position, heat_class(value, maximum))
            for position, value in zip(
                busy.position.tolist(), busy.activation.tolist(), strict=True
            )
        }
        assert row.ticks.count("M") == int(row.count.replace(",", ""))
        assert max(busy.position) < strips.size


def test_borders_and_uncounted_stretches(material: Material) -> None:
    [busy, *_] = busiest_contexts(material.groups)
    ids = np.array([-1, 4, 4, -1, -1, 5, 6, -1])
    changed = replace(
        material, contexts={busy.context_id: ContextRecord(busy.context_id, ids, ids)}
    )
    strips = build_strips(changed)
    assert strips is not None
    [row] = strips.rows
    assert row.borders == "M5 0v10M6 0v10"
    assert row.uncounted == "M0 0h1v10h-1zM3 0h2v10h-2zM7 0h1v10h-1z"


def test_without_contexts_there_are_no_strips(material: Material) -> None:
    assert build_strips(replace(material, contexts={})) is None

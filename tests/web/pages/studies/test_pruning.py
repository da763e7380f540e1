"""The page of prunings: every number is the record's, every step a link, every comparison exact."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete, update

from app.db import schema
from app.db.catalog import find_sae, limit_to
from app.db.engine import open_atlas
from app.db.features import get_features
from app.db.stored.study import pack_study
from app.db.studies import get_study
from app.db.study_records.pruning import Pruning
from app.demo.synthetic import build_synthetic_atlas
from app.web import text
from app.web.pages.studies.pruning.rivals import rivals_of
from app.web.pages.studies.pruning.steps import as_percent, plain

MakeClient = Callable[..., TestClient]
ONE, OTHER, TOP_K = "one-2", "other-2", "top-1"
PAGE = f"/synthetic/{ONE}/pruning"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries at one hook, and one, per-token top-k, at another."""
    folder = tmp_path_factory.mktemp("pruning")
    return build_synthetic_atlas(
        folder / "atlas.db", n_features=60, saes=(ONE, TOP_K, OTHER, "also-1")
    )


@pytest.fixture(scope="module")
def asked(path: Path, make_client: MakeClient) -> TestClient:
    return make_client(path)


def record_of(path: Path, name: str) -> Pruning:
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        sae = find_sae(connection, "synthetic", name)
        assert sae is not None
        record = get_study(connection, Pruning, sae.sae_id)
    atlas.close()
    assert record is not None
    return record


class _Seen(HTMLParser):
    """What is seen of a page without a script: texts and links, hidden steps left out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("p", "div") and (self._hidden or "hidden" in given):
            self._hidden += 1
        if tag == "a" and not self._hidden:
            self.links.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "div") and self._hidden:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def seen(page: str) -> _Seen:
    reader = _Seen()
    reader.feed(page)
    return reader


def words(page: str) -> str:
    """The text that is seen of a page, spaces made one; cells stand apart."""
    return re.sub(r"\s+", " ", " ".join(seen(page).texts)).replace(" ,", ",").replace(" .", ".")


def now(page: str) -> str:
    """The threshold of the step shown."""
    found = re.findall(r'data-threshold="([^"]*)" class="now" aria-current', page)
    assert len(found) == 1
    return found[0]


def test_the_twin_holds_every_step_of_both_directions(path: Path, asked: TestClient) -> None:
    record = record_of(path, ONE)
    twin = asked.get(f"{PAGE}.json?fill=mean").json()
    assert twin["ok"] and twin["fill"] == "mean"
    for name, sweep in (("denser", record.dense), ("rarer", record.rare)):
        assert [step["threshold"] for step in twin[name]] == sweep.threshold.tolist()
        assert [step["n_removed"] for step in twin[name]] == sweep.n_removed.tolist()
        for i, step in enumerate(twin[name]):
            assert step["delta_ce"] == sweep.folded.delta_ce[i]
            assert step["l0"] == sweep.l0[i]
            level = sweep.level[i]
            found = [draw["delta_ce"] for draw in step["random"]]
            assert found == record.random.folded.delta_ce[:, level].tolist()
    assert twin["everything_removed"]["delta_ce"] == record.none.delta_ce[1]
    assert twin["nothing_removed"]["l0"] == record.l0


def test_it_opens_where_l0_is_about_half(path: Path, asked: TestClient) -> None:
    record = record_of(path, ONE)
    nearest = np.abs(record.dense.l0 - record.l0 / 2).argmin()
    assert now(asked.get(PAGE).text) == plain(record.dense.threshold[nearest])


@pytest.mark.parametrize("remove", ["denser", "rarer"])
@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_each_step_says_its_numbers(path: Path, asked: TestClient, remove: str, fill: str) -> None:
    record = record_of(path, ONE)
    sweep = record.dense if remove == "denser" else record.rare
    measured = sweep.zeroed if fill == "zero" else sweep.folded
    draws = record.random.zeroed if fill == "zero" else record.random.folded
    for i, threshold in enumerate(sweep.threshold):
        view = {"remove": remove, "fill": fill, "threshold": plain(threshold)}
        page = asked.get(PAGE, params=view).text
        assert now(page) == plain(threshold)
        said = words(page)
        assert f"features {remove} than {as_percent(threshold)}" in said or (
            sweep.n_removed[i] == 1 and f"the feature {remove} than" in said
        )
        for value in (
            f"L0 falls from {text.number(record.l0)} to {text.number(sweep.l0[i])}",
            text.signed(measured.delta_ce[i]),
            f"± {text.number(measured.delta_ce_error[i])}",
            text.number(measured.explained_variance[i]),
            text.percent(measured.recovered_mean[i], 3),
            text.percent(measured.recovered_zero[i], 3),
            text.signed(draws.delta_ce[:, sweep.level[i]].mean()),
        ):
            assert value in said, value


def test_the_link_lists_the_features_that_are_removed(path: Path, asked: TestClient) -> None:
    record = record_of(path, ONE)
    for remove, sweep in (("denser", record.dense), ("rarer", record.rare)):
        for i, threshold in enumerate(sweep.threshold):
            page = asked.get(PAGE, params={"remove": remove, "threshold": plain(threshold)}).text
            (link,) = [link for link in seen(page).links if "density=" in link]
            found = asked.get(link.replace("?", ".json?")).json()
            assert found["n_matching"] == sweep.n_removed[i]


def test_the_features_are_those_of_the_list(path: Path) -> None:
    record = record_of(path, ONE)
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        sae = find_sae(connection, "synthetic", ONE)
        assert sae is not None
        density = np.array(
            [item.density for item in get_features(connection, sae.sae_id, range(60)).values()]
        )
    atlas.close()
    for t, n, l0 in zip(
        record.dense.threshold, record.dense.n_removed, record.dense.l0, strict=True
    ):
        assert (density > t).sum() == n
        assert density[density <= t].sum() == pytest.approx(l0)


def test_a_threshold_nothing_was_measured_at_shows_the_nearest(
    path: Path, asked: TestClient
) -> None:
    threshold = float(record_of(path, ONE).dense.threshold[3])
    page = asked.get(PAGE, params={"threshold": f"{101 * threshold}%"}).text
    assert now(page) == plain(threshold)
    assert "Nothing was measured at" in page
    assert "Nothing was measured at" not in asked.get(f"{PAGE}?threshold={plain(threshold)}").text
    assert now(asked.get(f"{PAGE}?threshold=none").text) == "none"


@pytest.mark.parametrize("threshold", ["dense", "0", "-0.1", "1.2", "0.1..0.2", "nan", "1e400"])
def test_what_is_no_density_is_said(asked: TestClient, threshold: str) -> None:
    answer = asked.get(f"{PAGE}.json", params={"threshold": threshold})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_pruning_is_laid_beside_a_dictionary_of_the_same_l0(path: Path, asked: TestClient) -> None:
    """One choice of dictionary leads to the step of its L0, and the answer is exact."""
    one, other = record_of(path, ONE), record_of(path, OTHER)
    (low, small), (high, large) = sorted([(one, ONE), (other, OTHER)], key=lambda item: item[0].l0)
    address = f"/synthetic/{large}/pruning"
    page = asked.get(f"{address}?against={small}").text
    step = int(np.abs(high.dense.l0 - low.l0).argmin())
    assert now(page) == plain(high.dense.threshold[step])
    zeroed = high.dense.zeroed
    apart = zeroed.delta_by_context[step].astype(float) - low.whole.delta_by_context[0]
    n = high.context_n_tokens
    value = apart.sum() / n.sum()
    squares = np.square(apart - value * n).sum() * len(n) / (len(n) - 1)
    twin = asked.get(f"{address}.json?against={small}").json()["against"]
    assert twin["sae"] == small
    assert twin["delta_ce_difference"] == pytest.approx(value, rel=1e-6)
    assert twin["delta_ce_difference_error"] == pytest.approx(squares**0.5 / n.sum(), rel=1e-6)
    said = words(page)
    assert text.signed(zeroed.delta_ce[step]) in said
    assert f"± {text.number(squares**0.5 / n.sum(), 2)}" in said
    assert f"on the same {len(n)} contexts" in said
    back = words(asked.get(f"/synthetic/{small}/pruning?against={large}").text)
    assert "there is nothing to prune down to" in back


def test_a_dictionary_of_another_sample_is_said_to_be(
    path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    copy = tmp_path / "atlas.db"
    copy.write_bytes(path.read_bytes())
    _change(copy, OTHER, lambda record: replace(record, context_ids=record.context_ids + 1))
    own = make_client(copy)
    twin = own.get(f"{PAGE}.json?against={OTHER}&threshold=none").json()
    assert twin["others"][0]["same_contexts"] is False
    step, other = twin["nothing_removed"], twin["others"][0]
    assert twin["against"]["delta_ce_difference"] == step["delta_ce"] - other["delta_ce"]
    error = np.hypot(step["delta_ce_error"], other["delta_ce_error"])
    assert twin["against"]["delta_ce_difference_error"] == pytest.approx(error)
    if record_of(copy, ONE).l0 >= record_of(copy, OTHER).l0:
        assert "of its own sample" in own.get(f"{PAGE}?against={OTHER}").text


def test_where_no_step_has_the_l0_the_line_between_two_is_read(
    path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    record = record_of(path, ONE)
    low, high = float(record.dense.l0[5]), float(record.dense.l0[4])
    wanted = 0.3 * low + 0.7 * high
    copy = tmp_path / "atlas.db"
    copy.write_bytes(path.read_bytes())
    _change(copy, OTHER, lambda found: replace(found, l0=wanted))
    page = make_client(copy).get(f"{PAGE}?against={OTHER}").text
    delta = record.dense.zeroed.delta_ce
    expected = 0.3 * delta[5] + 0.7 * delta[4]
    said = words(page)
    assert f"L0 {text.number(wanted)} would cost this one {text.signed(expected)}." in said


def test_an_unknown_dictionary_to_compare_with_is_named(asked: TestClient) -> None:
    answer = asked.get(f"{PAGE}.json?against={TOP_K}")
    assert answer.status_code == 404
    assert OTHER in answer.json()["error"]
    assert asked.get(f"{PAGE}?against=%3Cb%3E").status_code == 404


def test_who_may_see_one_dictionary_sees_no_other_beside_it(path: Path) -> None:
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        sae = find_sae(connection, "synthetic", ONE)
        assert sae is not None
        record = record_of(path, ONE)
        assert [item.sae.record.sae for item in rivals_of(connection, sae, record)] == [OTHER]
        limit_to(connection, ("synthetic", ONE))
        assert rivals_of(connection, sae, record) == []
    atlas.close()


def test_under_top_k_both_sides_of_the_selection_are_shown(path: Path, asked: TestClient) -> None:
    record = record_of(path, TOP_K)
    assert record.dense.before is not None
    page = asked.get(
        f"/synthetic/{TOP_K}/pruning?threshold={plain(record.dense.threshold[2])}"
    ).text
    said = words(page)
    assert "removed before the selection" in said
    assert text.signed(record.dense.before.measured.delta_ce[2]) in said
    assert "the k strongest features of a token fire" in said
    assert "before the selection" not in asked.get(PAGE).text


def test_links_keep_the_rest_of_the_view(asked: TestClient) -> None:
    view = f"remove=rarer&fill=mean&against={OTHER}"
    page = asked.get(f"{PAGE}?{view}").text
    links = [unescape(link) for link in re.findall(r'href="(/synthetic/[^"]*pruning[^"]*)"', page)]
    assert f"{PAGE}?fill=mean&against={OTHER}" in links
    assert f"{PAGE}?remove=rarer&against={OTHER}" in links
    assert f"{PAGE}?remove=rarer&fill=mean" in links
    assert 'name="remove" value="rarer"' in page
    for link in links:
        assert asked.get(link).status_code == 200


def test_charts_hold_every_step(path: Path, asked: TestClient) -> None:
    record = record_of(path, ONE)
    page = asked.get(PAGE).text
    n_steps, n_charts = 1 + record.dense.threshold.size, 4
    circles = re.findall(r"<circle class=[^>]*data-of-step=(\d+)", page)
    assert len(circles) == n_steps * n_charts
    assert len(re.findall(r'class="step now"', page)) == n_charts
    assert len(re.findall("<circle class=rival ", page)) == 1
    assert f">{OTHER}</text>" in page
    places = [
        tuple(map(float, found))
        for found in re.findall(r'class="?step[^>]* cx="([\d.]+)%" cy="([\d.]+)%"', page)[:n_steps]
    ]
    assert sorted(x for x, _ in places) == sorted(x for x, _ in places)[:n_steps]
    assert [x for x, _ in places] == sorted((x for x, _ in places), reverse=True)  # L0 falls
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)  # ΔCE rises


def test_without_the_study_it_says_how_to_get_it(
    path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    copy = tmp_path / "atlas.db"
    copy.write_bytes(path.read_bytes())
    engine = create_engine(f"sqlite:///{copy}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study).where(schema.study.c.study == "pruning"))
    engine.dispose()
    own = make_client(copy)
    answer = own.get(f"{PAGE}.json")
    assert answer.status_code == 404
    assert "--skip pruning" in answer.json()["error"]
    assert "/pruning" not in own.get(f"/synthetic/{ONE}").text
    assert f'href="{PAGE}"' in make_client(path).get(f"/synthetic/{ONE}").text


def test_one_draw_and_no_steps_are_pages_as_well(
    path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    copy = tmp_path / "atlas.db"
    copy.write_bytes(path.read_bytes())

    def bare(record: Pruning) -> Pruning:
        def first(found: Any, n: int) -> Any:
            return type(found)(**{name: values[:n] for name, values in vars(found).items()})

        none = {
            name: first(value, 0) if name in ("zeroed", "folded") else value[:0]
            for name, value in vars(record.dense).items()
            if name != "before"
        }
        random = record.random
        one = replace(
            random, n_removed=random.n_removed[:1], l0=random.l0[:1],
            zeroed=first(random.zeroed, 1), folded=first(random.folded, 1),
        )  # fmt: skip
        return replace(record, dense=replace(record.dense, before=None, **none), random=one)

    _change(copy, ONE, bare)
    own = make_client(copy)
    assert "differ too little" in own.get(PAGE).text
    page = own.get(f"{PAGE}?remove=rarer").text
    assert "mean of 2 draws" not in page and "…" not in words(page).split("Every step")[0]


def _change(path: Path, name: str, change: Callable[[Pruning], Pruning]) -> None:
    record = change(record_of(path, name))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        sae_id = connection.scalar(
            schema.sae.select()
            .with_only_columns(schema.sae.c.sae_id)
            .where(schema.sae.c.sae == name)
        )
        own = (schema.study.c.sae_id == sae_id) & (schema.study.c.study == "pruning")
        connection.execute(update(schema.study).where(own).values(record=pack_study(record)))
    engine.dispose()

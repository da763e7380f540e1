"""Full-text search against brute force over the stored texts and windows."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine, delete, inspect, select, update

from app.db import schema
from app.db.catalog import Sae, list_saes
from app.db.checks.check import check_atlas
from app.db.engine import open_atlas
from app.db.examples import get_contexts, get_groups, iterate_groups
from app.db.features import get_panels, short_forms
from app.db.fulltext.queries import (
    NEAR,
    Examples,
    Matches,
    Text,
    example_places,
    features_by_summary,
    find_phrase,
    load_examples,
    load_text,
)
from app.db.fulltext.records import EXAMPLE_GROUPS, pack_numbers, unpack_numbers
from app.db.fulltext.words import TokenWords, words_of
from app.db.stored.packing import pack
from app.db.tokens import get_tokens, load_token_pairs
from app.demo.synthetic import build_synthetic_atlas

from ..conftest import SAE, bundle


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries over a text with hostile tokens and halves of characters."""
    folder = tmp_path_factory.mktemp("fulltext")
    return build_synthetic_atlas(folder / "atlas.db", n_features=50, n_contexts=24, hostile=True)


@pytest.fixture(scope="module")
def connection(path: Path) -> Iterator[Connection]:
    with closing(open_atlas(path)) as atlas, atlas.connect() as opened:
        yield opened


@pytest.fixture(scope="module")
def sae(connection: Connection) -> Sae:
    return list_saes(connection)[0]


@pytest.fixture(scope="module")
def text(connection: Connection, sae: Sae) -> Text:
    found = load_text(connection, sae.corpus_id)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def examples(connection: Connection, sae: Sae, text: Text) -> Examples:
    return load_examples(connection, sae.sae_id, sae.record.n_features, text)


@pytest.fixture(scope="module")
def lines(connection: Connection, sae: Sae, text: Text) -> list[list[tuple[str, int, int]]]:
    """The words of every stored context, read again from its tokens."""
    contexts = get_contexts(connection, sae.corpus_id, text.context_id.tolist())
    ids = {i for context in contexts.values() for i in context.token_ids.tolist()}
    vocabulary = TokenWords(list(get_tokens(connection, sae.model_id, ids).values()))
    return [
        [(w.text, w.first, w.last) for w in vocabulary.words(contexts[i].token_ids.tolist())]
        for i in sorted(contexts)
    ]


def _brute_phrase(
    lines: list[list[tuple[str, int, int]]], size: int, words: list[str], prefix: bool
) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for row, line in enumerate(lines):
        for i in range(len(line) - len(words) + 1):
            here = [word for word, _, _ in line[i : i + len(words)]]
            last = here[-1].startswith(words[-1]) if prefix else here[-1] == words[-1]
            if here[:-1] == words[:-1] and last:
                first, stop = line[i][1], line[i + len(words) - 1][2] + 1
                found.add((row * size + first, row * size + stop))
    # A place that holds another whole place says nothing more.
    return {
        span for span in found
        if not any(o != span and span[0] <= o[0] and o[1] <= span[1] for o in found)
    }  # fmt: skip


PHRASES = [
    ("self", False), ("raise ValueError", False), ("ra", True), ("raise Val", True),
    ("(self,", False), ("):", False), (")", False), (".", False), ("long", True),
    ("alert(1)</script>", False), ("no such words", False), ("in self.", False), ("x -> y", False),
]  # fmt: skip


@pytest.mark.parametrize(("phrase", "prefix"), PHRASES)
def test_phrases_are_found_where_they_stand(
    connection: Connection,
    text: Text,
    lines: list[list[tuple[str, int, int]]],
    phrase: str,
    prefix: bool,
) -> None:
    words = words_of(phrase)
    spans = find_phrase(connection, text, words, prefix)
    found = list(zip(spans.start.tolist(), spans.stop.tolist(), strict=True))
    assert found == sorted(found)
    assert set(found) == _brute_phrase(lines, text.context_size, words, prefix)


def test_the_phrases_above_are_worth_searching(connection: Connection, text: Text) -> None:
    sizes = [find_phrase(connection, text, words_of(p), x).start.size for p, x in PHRASES]
    assert sum(size > 3 for size in sizes) >= 8
    assert 0 in sizes


def test_no_words_are_found_nowhere(connection: Connection, text: Text) -> None:
    assert find_phrase(connection, text, []).start.size == 0
    assert features_by_summary(connection, 1, [])[0].size == 0


@pytest.mark.parametrize(("phrase", "prefix"), PHRASES)
@pytest.mark.parametrize("dense", [False, True])
def test_examples_show_a_phrase_in_their_window(
    connection: Connection,
    text: Text,
    examples: Examples,
    phrase: str,
    prefix: bool,
    dense: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both ways to look windows up, against every window and every match."""
    monkeypatch.setattr("app.db.fulltext.queries._DENSE", 10**9 if dense else 0)
    spans = find_phrase(connection, text, words_of(phrase), prefix)
    matches = Matches(text, spans)
    shown = matches.shown_in(examples)
    rows = np.arange(len(examples))
    near = matches.near_peak(examples, rows)
    pairs = list(zip(spans.start.tolist(), spans.stop.tolist(), strict=True))
    size = text.context_size
    for row in range(0, len(examples), 7):
        start, stop, peak = (int(a[row]) for a in (examples.start, examples.stop, examples.peak))
        inside = [(a, b) for a, b in pairs if a >= start and b <= stop]
        assert matches.inside(start, stop) == inside
        assert shown[row] == bool(inside)
        assert near[row] == any(
            a <= peak < b + NEAR and a // size == peak // size for a, b in pairs
        )


def test_every_distinct_example_is_known_once(
    connection: Connection, sae: Sae, text: Text, examples: Examples
) -> None:
    size = text.context_size
    for feature in range(sae.record.n_features):
        rows = np.flatnonzero(examples.feature == feature)
        groups = {
            name: group
            for name, (group, _) in get_groups(connection, sae.sae_id, feature).items()
            if name in EXAMPLE_GROUPS
        }
        places = {
            (int(c), int(p)) for group in groups.values()
            for c, p in zip(group.context_id, group.position, strict=True)
        }  # fmt: skip
        assert examples.n_examples[feature] == rows.size == len(places)
        assert (np.diff(examples.relative[rows]) <= 0).all()
        for row in rows:
            group = groups[EXAMPLE_GROUPS[examples.group[row]]]
            own = int(examples.row[row])
            origin = int(np.searchsorted(text.context_id, group.context_id[own])) * size
            assert examples.peak[row] == origin + group.position[own]
            assert examples.start[row] == origin + group.window_start[own]
            assert examples.stop[row] == origin + group.window_stop[own]
        if rows.size:
            assert examples.relative[rows[0]] == 1


@pytest.mark.parametrize(
    "words",
    [
        [("self", False)], [("def", False), ("self", False)], [("se", True)], [("tokens", False)],
        [("(", False)],
    ],
)  # fmt: skip
def test_summaries_have_every_word(
    connection: Connection, sae: Sae, words: list[tuple[str, bool]]
) -> None:
    features, n_short = features_by_summary(connection, sae.sae_id, words)
    table = schema.feature
    rows = connection.execute(
        select(table.c.feature_index, table.c.summary, table.c.short).where(
            table.c.sae_id == sae.sae_id
        )
    )

    def has(*texts: list[list[str]]) -> bool:
        own: set[str] = set()
        for kind, piece in (piece for text in texts for piece in text):
            shown = re.sub("[·↵→]", " ", piece) if kind == "token" else piece
            own |= {w for w in words_of(shown) if kind == "token" or re.fullmatch(r"\w+", w)}
        return all(
            any(w.startswith(word) for w in own) if longer else word in own
            for word, longer in words
        )

    summaries = {row.feature_index: (row.summary, row.short) for row in rows}
    short = [i for i, (_, own) in sorted(summaries.items()) if has(own)]
    rest = [i for i, (s, own) in sorted(summaries.items()) if has(s, own) and i not in short]
    assert n_short == len(short)
    assert features.tolist() == short + rest
    assert short_forms(connection, sae.sae_id, features.tolist()).keys() == {*short, *rest}


def test_token_pairs_are_those_of_the_panels(connection: Connection, sae: Sae) -> None:
    pairs = load_token_pairs(connection, sae.sae_id, sae.record.n_features)
    n = 0
    for feature in range(sae.record.n_features):
        panel = get_panels(connection, sae.sae_id, feature).tokens
        if panel is None:
            continue
        n += panel.token_id.size
        for i, token_id in enumerate(panel.token_id.tolist()):
            rows = pairs.of(token_id)
            [row] = np.flatnonzero(pairs.feature[rows] == feature)
            assert pairs.n_active[rows][row] == panel.n_active[i]
            assert pairs.share[rows][row] == pytest.approx(panel.share[i])
        complete = panel.n_token_ids <= panel.token_id.size
        assert (pairs.open_share[feature] == 0) == complete
    assert len(pairs) == n
    assert pairs.of(10**6) == slice(0, 0)


def test_numbers_survive_packing() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 12, 13, 5_000):
        numbers = np.sort(rng.choice(2**31, n, replace=False))
        assert unpack_numbers(pack_numbers(numbers)).tolist() == numbers.tolist()


def test_a_replaced_dictionary_takes_its_examples_along(write_atlas: Callable[..., Path]) -> None:
    path = write_atlas([bundle(i, short=[["text", "before"]]) for i in range(3)])
    write_atlas([bundle(0)], sae=replace(SAE, sae="second"))
    write_atlas([bundle(i, short=[["text", "after"]]) for i in range(2)], replace_sae=True)
    with closing(open_atlas(path)) as atlas, atlas.connect() as connection:
        text = load_text(connection, 1)
        assert text.context_id.tolist() == [0, 1, 2]
        sizes = {}
        for sae in list_saes(connection):
            examples = load_examples(connection, sae.sae_id, sae.record.n_features, text)
            sizes[sae.record.sae] = examples.n_examples.tolist()
            assert features_by_summary(connection, sae.sae_id, [("before", False)])[0].size == 0
            after = features_by_summary(connection, sae.sae_id, [("after", False)])[0]
            assert after.size == (2 if sae.record.sae == "first" else 0)
            groups = iterate_groups(connection, sae.sae_id, {"top"})
            assert sum(group["top"].position.size for _, group in groups) == len(examples)
        assert sizes == {"first": [2, 2], "second": [2]}
        # In each of three contexts of 8 tokens, ` self`, `self` and `Self` make one word twice.
        spans = find_phrase(connection, text, ["selfselfself"])
        assert spans.start.tolist() == [1, 5, 9, 13, 17, 21]
        assert spans.stop.tolist() == [4, 8, 12, 16, 20, 24]


def test_an_addition_makes_the_tables_anew(write_atlas: Callable[..., Path]) -> None:
    """An atlas may come from a program that kept more for each word."""
    path = write_atlas()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        schema.text_word.drop(connection)
        connection.exec_driver_sql("CREATE TABLE text_word (word TEXT, n_places INT NOT NULL)")
    engine.dispose()
    write_atlas(sae=replace(SAE, sae="second"))
    with closing(open_atlas(path)) as atlas, atlas.connect() as connection:
        names = [column["name"] for column in inspect(connection).get_columns("text_word")]
        assert names == ["corpus_id", "word", "places"]
        assert find_phrase(connection, load_text(connection, 1), ["selfselfself"]).start.size == 6


def test_what_search_misses_is_a_contradiction(write_atlas: Callable[..., Path]) -> None:
    path = write_atlas()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        assert check_atlas(connection) == []
        connection.execute(delete(schema.context).where(schema.context.c.context_id == 1))
        [problem] = check_atlas(connection)
        assert problem == "tiny/first: search knows 3 contexts, 2 are stored."
    engine.dispose()


@pytest.mark.parametrize(
    ("field", "by"),
    [("position", 1), ("after", 1), ("after", -5), ("before", 1), ("context_id", 9)],
)
def test_an_example_outside_its_context_is_a_contradiction(
    write_atlas: Callable[..., Path], field: str, by: int
) -> None:
    """Windows are whole contexts of eight tokens, peaks their fourth."""
    engine = create_engine(f"sqlite:///{write_atlas()}")
    with engine.begin() as connection:
        [(_, places)] = example_places(connection, 1)
        moved = replace(places, **{field: getattr(places, field) + by})
        connection.execute(update(schema.example_places).values(places=pack(moved)))
        [problem] = check_atlas(connection)
        assert problem == "tiny/first: search knows examples outside their contexts."
    engine.dispose()

"""Ablated text and what follows from it equal a loop that changes one text and runs the model.

The loop uses the plain model and numpy; only the draws (replacements, fillers) are the job's own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.db.display import display
from app.db.stored.ablations import STEPS_OF_BASELINE
from app.db.stored.compact import ROUNDING
from app.db.tokens import get_tokens
from app.precompute.ablation.ablation import Replacements
from app.precompute.ablation.context_needed import Fillers
from app.precompute.ablation.texts import Text
from app.stats.wording import plain

D_SAE, WINDOW = 24, 4
EACH_SAE = pytest.mark.parametrize("which", [0, 1], ids=["resid", "mlp"])
Read = Callable[[Any, int, list[int]], np.ndarray]


@pytest.fixture(scope="module")
def read(read_hooks: Callable[..., Any], numpy_encode: Callable[..., Any]) -> Read:
    """(activation, hidden_pre) of a feature at the last token of a text."""

    def of_feature(sae: Any, index: int, tokens: list[int]) -> np.ndarray:
        record = sae.stored.record
        x = read_hooks(np.array(tokens))[record.hook_name][-1]
        hidden_pre, acts = numpy_encode(x, sae.tensors, record.architecture)
        return np.array([acts[index], hidden_pre[index]])

    return of_feature


def examples_of(judged: Any, which: int, index: int) -> list[tuple[Any, Any, int]]:
    """(group, ablations, row of the ablations) of every example of a feature with ablated text."""
    groups = judged.groups(which, index)
    return [
        (examples, ablations, row)
        for examples, ablations in (groups[name] for name in ("top", "interval") if name in groups)
        if ablations is not None
        for row in range(len(ablations.rank))
    ]


@EACH_SAE
def test_the_strongest_examples_have_it(judged: Any, which: int) -> None:
    for index in range(D_SAE - 1):
        groups = judged.groups(which, index)
        if not groups:
            continue
        top, ablations = groups["top"]
        assert ablations.rank.tolist() == list(range(min(2, len(top.position))))
        interval, ablations = groups["interval"]
        bands = interval.band[ablations.rank]
        assert bands.tolist() == sorted(set(interval.band.tolist()), reverse=True)
        assert groups["quantile"][1] is None
    assert judged.groups(0, 23) == {}


@EACH_SAE
@pytest.mark.parametrize("index", [0, 7])
def test_ablated_text(judged: Any, which: int, index: int, read: Read) -> None:
    sae = judged.saes[which]
    unigram = np.bincount(judged.tokens[judged.counted], minlength=300)
    replacements = Replacements(unigram, [0], 0)
    n_positions = 0
    for examples, ablations, row in examples_of(judged, which, index):
        rank = int(ablations.rank[row])
        position = int(examples.position[rank])
        text = judged.tokens[examples.context_id[rank], : position + 1].tolist()
        baseline = read(sae, index, text)
        check([ablations.baseline[row], ablations.hidden_pre_baseline[row]], baseline)
        assert ablations.baseline[row] == pytest.approx(examples.activation[rank], rel=1e-4)
        window = list(range(max(1, position - WINDOW), position))
        part = slice(*ablations.delete_indptr[row : row + 2])
        deleted = [read(sae, index, text[:i] + text[i + 1 :]) - baseline for i in window]
        assert ablations.delete_position[part].tolist() == window
        check(ablations.delete_effect[part], [effect[0] for effect in deleted])
        check(ablations.delete_hidden_pre_effect[part], [effect[1] for effect in deleted])
        window.append(position)
        part = slice(*ablations.replace_indptr[row : row + 2])
        drawn = replacements.at_positions(Text(np.array(text)), np.array(window), 2)
        replaced = [
            np.mean([read(sae, index, [*text[:i], int(t), *text[i + 1 :]]) for t in column], axis=0)
            - baseline
            for i, column in zip(window, drawn.T, strict=True)
        ]
        assert ablations.replace_position[part].tolist() == window
        check(ablations.replace_effect[part], [effect[0] for effect in replaced])
        check(ablations.replace_hidden_pre_effect[part], [effect[1] for effect in replaced])
        n_positions += len(window)
    assert n_positions > 15


@EACH_SAE
@pytest.mark.parametrize("index", [0, 7])
def test_context_needed(judged: Any, which: int, index: int, read: Read) -> None:
    sae = judged.saes[which]
    fillers = Fillers(judged.tokens, None, [0], 0)
    n_filled = 0
    for examples, ablations, row in examples_of(judged, which, index):
        rank = int(ablations.rank[row])
        position = int(examples.position[rank])
        text = judged.tokens[examples.context_id[rank], : position + 1].tolist()
        baseline = read(sae, index, text)[0]
        assert ablations.kept.tolist() == [0, 1, 2, 4, 8, 16, 32]
        drawn = fillers.draw(Text(np.array(text)), 2)
        for column, k in enumerate(ablations.kept.tolist()):
            filled = ablations.context_filled[row, column]
            truncated = ablations.context_truncated[row, column]
            if k >= position - 1:  # nothing left to fill
                assert np.isnan([filled, truncated]).all()
                continue
            tail = text[position - k :]
            others = [
                read(sae, index, [*other[: position - k].tolist(), *tail])[0] for other in drawn
            ]
            check([filled * baseline], [np.mean(others)])
            check([truncated * baseline], [read(sae, index, [0, *tail])[0]])
            n_filled += 1
    assert n_filled > 5


def check(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-3, atol=1e-4)


@EACH_SAE
def test_columns_that_follow(judged: Any, which: int) -> None:
    """Context share, strongest deletion and strip are means over the stored top examples."""
    n_with_token = 0
    for index in range(D_SAE - 1):
        record = judged.feature(which, index)
        if not record.n_active:
            continue
        examples, ablations = judged.groups(which, index)["top"]
        alone = ablations.context_filled[:, 0]
        alone = alone[~np.isnan(alone)]  # a peak at position 1 has no text before it
        wanted = pytest.approx(alone.mean(), rel=ROUNDING) if alone.size else None
        assert record.context_share == wanted
        by_token: dict[int, dict[int, float]] = {}
        strip: dict[int, list[float]] = {}
        for row, rank in enumerate(ablations.rank.tolist()):
            position, baseline = int(examples.position[rank]), float(ablations.baseline[row])
            part = slice(*ablations.delete_indptr[row : row + 2])
            deletions = zip(
                ablations.delete_position[part].tolist(),
                (ablations.delete_effect[part] / baseline).tolist(),
                strict=True,
            )
            for place, effect in deletions:
                token_id = int(judged.tokens[examples.context_id[rank], place])
                mine = by_token.setdefault(token_id, {})
                mine[row] = min(effect, mine.get(row, effect))
                strip.setdefault(place - position, []).append(effect)
            last = int(ablations.replace_indptr[row + 1]) - 1
            assert ablations.replace_position[last] == position
            strip.setdefault(0, []).append(float(ablations.replace_effect[last]) / baseline)
        means = {t: np.mean(list(v.values())) for t, v in by_token.items() if len(v) == 2}
        strongest = min(means, key=lambda t: (means[t], t), default=None)
        if strongest is None or means[strongest] >= 0:
            assert record.ablation_token_id is record.ablation_token_effect is None
        else:
            n_with_token += 1
            assert record.ablation_token_id == strongest
            assert record.ablation_token_effect == pytest.approx(
                means[strongest], abs=1 / STEPS_OF_BASELINE
            )
        found = np.frombuffer(record.ablation_strip, np.int8)
        assert found.size == 17
        for offset in range(-16, 1):
            if offset not in strip:
                assert found[offset + 16] == -128
                continue
            percent = np.clip(100 * np.mean(strip[offset]), -100, 127)
            assert found[offset + 16] == pytest.approx(percent, abs=0.51)
    assert n_with_token > 3


@EACH_SAE
def test_summaries_state_the_figures(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    tokens = get_tokens(judged.connection, sae.stored.model_id, range(300))
    for index in range(D_SAE):
        record = judged.feature(which, index)
        sentence = plain([(kind, text) for kind, text in record.summary])
        assert plain([(kind, text) for kind, text in record.short])
        if record.n_active == 0:
            assert sentence == f"Never fired in {sae.stored.corpus.n_tokens:,} tokens."
        elif record.density > 0.1:
            assert sentence.startswith("Dense: fires on")
        if record.top_token_share and record.top_token_share >= 0.5 and record.n_active > 4:
            assert display(tokens[record.top_token_id or 0].token) in sentence
    assert judged.feature(0, 23).n_active == 0

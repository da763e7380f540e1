"""What a run will cost is what it then asks for."""

from dataclasses import replace

import pytest

from app.explain import cost
from app.explain.cost import Prices, estimate, estimate_lines, prompts_of, tokens_of
from app.explain.source import Source
from tests.explain.running import SETTINGS


def test_every_question_is_counted(source: Source) -> None:
    features = [1, 9, 11, 28]
    found = estimate(source, SETTINGS, features, 100)
    asked = [one for feature in features for one in prompts_of(source, SETTINGS, feature)]
    assert (found.n_features, found.n_looked_at, found.n_requests) == (4, 4, len(asked))
    assert found.prompt_tokens == pytest.approx(sum(tokens_of(prompt) for prompt, _ in asked))
    assert found.most_completion_tokens == 100 * len(asked)
    assert 0 < found.completion_tokens < found.most_completion_tokens
    assert found.n_unscored == 1, "feature 28 has too few texts"


def test_without_scores_there_is_one_question_a_feature(source: Source) -> None:
    settings = replace(SETTINGS, wants_scores=False)
    found = estimate(source, settings, [1, 9, 28], 100)
    assert (found.n_requests, found.n_unscored) == (3, 0)
    (one,) = estimate_lines(estimate(source, settings, [9], 100), Prices())
    assert one.startswith("1 feature, 1 request: about ")
    assert "without a score" not in " ".join(estimate_lines(found, Prices()))


def test_many_features_are_estimated_from_some(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = source.living.tolist()
    whole = estimate(source, SETTINGS, features, 100)
    assert whole.n_looked_at == len(features)
    monkeypatch.setattr(cost, "MOST_LOOKED_AT", 12)
    some = estimate(source, SETTINGS, features, 100)
    assert (some.n_features, some.n_looked_at) == (len(features), 12)
    assert some.prompt_tokens == pytest.approx(whole.prompt_tokens, rel=0.3)
    assert some.n_requests == pytest.approx(whole.n_requests, rel=0.3)
    assert "from 12 of them" in next(iter(estimate_lines(some, Prices())))


def test_money_is_said_where_both_prices_are_known(source: Source) -> None:
    found = estimate(source, SETTINGS, [1], 100)
    assert len(list(estimate_lines(found, Prices()))) == 1
    _, line = estimate_lines(found, Prices(1e6, 2e6))
    about = found.prompt_tokens + 2 * found.completion_tokens
    most = found.prompt_tokens + 2 * found.most_completion_tokens
    assert line.startswith(f"At these prices about {about:,.2f}, at most {most:,.2f};")
    assert Prices(3, None).of(1, 1) is None
    assert Prices(3, 15).of(2_000_000, 100_000) == 7.5

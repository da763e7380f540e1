"""What a filter by text looks at: what lists show of a feature, and its tokens' exact texts."""

from app.db.engine import open_atlas
from app.db.feature_texts import read_texts
from tests.db.conftest import WriteAtlas, bundle


def test_summary_short_form_and_tokens_whatever_the_case(write_atlas: WriteAtlas) -> None:
    summary = [["text", "Fires on "], ["number", "0.3%"], ["text", " of "], ["token", "·Self"]]
    bundles = [
        bundle(1, summary=[["text", "never FIRED"]], short=[["text", "Straße"]], top_tokens=[]),
        bundle(0, summary=summary, short=[["token", "Self"]], top_tokens=[3, 1, 99]),
    ]
    with open_atlas(write_atlas(bundles)).connect() as connection:
        first, second = read_texts(connection, 1, 1)
    assert "fires on 0.3% of ·self" in first
    assert " self" in first  # the token's own text, its space kept
    assert "self\nself" in first  # the short form, then the first token
    assert "never fired" in second and "strasse" in second


def test_no_dictionary_no_texts(write_atlas: WriteAtlas) -> None:
    with open_atlas(write_atlas()).connect() as connection:
        assert read_texts(connection, 7, 1) == []

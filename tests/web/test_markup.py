"""The shortest markup: quotes only where they are needed, every text escaped."""

import json

import pytest
from markupsafe import Markup

from app.web.chips import pieces_text, token_chip
from app.web.markup import attribute, bar, cell_rows, compact_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("heat-3", " class=heat-3"),
        ("heat-3 peak", ' class="heat-3 peak"'),
        ("−62%", " class=−62%"),
        ("a=b", ' class="a=b"'),
        ("a/", ' class="a/"'),
        ('"><i>', ' class="&#34;&gt;&lt;i&gt;"'),
        ("\ta", ' class="\ta"'),
    ],
)
def test_an_attribute_has_quotes_where_it_needs_them(value: str, expected: str) -> None:
    assert attribute("class", value) == expected


def test_cells_are_escaped_and_markup_is_kept() -> None:
    rows = [("<1", "2"), (Markup("<b>3</b>"), "&")]
    assert cell_rows(rows) == "<tr><td>&lt;1<td>2\n<tr><td><b>3</b><td>&amp;"
    assert cell_rows(rows[:1], "th") == "<tr><th scope=row>&lt;1<td>2"
    assert cell_rows([]) == ""


def test_a_bar_is_as_long_as_its_share() -> None:
    assert 'class=value width="12.5%"' in bar(12.5)
    assert 'class="effect effect-n3" width="0%"' in bar(0.0, "effect effect-n3")


def test_json_can_not_end_the_element_it_stands_in() -> None:
    value = {"name": "</script><!-- & 'x'", "y": [1, 2.5, None], "z": "−é"}
    written = compact_json(value)
    assert not set(written) & set("<>&' ") - {" "}
    assert json.loads(written) == value
    assert '"y":[1,2.5,null]' in written


def test_chips_name_what_can_not_be_seen() -> None:
    assert token_chip("\n<") == "<code class=token-name>↵&lt;</code>"
    assert token_chip("a", '/x?q="') == '<a class=token-name href="/x?q=&#34;">a</a>'


def test_a_text_of_pieces() -> None:
    pieces = [["text", "On <"], ["number", "3"], ["token", " a"]]
    assert pieces_text(pieces) == "On &lt;<b>3</b><code class=token-name>·a</code>"

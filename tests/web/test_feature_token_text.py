"""Tokens in running text: exact characters, marks only painted, nothing of them obeyed."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.records import TokenRecord
from app.demo.synthetic.text import HOSTILE_TOKENS
from app.web.token_markup import line_markup, pieces_markup, show_tokens
from app.web.token_text import IN_TEXT_CHARACTERS, line_pieces, text_pieces


def _token(data: bytes) -> TokenRecord:
    return TokenRecord(1, data.decode("utf-8", "backslashreplace"), "", data, False, True)


def _shown(line: list[bytes]) -> list[str]:
    return ["".join(text for _, text in pieces) for pieces in line_pieces(list(map(_token, line)))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def", (("", "def"),)),
        (" def", (("sp", " "), ("", "def"))),
        ("\n    ", (("nl", "\n"), ("sp", "    "))),
        ("\n\n", (("nl", "\n"), ("nl", "\n"))),
        ("\tx", (("tab", "\t"), ("", "x"))),
        ("a\x00", (("ctl", "a␀"),)),
        ("\u202eab", (("ctl", "U+202Eab"),)),
        ("", ()),
    ],
)
def test_pieces_are_the_characters_themselves_but_for_those_that_hide(
    text: str, expected: tuple[tuple[str, str], ...]
) -> None:
    assert text_pieces(text) == expected


@given(st.text(alphabet="ab \n\t<&\"'é漢🙂", max_size=IN_TEXT_CHARACTERS))
def test_text_that_can_be_seen_is_printed_exactly(text: str) -> None:
    assert "".join(piece for _, piece in text_pieces(text)) == text
    assert _text_of(pieces_markup(text_pieces(text))) == text


def test_a_long_token_is_cut_and_counted() -> None:
    shown = "".join(piece for _, piece in text_pieces("long" * 2_500))
    assert shown == "long" * 20 + "…(+9,920)"


def test_a_character_spread_over_tokens_is_shown_once() -> None:
    dash = "—".encode()
    assert _shown([b"a", dash[:1], dash[1:2], dash[2:] + b"b"]) == ["a", "—", "◂", "◂b"]
    assert _shown([b" " + dash[:2], dash[2:]]) == [" —", "◂"]


def test_half_a_character_alone_is_shown_by_its_bytes() -> None:
    assert _shown([b"a", b"\xe2\x80"]) == ["a", "\\xe2\\x80"]
    assert _shown([b"\xe2", b"x"]) == ["\\xe2", "x"]


@pytest.mark.parametrize("text", HOSTILE_TOKENS, ids=range(len(HOSTILE_TOKENS)))
def test_no_token_becomes_markup(text: str) -> None:
    markup = line_markup(show_tokens([_token(text.encode())]), {0: "peak"})
    parser = _Tags()
    parser.feed(str(markup))
    assert parser.tags <= {"i", "u", "b"}
    assert len(markup) < 1_500
    assert not {"\u202e", "\u200b", "\x00", "\x1b", "\r", "\u2028"} & set(markup)


def test_a_line_has_no_space_between_tokens_and_classes_where_there_is_something_to_say() -> None:
    shown = show_tokens([_token(data) for data in (b"a", b" b", b"    ", b"\n  x", b"<")])
    assert line_markup(shown, {1: "heat-3", 4: "peak heat-9"}) == (
        "<i>a</i><u class=heat-3> b</u><i class=indent>    </i>"
        '<i><b class=nl>\n</b><b class=sp>  </b>x</i><i class="peak heat-9">&lt;</i>'
    )


def test_neighbours_of_one_class_share_an_element_around_them() -> None:
    shown = show_tokens([_token(data) for data in (b"a", b" b", b"c")])
    assert line_markup(shown, {1: "uncounted"}, [(0, 2, "hatch")]) == (
        "<span class=hatch><i>a</i><u class=uncounted> b</u></span><i>c</i>"
    )


def test_a_token_that_is_not_shown_as_it_is_carries_its_exact_text() -> None:
    def markup(data: bytes) -> str:
        return str(line_markup(show_tokens([_token(data)]), {}))

    assert markup(b'a\x00"') == '<i data-text="a%00%22"><b class=ctl>a␀&#34;</b></i>'
    assert markup("é<".encode()) == "<i>é&lt;</i>"
    assert "data-text" not in markup(b"long" * 2_500), "a long one is left to its own page"


@given(st.lists(st.sampled_from(["é", "漢", "🙂", " a", "\n", "x"]), max_size=8), st.data())
def test_bytes_cut_anywhere_are_shown_as_the_text_they_make(
    words: list[str], data: st.DataObject
) -> None:
    whole = "".join(words).encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=6)))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    shown = "".join(_shown([part for part in parts if part]))
    assert shown.replace("◂", "").replace("·", " ").replace("↵", "\n") == "".join(words)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _text_of(markup: str) -> str:
    parser = _Tags()
    parser.feed(str(markup))
    parser.close()
    return parser.text

"""The language of readings: what each form stands for, and what is said of a mistake, and where."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import (
    HELP,
    MOST_EXPRESSIONS,
    MOST_PARTS,
    AllOf,
    AnyOf,
    Anything,
    Exact,
    Expression,
    Near,
    Node,
    Not,
    Word,
    atoms,
    parse,
)
from app.stats.reading.pattern import parse_pattern
from app.stats.reading.scanner import as_expression, quoted


def _bare(node: Node) -> object:
    """The tree without places in the text."""
    if isinstance(node, Word | Exact):
        return (type(node).__name__, node.text)
    if isinstance(node, Expression):
        return ("Expression", node.pattern, node.any_case)
    if isinstance(node, Not):
        return ("Not", _bare(node.inner))
    if isinstance(node, Near):
        side = "both" if node.before and node.after else "before" if node.before else "after"
        return ("Near", _bare(node.inner), node.distance, side, node.absent)
    if isinstance(node, AnyOf | AllOf):
        return (type(node).__name__, *(_bare(part) for part in node.parts))
    return "Anything"


SELF, DEF, CLS = ("Word", "self"), ("Word", "def"), ("Word", "cls")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("self", SELF),
        ("  self  ", SELF),
        ("'and'", ("Word", "and")),
        ("‘ self ’", SELF),
        ('" and"', ("Exact", " and")),
        ("“ and”", ("Exact", " and")),
        (r'"a\n\t\"\\é"', ("Exact", 'a\n\t"\\é')),
        (r"/a\/b\d/", ("Expression", r"a\/b\d", False)),
        ("/self/i", ("Expression", "self", True)),
        ("*", "Anything"),
        ("self or cls", ("AnyOf", SELF, CLS)),
        ("self|cls,def", ("AnyOf", SELF, CLS, DEF)),
        ("self and not cls or def", ("AnyOf", ("AllOf", SELF, ("Not", CLS)), DEF)),
        ("not not self", ("Not", ("Not", SELF))),
        ("self and (cls or def)", ("AllOf", SELF, ("AnyOf", CLS, DEF))),
        (
            "self with def within 6 before",
            ("AllOf", SELF, ("Near", DEF, 6, "before", False)),
        ),
        (
            "self without def or cls within 3 after or cls",
            ("AnyOf", ("AllOf", SELF, ("Near", ("AnyOf", DEF, CLS), 3, "after", True)), CLS),
        ),
        (
            "self with def within 2 with cls within 5 before",
            (
                "AllOf",
                SELF,
                ("Near", DEF, 2, "both", False),
                ("Near", CLS, 5, "before", False),
            ),
        ),
        ("not self with def within 1 before",
         ("Not", ("AllOf", SELF, ("Near", DEF, 1, "before", False)))),
        ("self.x it's a/b =", None),
    ],
)  # fmt: skip
def test_forms(text: str, tree: object) -> None:
    if tree is None:  # signs inside a word belong to it; two words side by side are a mistake
        with pytest.raises(ReadingError):
            parse(text)
        assert [_bare(parse(word)) for word in text.split()] == [("Word", w) for w in text.split()]
    else:
        assert _bare(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "said", "marked"),
    [
        ("", "Type what you believe", ""),
        ("   ", "Type what you believe", ""),
        ("self cls", 'Several words go in quotes, "self cls" or', "cls"),
        ("def | if not self", "write “and not”", "not"),
        (
            '" self" not with . within 1 after',
            "write “without”; before another part, “and not”",
            "not",
        ),
        ("x | return self now, y", '"return self now"', "self"),
        ("self with def within 6 cls", "put one before “cls”", "cls"),
        ('self "cls"', 'put one before “"cls"”', '"cls"'),
        ("'and' b", "put one before “b”", "b"),
        ("self (a)", "put one before “(”", "("),
        ("self or", "was expected, not the end", ""),
        ("or self", "write 'or' for the word itself", "or"),
        ("and", "write 'and' for the word itself", "and"),
        ("(self", "never closed", "("),
        ("self)", "could have ended before “)”", ")"),
        ('"self', 'never closed by "', '"self'),
        ("/self", "never closed by /", "/self"),
        ('""', "nothing between these quotes", '""'),
        ("' '", "nothing between these quotes", "' '"),
        ("//", "nothing between these slashes", "//"),
        ("self with def", "say how near", ""),
        ("self with def within", "comes a number of tokens, not the end", ""),
        ("self with def within six before", "comes a number of tokens, not “six”", "six"),
        ("self with def within 0 before", "come 1 to 1,000 tokens", "0"),
        ("self with def within 1001", "come 1 to 1,000 tokens", "1001"),
        ("self within 3", "could have ended before “within”", "within"),
        ("(" * 300 + "a", "nested too deep", "("),
        ("not " * 300 + "a", "nested too deep", "not"),
        ("|".join(["a"] * (MOST_PARTS + 1)), f"at most {MOST_PARTS} parts", "a"),
        ("|".join(["/a/"] * (MOST_EXPRESSIONS + 1)), "regular expressions", "/a/"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(text: str, said: str, marked: str) -> None:
    with pytest.raises(ReadingError) as caught:
        parse(text)
    sentence = str(caught.value)
    assert said in sentence
    assert sentence[0].isupper()
    assert sentence.endswith(("self", "."))
    assert text[caught.value.start : caught.value.stop] == marked


def test_every_form_of_the_help_is_a_reading() -> None:
    assert {type(parse(row.form)) for row in HELP} >= {Word, Exact, Expression, AnyOf, AllOf}
    assert Anything in {type(part) for part in parse(HELP[-2].form).parts}  # type: ignore[union-attr]


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    try:
        tree = parse(text)
    except ReadingError as error:
        assert 0 <= error.start <= error.stop <= len(text)
    else:
        assert all(text[a.start : a.stop] for a in atoms(tree))


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12))
def test_a_quoted_text_reads_back(text: str) -> None:
    written = quoted(text)
    assert "\n" not in written
    assert _bare(parse(written)) == ("Exact", text)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12))
def test_a_text_as_an_expression_reads_back_as_one(text: str) -> None:
    """No sign of it means anything else than itself."""
    tree = parse(as_expression(text))
    assert isinstance(tree, Expression)
    parse_pattern(tree.pattern, False)
    if text.isprintable():
        assert re.fullmatch(tree.pattern, text)

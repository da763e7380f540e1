"""The language of the search box."""

import pytest

from app.web.pages.search.query import MOST_TERMS, FeatureNumber, Term, read_query


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("self", [Term("self", "token")]),
        ("self cls", [Term("self", "token"), Term("cls", "token")]),
        ("self + cls", [Term("self", "token"), Term("cls", "token")]),
        ("self -cls", [Term("self", "token"), Term("cls", "token", True)]),
        ("' and' -' or'", [Term(" and", "exact"), Term(" or", "exact", True)]),
        ("·and", [Term(" and", "exact")]),
        ("↵", [Term("\n", "exact")]),
        ("def*", [Term("def", "prefix")]),
        ('"raise ValueError"', [Term("raise ValueError", "phrase")]),
        ('self -"def self"', [Term("self", "token"), Term("def self", "phrase", True)]),
        ("self self", [Term("self", "token")]),
        # A sign alone is a token; a quotation mark that opens nothing is one too.
        ("-", [Term("-", "token")]), ("+", [Term("+", "token")]), ("*", [Term("*", "token")]),
        ("a - b", [Term("a", "token"), Term("-", "token"), Term("b", "token")]),
        ("don't", [Term("don't", "token")]),
        (" ", [Term(" ", "token")]), ("\n", [Term("\n", "token")]), ("", []),
        ("NEAR(a b, 3)", [Term("NEAR(a", "token"), Term("b,", "token"), Term("3)", "token")]),
    ],
)  # fmt: skip
def test_a_text_is_read_as_terms(text: str, terms: list[Term]) -> None:
    query = read_query(text)
    assert (list(query.terms), query.problem) == (terms, "")


@pytest.mark.parametrize("text", ["not in", "-1", "-=", "'''", '"', "self*"])
def test_a_token_is_read_as_itself_whatever_it_looks_like(text: str) -> None:
    assert read_query(text, is_token=True).terms == (Term(text, "token"),)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#120", FeatureNumber(120, "")), ("120", FeatureNumber(120, "")),
        (" #120 ", FeatureNumber(120, "")), ("resid-2-4k#120", FeatureNumber(120, "resid-2-4k")),
        ("m/resid#7", FeatureNumber(7, "m/resid")), ("#", None), ("#1 2", None),
        ("#1234567890", None),
        ("٣", None), ("x#", None),
    ],
)  # fmt: skip
def test_features_are_named_by_number(text: str, number: FeatureNumber | None) -> None:
    assert read_query(text).number == number


def test_a_number_names_a_dictionary_by_its_name_or_its_address() -> None:
    assert all(FeatureNumber(1, name).is_of("m/resid") for name in ("", "resid", "m/resid"))
    assert not FeatureNumber(1, "esid").is_of("m/resid")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"raise Value', "A phrase ends with a second quotation mark"),
        ("-cls", "“-cls” only leaves out: say before it what is to be there"),
        ('""', "There is no word between the quotation marks."),
        (" ".join(f"w{i}" for i in range(9)), "At most 6 words are searched at once"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, problem: str) -> None:
    query = read_query(text)
    assert query.problem.startswith(problem)
    assert len(query.terms) <= MOST_TERMS
    assert not query.terms or query.included


def test_a_phrase_without_its_end_is_searched_all_the_same() -> None:
    assert read_query('"raise Val').terms == (Term("raise Val", "phrase"),)


@pytest.mark.parametrize(
    "text", ['"', "*" * 500, '"' * 500, "^a", "\0", "a\0b", "\u202eabc", "'" * 9]
)
def test_nothing_breaks_it(text: str) -> None:
    query = read_query(text)
    assert len(query.terms) <= MOST_TERMS

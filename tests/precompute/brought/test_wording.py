"""Options are written as arguments, and nothing else is touched."""

import pytest

from app.errors import AtlasError
from app.precompute.brought.wording import as_arguments, errors_name_arguments


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("--context-size is 1: too small.", "context_size is 1: too small."),
        ("Study regions (--skip regions).", "Study regions (skip regions)."),
        ("wait, or choose another --output.", "wait, or choose another output."),
        ("start it with --live", "start it with --live"),
        ("'toy--name/x' is no address", "'toy--name/x' is no address"),
        ("Can't write /a/--output/x.db", "Can't write /a/--output/x.db"),
    ],
)
def test_options_are_arguments(said: str, expected: str) -> None:
    assert as_arguments(said) == expected


def test_errors_stay_what_they_are() -> None:
    first = AtlasError("--seed is -1.")
    with pytest.raises(AtlasError, match=r"^seed is -1") as caught, errors_name_arguments():
        raise first
    assert caught.value is first

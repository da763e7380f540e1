"""RESULTS.md: a benchmark replaces its own section and nothing else."""

import re
from pathlib import Path

from benchmarks.results import HEAD, provenance, replaced, table, write_section

TEXT = """# Results

Said once.

## Bound: `make bench`

old numbers

### a part of it

## Pages

| a | b |
|---|---:|
"""


def test_a_section_is_replaced_with_all_its_parts_and_the_others_stay() -> None:
    found = replaced(TEXT, "Bound: `make bench`", "Bound: `make bench`\n\nnew numbers\n")
    expected = TEXT.replace("old numbers\n\n### a part of it\n", "new numbers\n")
    assert found == expected


def test_the_last_section_is_replaced() -> None:
    found = replaced(TEXT, "Pages", "Pages\n\nnew\n")
    assert found.endswith("### a part of it\n\n## Pages\n\nnew\n")


def test_a_new_section_goes_to_the_end() -> None:
    assert replaced(TEXT, "Memory", "Memory\n\n1\n") == TEXT + "\n## Memory\n\n1\n"


def test_a_title_that_begins_like_another_is_another() -> None:
    found = replaced(TEXT, "Page", "Page\n\nnew\n")
    assert "## Pages\n\n| a | b |" in found and found.endswith("## Page\n\nnew\n")


def test_replacing_twice_changes_nothing_more() -> None:
    once = replaced(TEXT, "Pages", "Pages\n\nnew\n")
    assert replaced(once, "Pages", "Pages\n\nnew\n") == once


def test_a_section_says_when_and_where_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    write_section("Storage", "8 KB\n\n", path)
    write_section("Bound", "1.1 ×", path)
    text = path.read_text("utf-8")
    assert text.startswith(HEAD)
    where = r"\d{4}-\d\d-\d\d, \d+ cores? .*, Python 3\.\d+\.\d+, torch .*, numpy .*\."
    assert re.search(rf"## Storage\n\n{where}\n\n8 KB\n\n## Bound\n\n{where}\n\n1\.1 ×\n$", text)


def test_versions_of_what_is_not_installed_are_left_out() -> None:
    found = provenance(["numpy", "no-such-package"])
    assert ", numpy " in found and "no-such-package" not in found


def test_a_device_is_named_before_the_processor() -> None:
    date, _, rest = provenance(["numpy"]).partition(", ")
    assert provenance(["numpy"], device="some GPU") == f"{date}, some GPU, {rest}"


def test_a_table_is_markdown_with_numbers_to_the_right() -> None:
    assert table(["way", "s"], [["ours", "1"], ["loop", "9"]]) == (
        "| way | s |\n|---|---:|\n| ours | 1 |\n| loop | 9 |"
    )

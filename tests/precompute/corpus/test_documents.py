"""Every kind of corpus gives the same documents; every fault is a sentence with file and line."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from app.errors import AtlasError
from app.precompute.corpus import documents as corpus
from app.precompute.corpus.documents import (
    Document,
    Documents,
    TokenArray,
    document_files,
    from_documents,
    in_parts,
)

TEXTS = ["first", "", "Grüße,\r\n 猫 🐈\n"]


def open_documents(spec: object, **options: str) -> Documents:
    source = corpus.open_corpus(str(spec), **options)
    assert isinstance(source, Documents)
    return source


def named(names: Iterable[str], texts: Iterable[str] = TEXTS) -> list[Document]:
    return [Document(name, text) for name, text in zip(names, texts, strict=True)]


def json_lines(texts: Iterable[str]) -> bytes:
    return "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in texts).encode()


def test_a_text_file_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "guide.rst"
    path.write_bytes(b"\xef\xbb\xbf" + TEXTS[2].encode())
    source = open_documents(path)
    assert (source.name, source.spec) == ("guide.rst", "guide.rst")
    assert list(source) == [Document("guide.rst", TEXTS[2])] == list(source)


def test_whose_machine_it_was_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    np.save(tmp_path / "ids.npy", np.zeros((2, 4), np.int64))
    monkeypatch.chdir(folder)
    for typed, kept in (
        (folder, "texts"), (f"{folder}/", "texts"), (".", "texts"), ("../texts", "texts"),
        (folder / "a.txt", "a.txt"), ("../ids.npy", "ids.npy"),
    ):  # fmt: skip
        source = corpus.open_corpus(str(typed))
        assert (source.name, source.spec) == (kept, kept)


def test_a_folder_is_read_in_sorted_order_by_the_ending_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden")
    (tmp_path / "b" / "z.txt").write_text("z")
    (tmp_path / "a.jsonl").write_bytes(json_lines(["one", "two"]))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"packed"))
    assert list(open_documents(tmp_path)) == named(
        ["a.jsonl:1", "a.jsonl:2", "b/z.txt", "c.txt.gz"], ["one", "two", "z", "packed"]
    )


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.ndjson", "d.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    data = b"\xef\xbb\xbf" + json_lines(TEXTS[:2]) + b"\n" + json_lines(TEXTS[2:])
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert list(open_documents(tmp_path / name)) == named([f"{name}:{i}" for i in (1, 2, 4)])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary("int32", "string")])
def test_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "d.parquet"
    texts = TEXTS * 200
    table = pa.table({"n": range(len(texts)), "body": pa.array(texts).cast(kind)})
    parquet.write_table(table, path, row_group_size=70)
    names = [f"d.parquet:{i + 1}" for i in range(len(texts))]
    assert list(open_documents(path, text_field="body")) == named(names, texts)


def test_rows_of_a_dataset() -> None:
    rows = datasets.Dataset.from_list([{"text": text} for text in TEXTS]).to_iterable_dataset()
    found = [(n, *texts) for n, texts in document_files.dataset_documents(rows, "own/set", "text")]
    assert found == [(f"own/set:{i}", text) for i, text in enumerate(TEXTS, start=1)]


def test_documents_in_memory() -> None:
    class Pair(NamedTuple):
        name: str
        text: str

    source = from_documents([Pair("os.py", "import sys"), Pair("re.py", "")], "stdlib")
    assert source.name == "stdlib"
    assert list(source) == named(["os.py", "re.py"], ["import sys", ""]) == list(source)


def test_a_token_array_is_left_to_the_tokens_stage(tmp_path: Path) -> None:
    path = tmp_path / "ids.npy"
    np.save(path, np.zeros((2, 3), dtype=np.int32))
    assert corpus.open_corpus(str(path)) == TokenArray("ids.npy", "ids.npy", path)


def test_a_long_document_arrives_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "PART_SIZE", 10)
    (tmp_path / "long.txt").write_text("one two three\nfour five six\n")
    assert list(open_documents(tmp_path / "long.txt")) == [
        Document("long.txt", "one two"),
        Document("long.txt", " three\n", continues=True),
        Document("long.txt", "four five", continues=True),
        Document("long.txt", " six\n", continues=True),
    ]


@given(st.text("ab \n", max_size=80), st.integers(1, 12), st.lists(st.integers(0, 80)))
def test_parts_are_the_text_and_do_not_depend_on_the_pieces(
    text: str, size: int, cuts: list[int]
) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(borders)]
    parts = list(in_parts(pieces, size))
    assert "".join(parts) == text
    assert all(len(part) <= size for part in parts)
    assert parts == list(in_parts([text], size))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", b"fine\nbad \xff", "a.txt, line 2: byte 0xff is not valid UTF-8"),
        ("a.txt", b"half \xe2\x80", "a.txt, line 1: byte 0xe2 is not valid UTF-8"),
        ("a.txt.gz", b"not packed", "a.txt.gz can't be read: Not a gzipped file"),
        (
            "a.txt.gz",
            gzip.compress(b"x" * 99, mtime=0)[:-9],
            "a.txt.gz can't be read: Compressed file",
        ),
        ("a.jsonl", b'{"text": "x"}\n{"text"\n', "a.jsonl, line 2: not valid JSON, Expecting ':'"),
        ("a.json", b'[{"text": "x"},\n', "line 1: not valid JSON"),
        ("a.json", b"[\n", "a JSON array must become one object per line"),
        ("a.jsonl", b'["x"]\n', "line 1: expected a JSON object with the text under 'text'"),
        ("a.jsonl", b'{"txt": "x"}\n', "line 1: no key 'text'; the closest are: txt."),
        ("a.jsonl", b"{}\n", "line 1: no key 'text'; it has none."),
        ("a.jsonl", b'{"text": null}\n', "line 1: 'text' holds nothing (null), expected text"),
        ("a.jsonl", b'{"text": 3}\n', "line 1: 'text' holds a int, expected text"),
        ("a.jsonl", b'{"text": "ab\\ud800"}\n', "'text' holds half a character (\\ud800 alone) at"),
        ("a.jsonl", b'{"text": "\xff"}\n', "a.jsonl, line 1: byte 0xff is not valid UTF-8"),
        ("a.parquet", b"PAR?", "a.parquet can't be read"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AtlasError) as caught:
        list(open_documents(tmp_path / name))
    assert sentence in str(caught.value)


def test_a_fault_far_into_a_file_names_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_files, "_READ_SIZE", 7)
    (tmp_path / "a.txt").write_bytes("ü\n".encode() * 50 + b"\xc3\n")
    with pytest.raises(AtlasError, match="line 51: byte 0xc3"):
        list(open_documents(tmp_path / "a.txt"))


def test_parquet_is_checked_when_it_is_opened(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"texts": ["x"], "n": [1]}), tmp_path / "d.parquet")
    with pytest.raises(AtlasError, match="no column 'text'; the closest are: texts"):
        corpus.open_corpus(str(tmp_path / "d.parquet"))
    with pytest.raises(AtlasError, match="column 'n' holds int64, not text"):
        corpus.open_corpus(str(tmp_path / "d.parquet"), text_field="n")


def test_a_row_without_text_in_a_dataset() -> None:
    with pytest.raises(AtlasError, match="own/set, row 1: no column 'text'; the closest are: txt"):
        list(document_files.dataset_documents([{"txt": "x"}], "own/set", "text"))

    def broken() -> Iterable[dict[str, str]]:
        yield {"text": "x"}
        raise ConnectionError("the line went dead")

    with pytest.raises(AtlasError, match="own/set failed: the line went dead"):
        list(document_files.dataset_documents(broken(), "own/set", "text"))


@pytest.mark.parametrize(
    "spec", ["missing.txt", "./missing", "a/b/c", "~nobody", "x\0y", f"{'a' * 300}/b/c"]
)
def test_what_does_not_exist_is_said(spec: str) -> None:
    with pytest.raises(AtlasError, match=r"does not exist: give a \.txt"):
        corpus.open_corpus(spec)


def test_a_typing_error_gets_the_closest_names(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("")
    with pytest.raises(AtlasError, match=r"there is: corpus\.jsonl"):
        corpus.open_corpus(str(tmp_path / "corpsu.jsonl"))


def test_odd_places(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="empty name"):
        corpus.open_corpus(" ")
    with pytest.raises(AtlasError, match="holds no files"):
        corpus.open_corpus(str(tmp_path))
    np.save(tmp_path / "ids.npy", np.zeros((1, 1)))
    with pytest.raises(AtlasError, match="token array inside a folder of texts"):
        corpus.open_corpus(str(tmp_path))


def test_an_unreachable_dataset_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "from app.precompute.corpus.documents import open_corpus\n"
        "from app.errors import AtlasError\n"
        "try: open_corpus('nobody/nothing')\n"
        "except AtlasError as error: print(error)\n"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | offline,
        cwd=Path(corpus.__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("The corpus 'nobody/nothing' is not a file here and could not be")
    assert done.stdout.count("\n") == 1

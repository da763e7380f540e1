"""Texts get the ids they stand for, and numbers of their own where that can't be told."""

import json
from pathlib import Path

import pytest

from app.errors import AtlasError
from app.exchange.building.seen import Seen
from app.exchange.building.tokenizer import read_tokenizer
from app.exchange.building.vocabulary import Vocabulary

VOCAB = {"a": 0, "Ġthe": 1, "Ċ": 2, "âĢĶ": 3, "Ã©": 4, "Ã": 5, "âĢ": 6, "<s>": 7}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {
        "model": {"type": "BPE", "vocab": VOCAB},
        "decoder": {"type": "ByteLevel"},
        "added_tokens": [{"id": 7, "content": "<s>", "special": True}],
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    return tmp_path


def test_a_tokenizers_texts_are_told_however_a_tool_writes_them(folder: Path) -> None:
    found = read_tokenizer(folder)
    assert [t.token for t in found.tokens] == [
        "a", " the", "\n", "—", "é", r"\xc3", r"\xe2\x80", "<s>",
    ]  # fmt: skip
    assert [t.special for t in found.tokens] == [False] * 7 + [True]
    words = Vocabulary(found.tokens, found.readings)
    assert words.ids("f", [" the", "Ġthe", "é", "Ã©", "—", r"\xc3"]).tolist() == [1, 1, 4, 4, 3, 5]


def test_a_text_of_two_tokens_gets_a_number_of_its_own(folder: Path) -> None:
    found = read_tokenizer(folder)
    words = Vocabulary(found.tokens, found.readings)
    assert words.ids("f", ["�", "a", "�"]).tolist() == [8, 0, 8]
    (new,) = words.take_new()
    assert (new.token_id, new.token, new.token_bytes, new.producible) == (8, "�", b"", False)
    again = Vocabulary([*found.tokens, new], found.readings)
    assert again.ids("f", ["�", "a", "more"]).tolist() == [8, 0, 9]


def test_without_a_tokenizer_numbers_follow_appearance() -> None:
    words = Vocabulary()
    assert words.ids("f", ["x", " x", "x"]).tolist() == [0, 1, 0]
    assert [t.token for t in words.take_new()] == ["x", " x"]
    assert words.take_new() == []


def test_files_that_contradict_themselves_or_the_model_are_told_apart() -> None:
    words = Vocabulary()
    words.ids("0.json", ["a"], [5])
    with pytest.raises(
        AtlasError, match=r"^1.json has token 5 as 'b', before it reads 'a', so the"
    ):
        words.ids("1.json", ["b"], [5])
    standing = Vocabulary(words.take_new())
    with pytest.raises(AtlasError, match="in the vocabulary of the model it reads 'a': import und"):
        standing.ids("1.json", ["b"], [5])


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model": {}}', '{"model": {"vocab": {"a": "b"}}}']
)
def test_what_is_no_tokenizer_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(AtlasError, match="that can be read"):
        read_tokenizer(tmp_path)
    with pytest.raises(AtlasError, match="There is no tokenizer"):
        read_tokenizer(tmp_path / "nowhere")


def test_texts_seen_are_found_again_whatever_their_number() -> None:
    seen, digests = Seen(recent=7), [bytes([i, i % 3] * 8) for i in range(200)]
    for number, digest in enumerate(digests):
        assert seen.get(digest) is None
        seen.put(digest, number)
    assert [seen.get(digest) for digest in digests] == list(range(200))
    assert seen.get(digests[0][:8] + b"otherone") is None

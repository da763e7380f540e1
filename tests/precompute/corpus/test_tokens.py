"""Documents become contexts exactly as a few plain lines would make them, whatever the batches."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from app.errors import AtlasError
from app.precompute.corpus import document_tokens
from app.precompute.corpus import documents as corpus
from app.precompute.corpus.documents import (
    Document,
    Documents,
    TokenArray,
    from_documents,
)
from app.precompute.corpus.tokens import TokenSettings, build_contexts
from app.stats.corpus import Corpus

DEMO_MODEL = Path(__file__).parents[3] / "app" / "demo" / "model"
D_VOCAB, BOS, EOS, PAD = 64, 1, 2, 3
WORDS = [f"w{i}" for i in range(10, 60)]


def word_tokenizer(**roles: str) -> PreTrainedTokenizerFast:
    """One token per word: w10 is id 10, so that contexts can be read by eye."""
    names = ["<unk>", "<s>", "</s>", "<pad>", *(f"<{i}>" for i in range(4, 10)), *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    chosen = roles or {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", model_max_length=4, **chosen
    )


TOKENIZER = word_tokenizer()


def documents(lengths: Sequence[int]) -> Documents:
    """Documents d0, d1 … of so many words."""
    words = iter(WORDS * 100)
    texts = [" ".join(next(words) for _ in range(length)) for length in lengths]
    return from_documents([Document(f"d{i}", text) for i, text in enumerate(texts)], "words")


def build(
    source: corpus.Source,
    options: TokenSettings,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast = TOKENIZER,
    d_vocab: int = D_VOCAB,
    n_ctx: int = 64,
) -> Corpus:
    metadata = build_contexts(source, tokenizer, options, folder, d_vocab, n_ctx)
    found = Corpus.open(folder)
    assert found.metadata == metadata
    return found


def plain_contexts(
    source: Documents, options: TokenSettings
) -> tuple[list[list[int]], list[list[str]], list[list[bool]]]:
    """The obvious way: (ids, document name or "" per token, counted) of every context."""
    texts = [(d.name, [int(word[1:]) for word in d.text.split()]) for d in source]
    texts = [(name, ids) for name, ids in texts if ids]
    front = [(BOS, "")] if options.prepend_bos else []
    body = options.context_size - len(front)
    contexts: list[list[tuple[int, str]]] = []
    if options.packing == "packed":
        stream: list[tuple[int, str]] = []
        for i, (name, ids) in enumerate(texts):
            stream += [(EOS, "")] * (i > 0 and options.separator != "none")
            stream += [(token_id, name) for token_id in ids]
        while len(stream) >= body:
            contexts.append(front + stream[:body])
            stream = stream[body:]
    else:
        for name, ids in texts:
            for start in range(0, len(ids), body):
                piece = front + [(token_id, name) for token_id in ids[start : start + body]]
                contexts.append(piece + [(PAD, "")] * (options.context_size - len(piece)))
    if options.max_tokens is not None:
        contexts = contexts[: options.max_tokens // options.context_size]
    ids = [[token_id for token_id, _ in context] for context in contexts]
    names = [[name for _, name in context] for context in contexts]
    counted = [[i > 0 and t > 3 for i, t in enumerate(context)] for context in ids]
    return ids, names, counted


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 30), max_size=12),
    options=st.builds(
        TokenSettings,
        context_size=st.integers(3, 9),
        packing=st.sampled_from(["packed", "document"]),
        prepend_bos=st.booleans(),
        max_tokens=st.none() | st.integers(9, 90),
        separator=st.sampled_from(["auto", "none"]),
    ),
    batch=st.integers(1, 4),
    part_size=st.integers(4, 60),
)
def test_equal_to_the_obvious_way(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    options: TokenSettings,
    batch: int,
    part_size: int,
) -> None:
    source = documents(lengths)
    ids, names, counted = plain_contexts(source, options)
    folder = tmp_path_factory.mktemp("job") / "contexts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_tokens, "_BATCH_PARTS", batch)
        patch.setattr(corpus, "PART_SIZE", part_size)
        if not any(any(row) for row in counted):
            with pytest.raises(AtlasError, match="The corpus 'words' holds"):
                build(source, options, folder)
            assert list(folder.parent.iterdir()) == []
            return
        found = build(source, options, folder)
    assert found.tokens.tolist() == ids
    assert found.counted.tolist() == counted
    read = [[found.document_names[i] if i >= 0 else "" for i in row] for row in found.document_ids]
    assert read == names
    assert found.document_names == sorted(
        {name for row in names for name in row if name}, key=lambda name: int(name[1:])
    )
    assert found.metadata["n_documents"] == len(found.document_names)
    assert found.metadata["n_tokens"] == sum(map(sum, counted))
    assert list(folder.parent.iterdir()) == [folder]


def test_what_is_stored(tmp_path: Path) -> None:
    options = TokenSettings(context_size=4, prepend_bos=True, max_tokens=13)
    found = build(documents([2, 0, 9]), options, tmp_path / "contexts")
    assert found.tokens.tolist() == [
        [BOS, 10, 11, EOS],
        [BOS, 12, 13, 14],
        [BOS, 15, 16, 17],
    ]
    assert found.document_ids.tolist() == [[-1, 0, 0, -1], [-1, 1, 1, 1], [-1, 1, 1, 1]]
    assert found.counted.sum() == 8
    assert (found.tokens.dtype, found.counted.dtype) == (np.uint16, bool)
    assert found.document_ids.dtype == np.int32
    assert found.document_names == ["d0", "d2"]
    metadata = dict(found.metadata)
    assert metadata.pop("hash")
    assert metadata == {
        "name": "words",
        "source": "words",
        "context_size": 4,
        "n_contexts": 3,
        "n_tokens": 8,
        "n_documents": 2,
        "d_vocab": D_VOCAB,
        "packing": "packed",
        "prepend_bos": True,
        "bos_token_id": BOS,
        "separator_token_id": EOS,
        "special_token_ids": [0, 1, 2, 3],
        "position_zero": "not counted",
        "max_tokens": 13,
    }


def test_position_0_is_not_counted_without_a_bos_either(tmp_path: Path) -> None:
    found = build(documents([6]), TokenSettings(context_size=3), tmp_path / "c")
    assert found.counted.tolist() == [[False, True, True]] * 2


def test_special_tokens_in_a_text_belong_to_it_and_do_not_count(tmp_path: Path) -> None:
    source = from_documents([Document("d", "w10 </s> w11 what w12 w13")], "d")
    found = build(source, TokenSettings(context_size=6), tmp_path / "c")
    assert found.tokens.tolist() == [[10, EOS, 11, 0, 12, 13]]
    assert found.counted.tolist() == [[False, False, True, False, True, True]]
    assert found.document_ids.tolist() == [[0] * 6]


def test_one_id_for_everything_special(tmp_path: Path) -> None:
    tokenizer = word_tokenizer(bos_token="<unk>", eos_token="<unk>", pad_token="<unk>")
    options = TokenSettings(context_size=4, packing="document", prepend_bos=True)
    found = build(documents([2, 3]), options, tmp_path / "c", tokenizer)
    assert found.tokens.tolist() == [[0, 10, 11, 0], [0, 12, 13, 14]]
    assert found.counted.tolist() == [[False, True, True, False], [False, True, True, True]]


def test_padding_is_known_by_mask_even_where_its_id_is_a_word(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"w0": 0, "w1": 1}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    source = from_documents([Document("d", "w0 w0 w1 w0 w0")], "d")
    options = TokenSettings(context_size=4, packing="document")
    found = build(source, options, tmp_path / "c", fast, d_vocab=2)
    assert found.tokens.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]]
    assert found.counted.tolist() == [[False, True, True, True], [False] * 4]
    assert found.document_ids.tolist() == [[0, 0, 0, 0], [0, -1, -1, -1]]


@pytest.mark.parametrize(("d_vocab", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_ids_take_the_bytes_the_vocabulary_needs(
    tmp_path: Path, d_vocab: int, dtype: type[np.generic]
) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 3), d_vocab - 1))
    found = build(array(tmp_path), TokenSettings(), tmp_path / "c", d_vocab=d_vocab)
    assert found.tokens.dtype == dtype
    assert (found.tokens == d_vocab - 1).all()


def test_the_hash_is_of_tokens_and_shape(tmp_path: Path) -> None:
    def hash_of(options: TokenSettings, lengths: Sequence[int] = (12,)) -> str:
        return build(documents(lengths), options, tmp_path / "c").metadata["hash"]

    four = TokenSettings(context_size=4)
    assert hash_of(four) == hash_of(four)
    assert len({hash_of(four), hash_of(TokenSettings(context_size=3)), hash_of(four, (3, 9))}) == 3


def test_only_what_max_tokens_needs_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_tokens, "_BATCH_PARTS", 2)
    n_read = 0

    def endless() -> Any:
        nonlocal n_read
        while True:
            n_read += 1
            yield f"d{n_read}", ["w10 w11 w12"]

    found = build(
        Documents("endless", "endless", endless),
        TokenSettings(context_size=4, max_tokens=10),
        tmp_path / "c",
    )
    assert found.tokens.shape == (2, 4)
    assert n_read <= 4


def test_a_text_longer_than_the_tokenizer_likes_gives_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        build(documents([50]), TokenSettings(context_size=5), tmp_path / "c", word_tokenizer())
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records == []


def test_the_demo_tokenizer_gives_the_texts_back(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    texts = ["import os\n\n\ndef f(x):\n    return x\n" * 20, "Grüße, 猫 🐈!\n" * 30]
    source = from_documents([Document(f"{i}.py", t) for i, t in enumerate(texts)], "demo")
    options = TokenSettings(context_size=64, packing="document", prepend_bos=True)
    found = build(source, options, tmp_path / "c", tokenizer, 4096, 256)
    for i, text in enumerate(texts):
        ids = found.tokens[found.document_ids == i]
        assert tokenizer.decode(ids.astype(int)) == text
    assert found.document_names == ["0.py", "1.py"]


def array(folder: Path) -> TokenArray:
    return TokenArray("a.npy", str(folder / "a.npy"), folder / "a.npy")


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int8, ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_used_as_it_is(tmp_path: Path, dtype: Any, order: Literal["C", "F"]) -> None:
    ids = [[BOS, 10, 11, EOS, 12], [BOS, 13, 0, 14, 15], [BOS, EOS, EOS, 16, PAD]]
    np.save(tmp_path / "a.npy", np.array(ids, dtype=dtype, order=order))
    found = build(array(tmp_path), TokenSettings(context_size=128), tmp_path / "c")
    assert found.tokens.tolist() == ids
    assert found.counted.tolist() == [[i > 0 and t > 3 for i, t in enumerate(row)] for row in ids]
    assert found.document_ids.tolist() == [
        [-1, 0, 0, -1, 1],
        [-1, 2, -1, 2, 2],
        [-1, -1, -1, 3, -1],
    ]
    assert found.document_names == ["a.npy:1", "a.npy:1.2", "a.npy:2", "a.npy:3"]
    assert found.metadata["packing"] == "array"
    assert found.metadata["prepend_bos"] is True
    assert found.metadata["context_size"] == 5


def test_an_array_is_read_in_chunks_and_may_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.random.default_rng(0).integers(10, 60, (50, 6))
    ids[3, 2:4] = EOS
    np.save(tmp_path / "a.npy", ids)
    whole = build(array(tmp_path), TokenSettings(), tmp_path / "whole")
    monkeypatch.setattr("app.precompute.corpus.token_array._CHUNK_TOKENS", 20)
    chunked = build(array(tmp_path), TokenSettings(), tmp_path / "chunked")
    assert (whole.document_ids == chunked.document_ids).all()
    assert whole.document_names == chunked.document_names
    assert whole.metadata == chunked.metadata
    assert whole.metadata["prepend_bos"] is False
    cut = build(array(tmp_path), TokenSettings(max_tokens=6 * 7 + 5), tmp_path / "cut")
    assert (cut.tokens == ids[:7]).all()
    assert cut.document_names == whole.document_names[:8]


def refuse(sentence: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(AtlasError) as caught:
        build(*arguments, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ([[1, 2, 3], [1, 2, 50256]], "row 2: the array holds token id 50256 but the model's voca"),
        ([[1, 2, -1]], "row 1: the array holds token id -1"),
        ([[1.0, 2.0, 3.0]], "holds float64, expected integer token ids"),
        ([True, False], "holds bool"),
        ([1, 2, 3], "has shape [3], expected [n_contexts, context_size]"),
        ([[1], [2]], "A context of 1 tokens is too short"),
        ([[7] * 65], "A context of 65 tokens is longer than the model's n_ctx of 64"),
        ([[10, EOS, EOS]], "none of the tokens counts"),
        (np.zeros((0, 8), dtype=int), "holds 0 contexts of 8 tokens"),
        ([[10, "x", None]], "can't be read as a .npy array of token ids"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path: Path, ids: Any, sentence: str) -> None:
    values = np.array(ids, dtype=object if "x" in np.array(ids, dtype=object) else None)
    np.save(tmp_path / "a.npy", values)
    refuse(sentence, array(tmp_path), TokenSettings(), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_files_that_only_look_like_an_array(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x80\x04K\x01.")
    refuse("can't be read as a .npy array", array(tmp_path), TokenSettings(), tmp_path / "c")
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, ids=np.zeros((2, 3), dtype=int))
    refuse("is an archive of arrays", array(tmp_path), TokenSettings(), tmp_path / "c")


@pytest.mark.parametrize(
    ("lengths", "options", "sentence"),
    [
        ([5, 3], {"context_size": 16}, "holds 8 tokens, less than one context of 16"),
        ([0], {"context_size": 16, "packing": "document"}, "holds 0 tokens, less than one context"),
        ([99], {"context_size": 65}, "longer than the model's n_ctx of 64: use a context_size of"),
        ([99], {"context_size": 2}, "A context of 2 tokens is too short"),
        ([99], {"context_size": 8, "max_tokens": 7}, "max_tokens is 7, less than one context of 8"),
        ([99], {"context_size": 8, "separator": "sep"}, "The tokenizer has no SEP to put between"),
    ],
)
def test_settings_that_cannot_be_met(
    tmp_path: Path, lengths: list[int], options: dict[str, Any], sentence: str
) -> None:
    refuse(sentence, documents(lengths), TokenSettings(**options), tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_does_not_fit(tmp_path: Path) -> None:
    four = TokenSettings(context_size=4)
    refuse(
        "In d0 the tokenizer gives token id 29 but the model's vocabulary has 12",
        documents([20]), four, tmp_path / "c", d_vocab=12,
    )  # fmt: skip
    bare = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER.backend_tokenizer)
    wants_bos = replace(four, prepend_bos=True)
    refuse("has neither BOS nor EOS", documents([20]), wants_bos, tmp_path / "c", bare)
    assert build(documents([3, 5]), four, tmp_path / "c", bare).tokens.tolist() == [
        [10, 11, 12, 13],
        [14, 15, 16, 17],
    ]


def test_the_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    four, folder = TokenSettings(context_size=4), tmp_path / "c"
    build(documents([8]), four, folder)
    refuse("less than one context", documents([3]), four, folder)
    assert Corpus.open(folder).metadata["n_contexts"] == 2
    (tmp_path / ".c.partial").mkdir()  # what a killed job leaves
    (tmp_path / ".c.partial" / "tokens.npy").write_text("half")
    assert build(documents([12]), four, folder).metadata["n_contexts"] == 3
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…")
    refuse(
        "exists and holds no token contexts",
        documents([8]), TokenSettings(context_size=4), tmp_path / "mine",
    )  # fmt: skip
    assert (tmp_path / "mine" / "thesis.txt").exists()
    refuse(
        "can't be written to",
        documents([8]), TokenSettings(context_size=4), tmp_path / "mine" / "thesis.txt" / "c",
    )  # fmt: skip


def test_a_damaged_folder_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    build(documents([8]), TokenSettings(context_size=4), folder)
    (folder / "corpus.json").write_text("{")
    with pytest.raises(AtlasError, match=r"Could not read .*corpus\.json"):
        Corpus.open(folder)
    assert json.loads((folder / "documents.json").read_text()) == ["d0"]

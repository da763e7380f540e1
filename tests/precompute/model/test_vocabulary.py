"""The three texts of a token, for every kind of tokenizer."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from app.precompute.model.vocabulary import Vocabulary, special_token_ids, vocabulary

DEMO_MODEL = Path(__file__).parents[3] / "app" / "demo" / "model"
TEXT = ["the cat sat on the mat\n", "the cats are in the hat\n", "Grüße 猫 🐈 naïve café\n"] * 8


def byte_level() -> PreTrainedTokenizerFast:
    """GPT-2's kind, as Pythia's: a special token first, a run of spaces added last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_tokens([AddedToken("    ", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


def sentencepiece() -> PreTrainedTokenizerFast:
    """Llama's kind: a space before every text, bytes for what the vocabulary lacks."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "t", "h", "e", "▁t", "he", "▁the", "é", "▁▁"]
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("▁", "▁")]
    tokenizer = Tokenizer(
        models.BPE(
            {piece: i for i, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>")


def unigram() -> PreTrainedTokenizerFast:
    """T5's kind."""
    pieces = [("<unk>", 0.0), ("▁the", -1.0), ("▁", -2.0), ("the", -3.0), ("s", -3.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def word_piece() -> PreTrainedTokenizerFast:
    """BERT's kind."""
    pieces = ["[UNK]", "[PAD]", "[SEP]", "cat", "##s", "x", "0", "Dog"]
    tokenizer = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", sep_token="[SEP]"
    )


def row(found: Vocabulary, piece: str) -> tuple[bytes, str, bool, bool]:
    i = found.piece.index(piece)
    return found.bytes[i], found.token[i], bool(found.special[i]), bool(found.producible[i])


def test_byte_level() -> None:
    tokenizer = byte_level()
    found = vocabulary(tokenizer, len(tokenizer) + 2)
    assert row(found, "Ġthe") == (b" the", " the", False, True)
    assert row(found, "Ċ") == (b"\n", "\n", False, True)
    assert row(found, "ð") == (b"\xf0", r"\xf0", False, False)
    assert row(found, "<|endoftext|>") == (b"<|endoftext|>", "<|endoftext|>", True, True)
    assert row(found, "    ") == (b"    ", "    ", False, True)
    assert found.piece[-2:] == ["", ""]
    assert found.bytes[-2:] == [b"", b""]
    assert found.token[-1] == f"<unused {len(tokenizer) + 1}>"
    assert not found.producible[-2:].any()
    assert not found.special[-2:].any()


def test_the_bytes_of_a_text_are_the_bytes_of_its_tokens() -> None:
    for tokenizer in (byte_level(), AutoTokenizer.from_pretrained(DEMO_MODEL)):
        found = vocabulary(tokenizer, len(tokenizer))
        for text in (*TEXT[:3], "\x00\x7f\u202e \xad    ¡"):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert b"".join(found.bytes[i] for i in ids).decode() == text


def test_sentencepiece() -> None:
    found = vocabulary(sentencepiece(), 267)
    assert row(found, "▁the") == (b" the", " the", False, True)
    # A space is put before every text: "he" and "t" come back only from inside one.
    assert row(found, "he") == (b"he", "he", False, True)
    assert row(found, "▁▁") == (b"  ", "  ", False, True)
    assert row(found, "é") == ("é".encode(), "é", False, True)
    assert row(found, "<0x0A>") == (b"\n", "\n", False, True)
    assert row(found, "<0xE2>") == (b"\xe2", r"\xe2", False, False)
    assert row(found, "<0x74>") == (b"t", "t", False, False)  # the text "t" is another token
    assert row(found, "<s>")[2]


def test_unigram() -> None:
    found = vocabulary(unigram(), 5)
    assert found.token == ["<unk>", " the", " ", "the", "s"]
    assert found.special.tolist() == [True, False, False, False, False]
    assert found.producible[[1, 4]].all()


def test_word_piece() -> None:
    found = vocabulary(word_piece(), 8)
    assert row(found, "cat") == (b" cat", " cat", False, True)
    assert row(found, "##s") == (b"s", "s", False, True)
    assert row(found, "Dog") == (b" Dog", " Dog", False, False)  # every text becomes lower case


def test_a_tokenizer_with_an_unknown_decoder_shows_what_it_decodes() -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.decoder = decoders.CTC(pad_token="b")
    found = vocabulary(PreTrainedTokenizerFast(tokenizer_object=tokenizer), 2)
    assert found.bytes == [b"", b""]
    assert found.token == ["a", ""]


def test_special_ids_are_often_one_id() -> None:
    assert special_token_ids(byte_level()) == [0]
    assert special_token_ids(word_piece()) == [0, 1, 2]


@pytest.mark.parametrize("extra", [["<tool>"], ["<x>", "<y>"]])
def test_tokens_marked_special_are_special_even_without_a_role(extra: Sequence[str]) -> None:
    tokenizer = byte_level()
    n = len(tokenizer)
    tokenizer.add_tokens(list(extra), special_tokens=True)
    assert special_token_ids(tokenizer) == [0, *range(n, n + len(extra))]


def test_a_vocabulary_smaller_than_the_tokenizer() -> None:
    assert vocabulary(byte_level(), 5).piece == vocabulary(byte_level(), 9).piece[:5]


def test_hash_tells_vocabularies_apart() -> None:
    found = vocabulary(byte_level(), 300)
    assert found.hash() == vocabulary(byte_level(), 300).hash()
    assert found.hash() != vocabulary(byte_level(), 299).hash()
    assert found.hash() != vocabulary(sentencepiece(), 267).hash()


def test_the_demo_tokenizer() -> None:
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    found = vocabulary(tokenizer, 4096)
    assert found.special.nonzero()[0].tolist() == special_token_ids(tokenizer) == [0]
    # What can't be produced is what is no text by itself.
    halves = [
        i for i, data in enumerate(found.bytes) if r"\x" in found.token[i] and not data.isascii()
    ]
    assert set(halves) <= set((~found.producible).nonzero()[0].tolist())
    assert (~found.producible).sum() < 0.1 * 4096

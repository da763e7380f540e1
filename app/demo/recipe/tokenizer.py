"""The demo's tokenizer: byte-level BPE, learnt from the training documents.

Gives a Hugging Face tokenizer and turns documents into one row of token ids. One special token,
id 0, separates documents and opens every context: it is BOS, EOS, padding and unknown at once. It
knows nothing of contexts or models.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from app.demo.corpus import Document

SEPARATOR = "<|endoftext|>"
SEPARATOR_ID = 0


def train_tokenizer(texts: Iterable[str], d_vocab: int) -> PreTrainedTokenizerFast:
    """Learn `d_vocab` tokens; the separator is id 0 and the 256 bytes are always among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=d_vocab,
        special_tokens=[SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SEPARATOR,
        eos_token=SEPARATOR,
        pad_token=SEPARATOR,
        unk_token=SEPARATOR,
    )


def encode_documents(
    tokenizer: PreTrainedTokenizerFast, documents: Sequence[Document]
) -> Int64[np.ndarray, " n_tokens"]:
    """The documents in one row, each opened by the separator."""
    ids = tokenizer([document.text for document in documents], verbose=False)["input_ids"]
    rows = [np.array([SEPARATOR_ID, *row], dtype=np.int64) for row in ids]
    return np.concatenate(rows)


def cut_contexts(
    tokens: Int64[np.ndarray, " n_tokens"], context_size: int
) -> Int64[np.ndarray, "n_contexts context_size"]:
    """The row cut into contexts that open with the separator; an incomplete last one is dropped."""
    length = context_size - 1
    n_contexts = len(tokens) // length
    body = tokens[: n_contexts * length].reshape(n_contexts, length)
    return np.pad(body, ((0, 0), (1, 0)), constant_values=SEPARATOR_ID)

"""The job over a module of the user's own: functions in the place of model and dictionary.

    precompute_module("atlas.db", name="protein/layer-3", activations=…, encode=…, decode=…,
                      vocabulary=[…], sequences=[…])

Tokens are entries of a list of strings: words, amino acids, notes. Images and other inputs that are
no sequence of tokens are out of scope. The stages are those of `app/precompute/pipeline.py`; what
the functions can't tell is left out, and the atlas says so.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.db.records import ModelRecord
from app.errors import AtlasError, closest
from app.precompute.brought.asking import ask
from app.precompute.brought.coder import BroughtCoder, identity_of, refuse_negative
from app.precompute.brought.limits import AtHand, absent, limited, studies
from app.precompute.brought.model import BroughtModel
from app.precompute.brought.sequences import Sequences, Words
from app.precompute.brought.tensors import matrix_of, thresholds_of
from app.precompute.brought.wording import as_arguments, errors_name_arguments
from app.precompute.corpus import packing
from app.precompute.corpus.packing import RowLayout
from app.precompute.corpus.tokens import ContextPlan, TokenSettings, write_contexts
from app.precompute.pipeline import run_on
from app.precompute.preparation import Inputs, Loaded
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings, read_settings
from app.precompute.target import Target
from app.precompute.targets import DEFAULT_CONTEXT_SIZE, device_of
from app.precompute.workplace.recipe import run_recipe
from app.sae.dictionary import DictionaryConfig

FORMAT = "module"
TOLD_HERE = {"model", "sae", "corpus", "output", "name", "workers", "prepend_bos"} | {
    *("num_gpus", "ray_address", "dtype", "sae_format", "text_field", "split", "verify"),
    "hook_name_out",
}
"""Settings that say nothing of functions, or have arguments of their own."""

CHECKED_TOKENS = 512
"""Tokens of the first sequences that the functions are asked about before the job."""


@errors_name_arguments()
def precompute_module(
    output: str | Path,
    *,
    name: str,
    activations: Callable[[Tensor], Tensor],
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor] | Tensor,
    vocabulary: Sequence[str],
    sequences: Mapping[str, Iterable[Any]] | Iterable[Iterable[Any]],
    special: Collection[str | int] = (),
    separator: str | int | None = None,
    corpus: str = "sequences",
    hook_name: str = "activations",
    hidden_pre: Callable[[Tensor], Tensor] | None = None,
    threshold: float | Tensor | None = None,
    W_dec: Tensor | None = None,
    unembedding: Tensor | None = None,
    logits: Callable[[Tensor, Tensor | None], Tensor] | None = None,
    device: str = "cpu",
    reporter: Reporter | None = None,
    **options: Any,
) -> None:
    """Writes an atlas of one dictionary, or adds it to one.

    Functions are given tensors on `device` and float32 numbers, and called without gradients, from
    one thread. `activations` only sees rows of equal length, without padding.

    Args:
        name: address "model/sae" in small letters, digits and hyphens.
        activations: token ids [batch, pos] -> [batch, pos, d_in].
        encode: activations [n, d_in] -> features [n, d_sae], 0 or above.
        decode: features [n, d_sae] -> reconstruction [n, d_in]; or the matrix [d_sae, d_in].
        vocabulary: the text of every token id.
        sequences: token ids or texts of the vocabulary, one document each, by name or in order; a
            sequence that is a string is taken character by character.
        special: tokens that are never counted (begin, end, mask, unknown …).
        separator: token between sequences; with `packing="packed"` only.
        corpus: what pages call the sequences.
        hook_name: what pages call the place the activations are from.
        hidden_pre: activations [n, d_in] -> values before ReLU, threshold or top-k [n, d_sae].
        threshold: the `hidden_pre` above which a feature fires, one number or [d_sae].
        W_dec: [d_sae, d_in], what each feature adds for one unit of activation.
        unembedding: [d_in, len(vocabulary)], the direct path from activations to logits.
        logits: of a model that predicts the next token: (ids [batch, pos], activations to put in
            place [batch, pos, d_in] or None) -> [batch, pos, len(vocabulary)].
        device: where tensors are made: cpu, cuda, mps, or auto for the best there is.
        options: settings of `feature-atlas precompute`: context_size (128), packing ("document",
            each sequence alone, or "packed"), top_examples, seed, replace, …

    Raises:
        AtlasError: an argument is not what it should be; the sentence names it.
    """
    settings = _settings(output, name, corpus, options)
    words = Words.of(vocabulary, special)
    found = Sequences.of(sequences, words)
    size = settings.context_size or DEFAULT_CONTEXT_SIZE
    packed = settings.packing == "packed"
    if separator is not None and not packed:
        raise AtlasError('separator stands between sequences that are packed: packing="packed".')
    separator_id = None if separator is None else words.id_of(separator, "separator")
    is_padded = found.is_padded(size, packed)
    where = _device(device)
    model = BroughtModel(
        name.split("/")[0], hook_name, activations, len(words.texts), len(words.texts) + is_padded,
        where, logits,
    )  # fmt: skip
    sample = torch.from_numpy(_sample(found, size))[None].to(where)
    coder = _coder(model, sample, encode, decode, hidden_pre, threshold, W_dec, hook_name)
    if unembedding is not None:
        shape = (coder.config.d_in, len(words.texts))
        named = "[d_in, len(vocabulary)]"
        model.unembedding = matrix_of("unembedding", unembedding, shape, named, where)
    has = AtHand(
        True, True, logits is not None, hidden_pre is not None,
        coder.directions is not None, unembedding is not None,
    )  # fmt: skip
    settings = limited(settings, has)
    sae = name.split("/")[1]

    def write(told: TokenSettings, folder: Path, advance: Callable[[int], None]) -> None:
        layout = RowLayout(told.context_size, None, separator_id, model.fill)
        rows = (packing.pack if packed else packing.by_document)(found.parts(), layout)
        specials = [*words.special_ids, *([model.fill] if is_padded else [])]
        plan = ContextPlan(
            rows, found.waiting, settings.packing, told.context_size, None, separator_id,
            specials, corpus, f"{len(found.ids):,} sequences", lambda: found.n_tokens,
        )  # fmt: skip
        write_contexts(plan, told, folder, model.d_vocab, model.n_ctx, advance)

    def inputs_in(folder: Path, _: Reporter) -> Inputs:
        vocabulary = words.vocabulary(is_padded)
        record = ModelRecord(
            model=model.name, name=model.name, architecture="a module of the user's",
            n_layers=None, d_model=None, d_vocab=model.d_vocab, n_ctx=None,
            weights_hash="", tokenizer_hash=vocabulary.hash(),
        )  # fmt: skip
        targets = [Target(sae, coder, hook_name, folder / "events" / sae)]
        told = run_recipe(settings, "", targets) | {
            "command": "precompute_module(…)",
            "given": {"format": FORMAT, "absent": absent(has), "studies": studies(has)},
        }
        stamp = f"{corpus} {found.stamp()} {separator_id} {sorted(words.special_ids)}"
        return Inputs(Loaded(model, record, vocabulary, targets), write, told, stamp)

    run_on(settings, inputs_in, reporter or Reporter(kind=settings.progress, wording=as_arguments))


def _settings(
    output: str | Path, name: str, corpus: str, options: Mapping[str, Any]
) -> PrecomputeSettings:
    known = set(PrecomputeSettings.model_fields) - TOLD_HERE
    for option in options:
        if option not in known:
            arguments = set(signature(precompute_module).parameters) - {"options"}
            raise AtlasError(
                f"{option} is no option of precompute_module; the closest are "
                f"{closest(option, known | arguments)}. "
                "`feature-atlas precompute --help` says what each does."
            )
    if not isinstance(name, str):
        raise AtlasError(f"name is {name!r}, expected an address like toy-protein/layer-0.")
    model = name.split("/")[0]
    told = {"packing": "document"} | dict(options)
    return read_settings(
        None, model=model, sae=[Path(name)], corpus=corpus, output=Path(output), name=[name], **told
    )


def _sample(found: Sequences, size: int) -> np.ndarray:
    """The beginning of the longest sequence, on which functions are tried."""
    longest = max(found.ids, key=len)
    return longest[: min(size, CHECKED_TOKENS)]


def _coder(
    model: BroughtModel,
    sample: Tensor,
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor] | Tensor,
    hidden_pre: Callable[[Tensor], Tensor] | None,
    threshold: float | Tensor | None,
    W_dec: Tensor | None,
    hook_name: str,
) -> BroughtCoder:
    """The functions from activations to features and back, tried on one text."""
    where = model.device
    model.check(sample if sample.shape[1] < 2 else torch.cat([sample, sample.flip(1)]))
    x = model.activations(sample, [hook_name])[hook_name][0]
    acts = ask("encode", encode, x, shape=(len(x), None), device=where)
    refuse_negative(acts)
    d_in, d_sae = x.shape[1], acts.shape[1]
    if isinstance(decode, Tensor):
        W_dec = decode if W_dec is None else W_dec
        matrix = matrix_of("decode", decode, (d_sae, d_in), "[d_sae, d_in]", where)
        decode = lambda acts: acts @ matrix  # noqa: E731
    directions = (
        None if W_dec is None else matrix_of("W_dec", W_dec, (d_sae, d_in), "[d_sae, d_in]", where)
    )
    if threshold is not None and hidden_pre is None:
        raise AtlasError("threshold is one of hidden_pre: give that function too.")
    config = DictionaryConfig(
        format=FORMAT, architecture="functions of the user's", hook_name=hook_name, d_in=d_in,
        d_sae=d_sae, prepend_bos=None, context_size=None, model_name=model.name,
        convention="activations as the function encode gives them", path=Path(hook_name),
    )  # fmt: skip
    coder = BroughtCoder(
        config, encode, decode, hidden_pre, directions,
        None if threshold is None else thresholds_of(threshold, d_sae, where),
        where, identity_of(x, acts, directions),
    )  # fmt: skip
    coder.check(x)
    return coder


def _device(name: str) -> torch.device:
    try:
        found = torch.device(device_of(name))
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise AtlasError(f"device is {name!r}, and there is none such here.") from error
    return found

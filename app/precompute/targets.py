"""The dictionaries of a run, read, named and matched to the model.

Takes paths and names, gives one `Target` each, or the sentence that says what does not fit. What
all dictionaries of a run must share (the corpus is tokenized once) is settled here too. Knows the
settings; runs the model only to measure a hook's width.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from app.db.slugs import slug_of
from app.errors import AtlasError
from app.hub.address import dictionary_address, model_address
from app.hub.finding import find_dictionary
from app.precompute.model.heights import height
from app.precompute.model.language_model import LanguageModel
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.workplace.recipe import without_folder
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.readers import load_dictionary

DEFAULT_CONTEXT_SIZE = 128


def load_targets(
    settings: PrecomputeSettings,
    model: LanguageModel,
    events_folder: Path,
    commits: Mapping[str, str] | None = None,
) -> tuple[str, list[Target]]:
    """(model slug, targets), each dictionary on the model's device.

    Args:
        commits: where names on the hub lead, by name; the files are in its cache.

    Raises:
        AtlasError: a dictionary can't be read, has no hook, sits on an unknown one or has another
            width; or names and dictionaries don't go together.
    """
    model_slug, names = _names(settings)
    targets = []
    for named, name in zip(settings.sae, names, strict=True):
        found = find_dictionary(named, (commits or {}).get(named))
        dictionary = load_dictionary(found.path, sae_format=settings.sae_format)
        _refuse_single_head(named, dictionary.config)
        hook_name = settings.hook_name or dictionary.config.hook_name
        if hook_name is None:
            raise AtlasError(f"{named} does not say where it reads: give --hook-name.")
        hook_name_out = _written_hook(named, settings, dictionary.config, hook_name)
        check_widths(model, named, dictionary, hook_name, hook_name_out)
        folder = events_folder / name
        targets.append(Target(name, dictionary.to(model.device), hook_name, folder, hook_name_out))
    return model_slug, targets


def check_widths(
    model: LanguageModel,
    said: str,
    dictionary: Dictionary,
    hook_name: str,
    hook_name_out: str | None,
) -> None:
    """Refuses a dictionary that doesn't fit its hooks; `said` is what the user calls it.

    Raises:
        AtlasError: a hook is unknown or has another width, or it writes below where it reads.
    """
    d_in, d_out = dictionary.W_enc.shape[0], dictionary.W_dec.shape[1]
    width = model.hook_width(hook_name)
    if d_in != width:
        raise AtlasError(
            f"The dictionary {said} has d_in {d_in:,}, but {hook_name} of {model.name} is "
            f"{width:,} wide: give the model or the hook it was trained on."
        )
    if hook_name_out is None:
        if d_out != d_in:
            raise AtlasError(
                f"The dictionary {said} reads {d_in:,} numbers and writes {d_out:,}: it is a "
                "transcoder, so say where it writes with --hook-name-out."
            )
        return
    width_out = model.hook_width(hook_name_out)
    if d_out != width_out:
        raise AtlasError(
            f"The transcoder {said} writes {d_out:,} numbers, but {hook_name_out} of {model.name} "
            f"is {width_out:,} wide: give the hook it was trained to predict (--hook-name-out)."
        )
    if height(hook_name_out) < height(hook_name):
        raise AtlasError(
            f"The transcoder {said} would read {hook_name} and write {hook_name_out}, which the "
            "model computes before: give --hook-name and --hook-name-out the other way round."
        )


def _written_hook(
    named: str, settings: PrecomputeSettings, config: DictionaryConfig, hook_name: str
) -> str | None:
    """The hook that a transcoder predicts; None for an autoencoder.

    Raises:
        AtlasError: its files call it a transcoder, and nobody says where it writes.
    """
    found = settings.hook_name_out or config.hook_name_out
    if found is None and config.is_transcoder:
        raise AtlasError(
            f"{named} is a transcoder and doesn't say where it writes: give --hook-name-out."
        )
    return None if found == hook_name else found


def shared_bos(settings: PrecomputeSettings, targets: Sequence[Target]) -> bool:
    """Whether contexts begin with BOS: the option, else what all dictionaries say, else no.

    Raises:
        AtlasError: the dictionaries disagree and no option decides.
    """
    if settings.prepend_bos is not None:
        return settings.prepend_bos
    said = {
        target.dictionary.config.prepend_bos
        for target in targets
        if target.dictionary.config.prepend_bos is not None
    }
    if len(said) > 1:
        raise AtlasError(
            "Some of the dictionaries want a BOS before every context and others don't: run them "
            "one by one, or decide with --prepend-bos or --no-prepend-bos."
        )
    return said.pop() if said else False


def shared_context_size(settings: PrecomputeSettings, targets: Sequence[Target], n_ctx: int) -> int:
    """Tokens in a context: the option, else the longest a dictionary names, at most the model's."""
    if settings.context_size is not None:
        return settings.context_size
    return min(max(_context_sizes(targets), default=DEFAULT_CONTEXT_SIZE), n_ctx)


def other_context_sizes(targets: Sequence[Target], chosen: int) -> str | None:
    """The sentence where a dictionary names another size than the one chosen for all; else None."""
    named = _context_sizes(targets)
    if named <= {chosen}:
        return None
    sizes = " and ".join(f"{size:,}" for size in sorted(named))
    return (
        f"Dictionaries name contexts of {sizes} tokens, and all are run on contexts of "
        f"{chosen:,}: --context-size chooses another size."
    )


def _context_sizes(targets: Sequence[Target]) -> set[int]:
    return {size for target in targets if (size := target.dictionary.config.context_size)}


def _refuse_single_head(named: str, config: DictionaryConfig) -> None:
    if config.hook_head_index is not None:
        raise AtlasError(
            f"The dictionary {named} reads head {config.hook_head_index} of {config.hook_name} "
            "alone, and only whole hooks can be read: give a dictionary trained on all heads."
        )


def _names(settings: PrecomputeSettings) -> tuple[str, list[str]]:
    """The model's slug and one slug a dictionary, from --name or from the folders."""
    if not settings.name:
        names = [slug_of(_stem(named)) for named in settings.sae]
        model_slug = slug_of(model_stem(settings.model))
    elif len(settings.name) != len(settings.sae):
        raise AtlasError(
            f"There are {len(settings.sae)} --sae and {len(settings.name)} --name: give one "
            "model/sae for each, in the same order."
        )
    else:
        models = {name.split("/")[0] for name in settings.name}
        if len(models) > 1:
            raise AtlasError(f"One run has one model, but --name has {', '.join(sorted(models))}.")
        model_slug, names = models.pop(), [name.split("/")[1] for name in settings.name]
    if len(set(names)) < len(names):
        raise AtlasError(f"Two dictionaries would be called {_twice(names)}: give --name for each.")
    return model_slug, names


def model_stem(named: str) -> str:
    """What a model is called where nobody names it: the last part of what it was loaded by."""
    address = model_address(named)
    return without_folder(named).rstrip("/").rsplit("/", 1)[-1] if address is None else address.stem


def _stem(named: str) -> str:
    address = dictionary_address(named)
    if address is not None:
        return address.stem
    path = Path(named).expanduser()
    return path.stem if path.is_file() else without_folder(path)


def _twice(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def device_of(name: str) -> str:
    """The device a run uses: the name itself, or for `auto` the best there is."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

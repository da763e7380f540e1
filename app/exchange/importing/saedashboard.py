"""SAEDashboard's batches: `batch-{n}.json` with a few hundred features each.

Beside them lie `run_settings.json` and `skipped_indexes.json`, either of which may be missing.
Takes a folder or one batch, gives its dictionary and its features, one at a time in memory. What an
export of Feature Atlas adds to the settings is read as well. What a feature says,
`saedashboard_feature` knows.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.errors import AtlasError, echoed
from app.exchange.foreign import ForeignDictionary, ForeignFeature, ForeignSource, Importer
from app.exchange.importing.entry import Entry, parse
from app.exchange.importing.json_items import Member, read_members
from app.exchange.importing.saedashboard_feature import feature_of
from app.exchange.importing.text_files import Place, read_whole

LAYOUT = "a folder with batch-{n}.json, or one such file"
_BATCH = re.compile(r"batch-(\d{1,9})\.json")
_FEATURES = "features"
_SETTINGS, _SKIPPED = "run_settings.json", "skipped_indexes.json"
_NAMES = ("model_id", "layer", "sae_set", "sae_id_suffix")

ABSENT = (
    "how often and where it fires token by token, and whole contexts",
    "activations at the first position of a context",
    "ids of tokens",
    "directions of the dictionary",
)
APPROXIMATE = (
    "densities, rounded to 0.00001",
    "activations and logits, rounded to 0.001",
    "examples of the intervals, drawn at random",
)


def open_saedashboard(path: Path) -> Sequence[ForeignSource]:
    """The dictionary of a folder's batches.

    Raises:
        AtlasError: there is no batch, or the first one can't be read.
    """
    batches = _batches(path)
    if not batches:
        raise AtlasError(f"{path} holds no SAEDashboard batch, expected {LAYOUT}.")
    return [_Batches(batches).source()]


class _Batches:
    """The batches of one dictionary."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        head, feature = _head(paths[0])
        self._name = _name_of(head)
        settings = _beside(paths[0], _SETTINGS)
        own = settings.section("feature_atlas")
        self._is_own = own.has("version")
        self._prompt_size = feature.whole("n_tokens_in_prompt", 1)
        self._d_sae = own.whole("d_sae", 1)
        self._skipped = _skipped(paths[0])
        self.dictionary = self._dictionary(head, feature, settings, own)

    def source(self) -> ForeignSource:
        return ForeignSource(self.dictionary, self._features)

    def _dictionary(
        self, head: Entry, feature: Entry, settings: Entry, own: Entry
    ) -> ForeignDictionary:
        n_prompts, size = feature.whole("n_prompts_total", 1), self._prompt_size
        absent: list[str] = list(ABSENT)
        if self._skipped:
            absent.append(f"{_many(len(self._skipped))} it skipped, as too rare")
        model, sae = _called(head)
        return ForeignDictionary(
            model=own.text("model") or model,
            sae=own.text("sae") or sae,
            hook_name=own.text("hook_name"),
            hook_name_out=own.text("hook_name_out"),
            d_sae=self._d_sae,
            d_in=own.whole("d_in", 1),
            d_out=own.whole("d_out", 1),
            n_tokens=_n_tokens(own, n_prompts, size),
            corpus=feature.text("dataset") or None,
            n_contexts=n_prompts,
            context_size=size,
            absent=absent,
            approximate=() if self._is_own else APPROXIMATE,
            source=settings.plain(*settings.names()),
        )

    def _features(self) -> Iterator[ForeignFeature]:
        for path in self._paths:
            head: dict[str, Any] = {}
            for member in read_members(path, _FEATURES):
                if member.number:
                    found = feature_of(_entry(path, member), self._prompt_size, self._is_own)
                    self._refuse_unlisted(found)
                    yield found
                elif member.name in _NAMES:
                    head[member.name] = member.value
            self._refuse_other(Entry(head, Place(path)))

    def _refuse_unlisted(self, found: ForeignFeature) -> None:
        """Refuses a feature that the files beside the batches say isn't there."""
        index = found.feature_index
        if self._d_sae is not None and index >= self._d_sae:
            raise AtlasError(
                f"{found.where} has feature_index = {index}, but {_SETTINGS} says "
                f"d_sae = {self._d_sae}: they are of different exports."
            )
        if index in self._skipped:
            raise AtlasError(
                f"{found.where} is there, but {_SKIPPED} says it was skipped: they are of "
                "different runs."
            )

    def _refuse_other(self, head: Entry) -> None:
        if (name := _name_of(head)) != self._name:
            raise AtlasError(
                f"{head.place} is of {echoed(name)}, {self._paths[0].name} is of "
                f"{echoed(self._name)}: put each dictionary's batches into a folder of their own."
            )


def _head(path: Path) -> tuple[Entry, Entry]:
    """What a batch says of its dictionary, and its first feature; an empty one where there is
    none."""
    head: dict[str, Any] = {}
    first = Entry({}, Place(path))
    for member in read_members(path, _FEATURES):
        if not member.number:
            head[member.name] = member.value
        elif member.number == 1:
            first = _entry(path, member)
        if member.number and set(_NAMES[:3]) <= head.keys():
            break
    return Entry(head, Place(path)), first


def _entry(path: Path, member: Member) -> Entry:
    """One feature, named by its number, or by where it stands if it has none."""
    value = member.value
    if not isinstance(value, dict):
        place = Place(path, member.line, f"feature {member.number:,} of the file")
        raise AtlasError(f"{place} is no object.")
    index = value.get("feature_index")
    named = f"feature {index}" if type(index) is int and 0 <= index < 2**31 else ""
    part = named or f"feature {member.number:,} of the file"
    return Entry(value, Place(path, member.line, part))


def _skipped(batch: Path) -> frozenset[int]:
    return frozenset(_beside(batch, _SKIPPED).wholes("skipped_indexes") or ())


def _n_tokens(own: Entry, n_prompts: int | None, size: int | None) -> int | None:
    """Tokens that were counted: all but the first positions and special ones."""
    every = n_prompts * size if n_prompts and size else None
    counted = own.whole("n_tokens", 1)
    if counted is not None and n_prompts and every and not n_prompts <= counted <= every:
        own.wrong("n_tokens", counted, f"{n_prompts:,} to {every:,}, as many as its prompts have")
    return counted or every


def _many(n: int) -> str:
    return f"{n:,} feature{'' if n == 1 else 's'}"


def _name_of(head: Entry) -> str:
    return "/".join(_called(head))


def _called(head: Entry) -> tuple[str, str]:
    """The model, and the dictionary as Neuronpedia calls it: layer, set and suffix."""
    model = head.text("model_id") or "unnamed"
    layer = head.whole("layer", 0)
    suffix = head.text("sae_id_suffix")
    parts = [] if layer is None else [str(layer)]
    sae = "-".join([*parts, head.text("sae_set") or "unnamed"])
    return model, f"{sae}__{suffix}" if suffix else sae


def _beside(batch: Path, name: str) -> Entry:
    """The object in a file beside the batches; empty where it isn't there."""
    path = batch.parent / name
    if not path.exists():
        return Entry({}, Place(path))
    return parse(read_whole(path), Place(path))


def _batches(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    try:
        names = [(int(m[1]), p) for p in path.iterdir() if (m := _BATCH.fullmatch(p.name))]
    except OSError:
        return []
    return [found for _, found in sorted(names)]


SAEDASHBOARD = Importer("saedashboard", LAYOUT, open_saedashboard, "SAEDashboard")

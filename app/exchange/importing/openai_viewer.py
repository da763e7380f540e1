"""The files behind OpenAI's viewer of sparse autoencoders: `{subject}/{…}/atoms/{feature}.json`.

Each folder of such files is a dictionary; its address in the viewer, as
`gpt2-small/v5_32k/layer_8/resid_post_mlp`, says model, hook and size, as far as it is part of the
path. `{feature}-ablated.json` has the same feature with the effects of removing it; it is read
where the plain file is missing, without those. Takes a path, gives `ForeignSource`s; what an
object says, `openai_feature` knows.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.errors import AtlasError
from app.exchange.foreign import ForeignDictionary, ForeignFeature, ForeignSource, Importer
from app.exchange.importing.entry import Entry, parse
from app.exchange.importing.openai_feature import ABSENT, APPROXIMATE, feature_of, is_feature
from app.exchange.importing.text_files import Place, folders_at, read_whole

LAYOUT = "{subject}/{…}/atoms/{feature}.json, one file a feature; any of these folders may be given"
_FILE = re.compile(r"(\d{1,9})(-ablated)?\.json(?:\.gz)?")
_FAMILY = re.compile(r"v\d+(?:_.*)?")
_SIZES = {"v5_32k": 32_768, "v5_128k": 131_072}
"""of the viewer's families whose address doesn't spell it"""
_HOOKS = {
    "mlp_post_act": "mlp.hook_post",
    "resid_delta_attn": "hook_attn_out",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_post_mlp": "hook_resid_post",
    "postmlp": "hook_resid_post",
}


def open_openai_viewer(path: Path) -> Sequence[ForeignSource]:
    """The dictionaries at a path, in the order of their folders.

    Raises:
        AtlasError: there are none.
    """
    found = []
    for folder in folders_at(path):
        files = _files(folder)
        if files and is_feature(_read(files[min(files)])):
            found.append(_source(folder.resolve(), files))
    if not found:
        raise AtlasError(f"{path} holds no files of OpenAI's viewer, expected {LAYOUT}.")
    return found


def _source(folder: Path, files: dict[int, Path]) -> ForeignSource:
    def features() -> Iterator[ForeignFeature]:
        for number in sorted(files):
            yield feature_of(number, _read(files[number]))

    address = _address(folder)
    joined = "/".join(address)
    layer = re.search(r"layer_(\d+)|_l(\d+)_", joined)
    location = next((name for name in _HOOKS if re.search(rf"(?:^|[/_]){name}(?:$|/)", joined)), "")
    size = re.search(r"/n(\d{1,9})(?:/|$)", joined)
    dictionary = ForeignDictionary(
        model=address[0],
        sae="-".join(address[1:]),
        hook_name=(
            f"blocks.{layer[1] or layer[2]}.{_HOOKS[location]}" if layer and location else None
        ),
        d_sae=int(size[1]) if size else next((_SIZES[a] for a in address if a in _SIZES), None),
        absent=ABSENT,
        approximate=APPROXIMATE,
        source={"address": joined},
    )
    return ForeignSource(dictionary, features)


def _address(folder: Path) -> tuple[str, ...]:
    """Subject and path, from the viewer's family on where the folders name one.

    The innermost, as a folder around the viewer's may be called likewise.
    """
    parts = folder.parts[1:]
    if len(parts) > 2 and parts[-1] == "atoms":
        parts = parts[:-1]
    families = [i for i, part in enumerate(parts) if i and _FAMILY.fullmatch(part)]
    return parts[families[-1] - 1 :] if families else parts[-2:]


def _files(folder: Path) -> dict[int, Path]:
    """The file of each feature, the plain one where there are two."""
    found: dict[int, Path] = {}
    # Reversed, so that the plain file comes after the ablated one and stays.
    for path in sorted(folder.iterdir(), key=lambda path: "-ablated" not in path.name):
        if matched := _FILE.fullmatch(path.name):
            found[int(matched[1])] = path
    return found


def _read(path: Path) -> Entry:
    return parse(read_whole(path), Place(path))


OPENAI_VIEWER = Importer("openai-viewer", LAYOUT, open_openai_viewer, "OpenAI viewer")

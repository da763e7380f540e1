"""Every option of the job, with its default; the command line and a `.toml` file use these names.

Knows ranges and names, opens no file and loads no library of the model's.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.db.slugs import LONGEST_SLUG, RESERVED_SLUGS, is_slug
from app.errors import AtlasError, closest, echoed
from app.precompute.presets import preset_options
from app.precompute.studies.catalog import NAMES as STUDIES

ProgressKind = Literal["auto", "plain", "json"]


class PrecomputeSettings(BaseModel):
    """What one run of the job is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str
    """folder, hub name or hf://owner/repo[@revision] of the language model"""
    sae: list[str] = Field(min_length=1)
    """folders, files or hf://owner/repo[@revision][/folder] of the dictionaries; all are run over
    the corpus in one pass"""
    corpus: str
    """text file, folder, .jsonl, .parquet, .npy of token ids, or the name of a dataset"""
    output: Path
    """the atlas to write or add to"""
    name: list[str] = []
    """addresses `model/sae`, one for each dictionary; by default made from the folder names"""
    hook_name: str | None = None
    """where the dictionaries read, when their files don't say"""
    hook_name_out: str | None = None
    """where transcoders write, when their files don't say; makes one of every dictionary"""
    sae_format: str | None = None
    """on-disk format of the dictionaries, when it can't be told from the files"""
    replace: bool = False
    """build a dictionary again that the atlas already holds"""
    verify: bool = True
    """refuse dictionaries that explain nothing of this model's activations"""

    context_size: int | None = Field(default=None, ge=2, le=2**20)
    """tokens in a context; by default the dictionary's own, at most the model's"""
    packing: Literal["packed", "document"] = "packed"
    """join documents and cut, or one document a context"""
    prepend_bos: bool | None = None
    """by default the dictionary's own policy"""
    max_tokens: int | None = Field(default=None, ge=2)
    """most tokens to take from the corpus"""
    text_field: str = "text"
    """field or column that holds the text"""
    split: str = "train"
    """split of a dataset"""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto for the best there is"""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """of the model's forward pass"""
    workers: Literal["loop", "ray"] = "loop"
    """threads of this process, or processes of Ray, here or on many machines"""
    num_gpus: int | None = Field(default=None, ge=0)
    """with ray: GPUs to use in all; by default all it has"""
    ray_address: str | None = None
    """with ray: a cluster that runs already (auto finds one), seen from one of its machines; by
    default Ray is started on this machine alone"""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of torch; by default torch's own choice"""
    batch_contexts: int | None = Field(default=None, ge=1)
    """contexts in a batch; by default chosen by a short trial"""
    contexts_per_shard: int | None = Field(default=None, ge=1)
    """by default as many as fit 65,536 tokens"""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """of every random draw"""

    top_examples: int = Field(default=20, ge=1)
    """contexts with the largest activation"""
    interval_examples: int = Field(default=5, ge=1)
    """in each of five bands"""
    quantile_examples: int = Field(default=5, ge=1)
    """in each of five groups"""
    silent_examples: int = Field(default=10, ge=0)
    """occurrences of its tokens at which it is silent"""
    near_misses: int = Field(default=10, ge=0)
    """silent tokens with the highest hidden_pre, of the contexts it is kept for"""

    ablation_examples: int = Field(default=5, ge=0)
    """top examples a feature that get ablated text"""
    ablation_interval_examples: int = Field(default=1, ge=0)
    """interval examples of each band that get it as well"""
    ablation_window: int = Field(default=32, ge=1)
    """positions before the peak that are ablated"""
    replacements: int = Field(default=2, ge=1)
    """draws averaged for every replaced token"""
    context_examples: int = Field(default=5, ge=0)
    """of the top examples with ablated text, how many also get the context they need"""
    context_draws: int = Field(default=2, ge=1)
    """fillings averaged for the context needed"""

    hidden_pre_contexts: int = Field(default=32, ge=0)
    """contexts whose whole hidden_pre is kept"""
    quality_contexts: int = Field(default=64, ge=0)
    """contexts the cross-entropies are measured on"""
    coactivation_tokens: int = Field(default=262_144, ge=0)
    """tokens the co-activation is counted over"""
    direction_map: Literal["auto", "umap", "pca", "none"] = "auto"
    """the 2-D map of decoder directions; auto takes UMAP where umap-learn is installed, else PCA"""
    decoder_megabytes: int = Field(default=64, ge=0)
    """decoder directions are kept in the atlas, for cosines of any pair, up to this size"""
    activation_gigabytes: float = Field(default=8.0, ge=0)
    """activations at the hooks are kept on disk while the job runs, up to this size and a quarter
    of what is free; without them contexts with silent examples go through the model twice"""
    variant_contexts: int = Field(default=64, ge=0)
    """contexts on which the figures of other tools are computed"""
    effect_examples: int = Field(default=5, ge=0)
    """top examples at which a feature is removed from the model"""
    effect_sampled: int = Field(default=2, ge=1)
    """firings of each of five groups by activation at which it is removed as well"""
    effect_tokens: int = Field(default=8, ge=1)
    """predictions compared after a removal, from the one at the firing on"""
    combined_examples: int = Field(default=2, ge=1)
    """examples a feature, those single deletions explain least, taken apart by pairs and blocks"""
    region_spans: int = Field(default=256, ge=1)
    """spans of a feature whose switches are counted"""
    pruning_contexts: int = Field(default=32, ge=0)
    """contexts every pruning of a dictionary is measured on"""
    pruning_thresholds: int = Field(default=8, ge=1)
    """thresholds of density from which dense features are removed, and as many for rare ones"""
    pruning_draws: int = Field(default=2, ge=0)
    """random removals down to each of the same values of L0"""
    connection_examples: int = Field(default=4, ge=0)
    """examples of a feature on which its connections to dictionaries below are measured: half of
    them top examples, the others of the intervals"""
    connection_kept: int = Field(default=10, ge=1)
    """features below that are kept of each sign; the others are summed"""
    connection_checks: int = Field(default=64, ge=0)
    """examples of a dictionary on which features below are really removed"""
    one_to_one: int = Field(default=4096, ge=0)
    """dictionaries of one hook with at most so many features each are also matched one to one; the
    work grows with the cube"""
    skip: list[str] = []
    """studies of the dictionary as a whole that are left out, with commas between"""
    progress: ProgressKind = "auto"
    """how progress is shown: auto is a bar on a terminal and lines elsewhere, plain is lines, json
    is one object a line"""

    @field_validator("sae", mode="before")
    @classmethod
    def _as_named(cls, sae: Any) -> Any:
        """A path stands for itself."""
        if not isinstance(sae, list):
            return sae
        return [str(item) if isinstance(item, Path) else item for item in sae]

    @field_validator("skip", mode="before")
    @classmethod
    def _listed(cls, skip: Any) -> Any:
        """Each item may hold several names."""
        if not isinstance(skip, list):
            return skip
        items = [part.strip() for item in skip for part in str(item).split(",")]
        return [item for item in items if item]

    @field_validator("skip")
    @classmethod
    def _known_studies(cls, skip: list[str]) -> list[str]:
        for name in skip:
            if name not in STUDIES:
                raise ValueError(
                    f"there is no study {echoed(name)!r}; there are {', '.join(STUDIES)}"
                )
        return skip

    @field_validator("name")
    @classmethod
    def _valid_names(cls, names: list[str]) -> list[str]:
        for name in names:
            parts = name.split("/")
            if len(parts) != 2 or not all(map(is_slug, parts)):
                raise ValueError(
                    f"{echoed(name)!r} is not an address like pythia-70m/resid-3 (small letters, "
                    f"digits and single hyphens, each part of at most {LONGEST_SLUG}; "
                    f"{', '.join(sorted(RESERVED_SLUGS))} are reserved)"
                )
        return names


def read_settings(
    config: Path | None, preset: str | None = None, **options: Any
) -> PrecomputeSettings:
    """Settings from a preset, an optional `.toml` file and options, where later ones win.

    Options that are None or empty are not given. The file may name the preset, as `preset`.

    Raises:
        AtlasError: the file is missing or malformed, an option is unknown or out of range, or
            there is no such preset.
    """
    values = {} if config is None else _read_toml(config)
    named = preset or values.get("preset")
    values.pop("preset", None)
    if named is not None:
        values = preset_options(str(named)) | values
    values |= {name: value for name, value in options.items() if value not in (None, [])}
    unknown = set(values) - set(PrecomputeSettings.model_fields)
    if unknown:
        name = sorted(unknown)[0]
        near = closest(name, PrecomputeSettings.model_fields)
        raise AtlasError(f"{config}: there is no option {name!r}; the closest are {near}.")
    try:
        return PrecomputeSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        option = f"--{name.replace('_', '-')}"
        if first["type"] == "missing":
            meaning = PrecomputeSettings.model_fields[name].description
            raise AtlasError(f"{option} is missing: {meaning}.") from error
        message = first["msg"].removeprefix("Value error, ")
        message = f"{message[0].lower()}{message[1:]}"
        raise AtlasError(f"{option} is {first['input']!r}: {message}.") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise AtlasError(f"Can't read {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AtlasError(f"{path} is not valid TOML: {error}.") from error
    return {name.replace("-", "_"): value for name, value in values.items()}

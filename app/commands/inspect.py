"""`feature-atlas inspect`: what a dictionary's files are, why, and whether they fit a model."""

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.given import given_dictionaries, given_model
from app.commands.running import needs
from app.errors import AtlasError, visible
from app.precompute.settings import PrecomputeSettings

if TYPE_CHECKING:
    from app.precompute.inspection import Checked
    from app.sae.inspection import Inspection

Dictionary = Annotated[
    str, typer.Argument(metavar="PATH", help="A dictionary: a folder, a file, FILE.pt#3, or hf://…")
]
Format = Annotated[
    str | None, typer.Option(help="Its format, where it is not recognised.", metavar="NAME")
]
Model = Annotated[
    str | None, typer.Option(help="A model to check it on: a folder or a name.", metavar="TEXT")
]
Text = Annotated[
    str | None,
    typer.Option(help="Text for the check, as precompute takes it.", metavar="TEXT"),
]
Hook = Annotated[
    str | None, typer.Option(help="Where it reads, when its files don't say.", metavar="TEXT")
]
HookOut = Annotated[
    str | None,
    typer.Option(help="Where a transcoder writes, when its files don't say.", metavar="TEXT"),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps, or auto for the best there is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def inspect(
    path: Dictionary,
    sae_format: Format = None,
    model: Model = None,
    corpus: Text = None,
    hook_name: Hook = None,
    hook_name_out: HookOut = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Print what a dictionary's files are, and from what.

    With a model, run it on about 2,000 tokens as precompute does after every load: explained
    variance, L0, and how it would do without its pre-bias.
    """
    if model is None and corpus is not None:
        raise AtlasError("--corpus is text for a model to read: give --model too.")
    load = needs("precompute", lambda: import_module("app.sae.readers").load_dictionary)
    describe = needs("precompute", lambda: import_module("app.sae.inspection").inspect_dictionary)
    (place,) = given_dictionaries([path])
    found = describe(load(place, sae_format=sae_format))
    if not as_json:
        _print(_lines(found))
    checked = None
    try:
        if model is not None:
            settings = PrecomputeSettings(
                model=str(given_model(model)),
                sae=[str(place)],
                corpus=corpus or "built-in",
                output=Path("nowhere.db"),
                sae_format=sae_format,
                hook_name=hook_name,
                hook_name_out=hook_name_out,
                device=device,
            )
            checked = _check(settings, has_corpus=corpus is not None)
            if checked.complaint is not None:
                raise AtlasError(checked.complaint)
    finally:
        # What the files say is told whether or not the model can be asked.
        if as_json:
            typer.echo(json.dumps(_as_json(found, checked), indent=2))
        elif checked is not None:
            _print(_checked_lines(checked))


def _check(settings: PrecomputeSettings, has_corpus: bool) -> "Checked":
    check = needs("precompute", lambda: import_module("app.precompute.inspection").check_on_model)
    return check(settings, has_corpus=has_corpus)


def _print(lines: list[str]) -> None:
    """Names in a file may hold what a terminal obeys."""
    typer.echo("\n".join(visible(line) for line in lines))


def _lines(found: "Inspection") -> list[str]:
    width = max(len(fact.about) for fact in found.facts)
    lines = [found.path, ""]
    lines += [f"{fact.about:<{width}}  {fact.value}  ({fact.why})" for fact in found.facts]
    lines += ["", "stored"]
    for tensor in found.tensors:
        unused = "" if tensor.is_read else "  (not part of the dictionary)"
        lines.append(f"  {tensor.name} {list(tensor.shape)} {tensor.dtype}{unused}")
    return lines


def _checked_lines(checked: "Checked") -> list[str]:
    place = " → ".join(name for name in (checked.hook_name, checked.hook_name_out) if name)
    bos = "with" if checked.prepend_bos else "without"
    figures = checked.figures
    flipped = figures.flipped_explained_variance
    without = "the same: nothing is subtracted" if flipped is None else f"{flipped:.4f}"
    return [
        "",
        f"checked at {place}",
        f"  on {checked.n_tokens:,} tokens of {checked.corpus}, {bos} BOS",
        f"  explained variance  {figures.explained_variance:.4f}",
        f"  without pre-bias    {without}",
        f"  L0                  {figures.l0:.4g} (at most {figures.most} on a token)",
        f"  scale               {checked.convention}",
    ]


def _as_json(found: "Inspection", checked: "Checked | None") -> dict[str, Any]:
    return asdict(found) | {"checked": None if checked is None else asdict(checked)}

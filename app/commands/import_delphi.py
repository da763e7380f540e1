"""`feature-atlas import delphi`: an atlas from a cache of firings, by the stages of the job.

Takes what was typed, matches modules with names and dictionaries, and hands the readers of the
cache to the job. Knows no file of the cache and no statistic.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from app.commands.running import needs, run_until_stopped, say_how_to_open
from app.db.slugs import slug_of
from app.errors import AtlasError, closest
from app.exchange.delphi.cache import DelphiModule, open_cache
from app.precompute.drivers.interruption import Stop
from app.precompute.settings import PrecomputeSettings, read_settings

Several = Annotated[list[str] | None, typer.Option(metavar="NAME")]


def import_delphi(
    source: Annotated[Path, typer.Argument(help="Folder of the cache, or of one module.")],
    atlas: Annotated[Path, typer.Argument(help="The atlas to write or add to.")],
    tokenizer: Annotated[
        str | None, typer.Option(help="Of the model: folder or name. Else tokens are their ids.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model itself, for logit lens and ablated text.")
    ] = None,
    sae: Annotated[
        list[str] | None,
        typer.Option(help="With --model: the dictionary of each module, in their order."),
    ] = None,
    module: Annotated[
        list[str] | None, typer.Option(help="Only this module (repeatable), in this order.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Address of each module.", metavar="MODEL/SAE")
    ] = None,
    hook_name: Annotated[
        str | None, typer.Option(help="Where the dictionaries read, when their files don't say.")
    ] = None,
    replace: Annotated[bool, typer.Option(help="Import again what the atlas holds.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="A .toml with options of precompute (top_examples …).")
    ] = None,
) -> None:
    """Rebuild every statistic from the firings that delphi cached.

    A run that was cut short goes on where it was when the same command is given again.
    """
    modules = _chosen(open_cache(source), module or [])
    if (model is None) != (not sae):
        raise AtlasError("--model and --sae go together: give both, or neither.")
    if model is not None and tokenizer is not None:
        raise AtlasError("--tokenizer is for an import without --model, which brings its own.")
    names = name or [_address(each, source) for each in modules]
    if len(names) != len(modules):
        raise AtlasError(
            f"There are {len(modules)} modules and {len(names)} --name: give one model/sae each."
        )
    settings = _settings(modules, source, atlas, names, model, sae, hook_name, replace, config)
    job = needs("precompute", lambda: import_module("app.precompute.given.job"))
    reporting = needs("precompute", lambda: import_module("app.precompute.progress.reporter"))
    reporter = reporting.Reporter(kind=settings.progress)
    given = {each.split("/")[1]: found for each, found in zip(names, modules, strict=True)}
    told = _source(source, given, tokenizer, model)

    def rebuild(stop: Stop) -> None:
        for each in modules:
            each.check()
        job.precompute_given(settings, given, told, tokenizer, model is not None, reporter, stop)

    run_until_stopped(rebuild, reporter.say)
    say_how_to_open(atlas)


def _chosen(modules: Sequence[DelphiModule], named: Sequence[str]) -> list[DelphiModule]:
    """Those named, in that order; all if none is."""
    by_name = {each.name: each for each in modules}
    for each in named:
        if each not in by_name:
            near = closest(each, by_name)
            raise AtlasError(f"The cache has no module {each!r}; the closest are {near}.")
    return [by_name[each] for each in named] or list(modules)


def _address(module: DelphiModule, source: Path) -> str:
    model = slug_of(_model_name(module, source))
    return f"{model}/{slug_of(module.name.replace('/', '-'))}"


def _model_name(module: DelphiModule, source: Path) -> str:
    return str(module.config.get("model_name") or source.absolute().name)


def _settings(
    modules: Sequence[DelphiModule],
    source: Path,
    atlas: Path,
    names: Sequence[str],
    model: str | None,
    sae: Sequence[str] | None,
    hook_name: str | None,
    replace: bool,
    config: Path | None,
) -> PrecomputeSettings:
    first = modules[0]
    return read_settings(
        config,
        model=model or _model_name(first, source),
        sae=list(sae or [each.name for each in modules]),
        corpus=str(first.config.get("dataset_repo") or source.absolute().name),
        output=atlas,
        name=list(names),
        hook_name=hook_name,
        replace=replace or None,
        context_size=first.context_size,
    )


def _source(
    source: Path, given: dict[str, DelphiModule], tokenizer: str | None, model: str | None
) -> object:
    """What the atlas says of where the firings came from."""
    record = import_module("app.precompute.given.source").Source
    first = next(iter(given.values()))
    left_out = ["firings of 0.00001 and less, which delphi leaves out"]
    if tokenizer is None and model is None:
        left_out.append(
            "texts of tokens, and which of them are special: no tokenizer was given, so all but "
            "position 0 are counted"
        )
    halves = any(each.is_half for each in given.values())
    return record(
        format="delphi",
        name=source.absolute().name,
        model_name=_model_name(first, source),
        saes={sae: each.name for sae, each in given.items()},
        hooks={sae: each.name for sae, each in given.items()},
        settings=first.config,
        left_out=left_out,
        approximate=["activations, kept in half precision (11 significant bits)"] if halves else [],
    )

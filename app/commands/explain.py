"""`feature-atlas explain` as it is typed: its options and their help.

Turns them into what the run takes; what speaks HTTP is imported only then.
"""

import sys
from importlib import import_module
from typing import Annotated

import typer

from app.commands.options import AtlasPath, NotebookPlace
from app.commands.running import needs
from app.errors import AtlasError
from app.explain.address import KEY_VARIABLE, read_address, read_key
from app.explain.chosen import Choice
from app.explain.cost import Prices
from app.explain.settings import ExplainSettings
from app.precompute.drivers.interruption import EXIT_CODE
from app.settings import Settings


def explain(
    atlas: AtlasPath,
    endpoint: Annotated[
        str,
        typer.Option(
            help="An OpenAI-compatible server: http://127.0.0.1:8000/v1, https://…", metavar="URL"
        ),
    ],
    explainer_model: Annotated[
        str, typer.Option(help="The language model that explains, by its name there.")
    ],
    scorer_model: Annotated[
        str, typer.Option(help="The one that scores; the same if not given.")
    ] = "",
    key_env: Annotated[
        str,
        typer.Option(help="Environment variable that holds the endpoint's key.", metavar="NAME"),
    ] = KEY_VARIABLE,
    sae: Annotated[
        str, typer.Option(help="Which dictionary, where there are several.", metavar="MODEL/SAE")
    ] = "",
    features: Annotated[
        str, typer.Option(help="all (that fire), a range (0..99) or numbers (1,5,7).")
    ] = "all",
    has: Annotated[
        str, typer.Option(help="Only features with one, by anybody.", metavar="label|note|star")
    ] = "",
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Only features without a label.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(help="Only so many of them, drawn by --seed.", metavar="N")
    ] = None,
    notebook: NotebookPlace = "",
    reading: Annotated[
        bool, typer.Option(help="Ask for a reading too, and test it on every firing.")
    ] = True,
    scores: Annotated[bool, typer.Option(help="Score by detection and fuzzing.")] = True,
    texts_per_request: Annotated[
        int, typer.Option(min=1, max=100, help="Most texts a scoring question asks about.")
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of texts.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Of both models.")] = 0,
    max_tokens: Annotated[
        int, typer.Option(min=16, help="Of one answer; models that think aloud need more.")
    ] = 2000,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions at once.")] = 4,
    timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds one answer may take.")
    ] = 120,
    price_in: Annotated[
        float | None, typer.Option(min=0, help="Price of a million prompt tokens.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, help="Price of a million completion tokens.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before it starts.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cost and one prompt, send nothing.")
    ] = False,
) -> None:
    """Let a language model explain features.

    Explanations become labels in the notebook, with scores. Sent to the endpoint are short texts of
    the corpus with the feature's activations, and explanations; nothing else. Before it starts it
    says how many requests and tokens that takes. An interrupted run goes on when the same command
    is given again. The exit code is 1 if a feature is left without an explanation or a score it
    could have.
    """
    place = Settings(atlas=atlas, notebook=notebook).notebook_place
    if place is None:
        raise AtlasError("--notebook off keeps no notebook: explanations are kept in one.")
    if (price_in is None) != (price_out is None):
        raise AtlasError("A cost needs both prices: give --price-in and --price-out, or neither.")
    address, key = read_address(endpoint), read_key(key_env)
    run = needs("explain", lambda: import_module("app.explain.command"))
    outcome = run.explain(
        run.Asked(
            atlas=atlas,
            sae=sae,
            notebook=place,
            choice=Choice(features, has, unlabelled, sample),
            settings=ExplainSettings(
                explainer=explainer_model,
                scorer=scorer_model or explainer_model,
                seed=seed,
                temperature=temperature,
                wants_reading=reading,
                wants_scores=scores,
                texts_per_request=texts_per_request,
            ),
            how=run.How(address, key, timeout, max_tokens, concurrency),
            prices=Prices(price_in, price_out),
            yes=yes,
            dry_run=dry_run,
        ),
        confirm=_confirm,
        say=lambda line: typer.echo(line, err=True),
    )
    if outcome.refused:
        raise AtlasError(outcome.refused)
    if outcome.stopped:
        raise typer.Exit(EXIT_CODE)
    if not outcome.is_whole:
        raise typer.Exit(1)


def _confirm(question: str) -> bool:
    """Asked on stderr, which leaves stdout to what came of it."""
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

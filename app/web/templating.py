"""The templates and what every one of them may use: addresses, number formats, token texts.

Autoescape is on for everything, an unknown name is an error. Knows no page.
"""

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.access.times import in_words
from app.db.display import display
from app.web import chips, share, text, urls
from app.web.access.visit import visit
from app.web.charts.drawing import drawing, link_areas
from app.web.charts.scales import effect_class, heat_class
from app.web.figures.catalog import figure_choices
from app.web.markup import bar, cell_rows, compact_json
from app.web.pages.examples.token_line import token_strip
from app.web.pages.examples.toolbar import example_arguments
from app.web.pages.notebook.words import day, shortened
from app.web.paths import templates_folder
from app.web.same_site import same_site_field, same_site_token
from app.web.share_links.grant import share_kind
from app.web.static_files import StaticFiles
from app.web.token_markup import piece_chip, pieces_markup


def make_templates(static: StaticFiles) -> Environment:
    """An environment over the project's templates."""
    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    formats = (
        text.count,
        text.compact,
        text.number,
        text.signed,
        text.percent,
        text.signed_percent,
        text.undirected,
    )
    environment.filters |= {function.__name__: function for function in formats}
    environment.filters["display"] = display
    environment.filters["pieces"] = pieces_markup
    environment.filters["compact_json"] = compact_json
    environment.filters["chip"] = chips.chip
    environment.filters["one_line"] = share.one_line
    environment.filters["markdown"] = share.markdown
    environment.filters["shortened"] = shortened
    addresses = (
        urls.index_url,
        urls.sae_url,
        urls.feature_url,
        urls.random_url,
        urls.map_url,
        urls.study_url,
        urls.walk_url,
        urls.context_url,
        urls.compare_url,
        urls.compare_form_url,
        urls.figure_url,
        urls.file_url,
        urls.card_url,
        urls.search_url,
        urls.suggest_url,
        urls.live_url,
        urls.live_top_url,
        urls.live_steer_url,
        urls.token_search_url,
        urls.shares_url,
        urls.share_url,
        urls.revoke_share_url,
        urls.open_share_url,
        urls.lists_url,
        urls.list_url,
        urls.thing_url,
        urls.write_url,
        urls.docs_url,
        urls.openapi_url,
    )
    names: dict[str, Any] = {function.__name__: function for function in addresses}
    parts = (
        bar,
        cell_rows,
        chips.pieces_text,
        chips.token_chip,
        drawing,
        link_areas,
        piece_chip,
        token_strip,
    )
    environment.globals |= {function.__name__: function for function in parts}
    environment.globals["figure_choices"] = figure_choices
    environment.globals["example_arguments"] = example_arguments
    environment.globals["visit"] = visit
    # What a server has besides its atlas; it says so itself.
    environment.globals |= {"keeps_notebook": False, "runs_model": False}
    environment.globals["may_run"] = lambda _address: False
    environment.globals["share_kind"] = share_kind
    environment.filters |= {"moment": in_words, "day": day}
    environment.globals["same_site_field"] = same_site_field
    environment.globals["same_site_token"] = same_site_token
    environment.globals.update(
        names, static=static.url, heat_class=heat_class, effect_class=effect_class
    )
    return environment

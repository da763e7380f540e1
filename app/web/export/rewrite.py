"""A page of the server made a file of the site: links relative, what needs the server left out.

Takes the page's HTML, in which every address is quoted and every text escaped (the templates see
to that), and the map of the site. A link to what is not exported stays as text that says so. Knows
no page by name.
"""

import re
from html import escape, unescape

from app.web.export.site_map import SiteMap, relative

KEPT_SCRIPTS = frozenset(
    {
        "theme", "shortcuts", "keys-help", "list-keys", "copy-link", "copy-menu", "copy-text",
        "chart", "token-card", "example-keys", "map", "pruning", "site-view", "site-search",
    }
)  # fmt: skip
"""Scripts that ask for nothing but files of the site; any other is left out."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'"
)
"""What the server says in a header, for hosts that send none; framing can't be refused this way."""

NOTE = (
    '<span class="static-note">A static copy: its search reads small index files; views and '
    "questions that need the server are greyed out.</span>"
)

_TAG = re.compile(r"<(a|form|link|script|div|figure|img|p|section)\b([^>]*)>")
_ADDRESS = re.compile(r'\s(href|src|action|data-plotly|data-search|data-map|data-points)="([^"]*)"')
_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="[^"]*/js/([a-z-]+)\.js"[^>]*></script>\n?')
_STATIC = "/-/static/"


def rewrite(page: str, here: str, site: SiteMap, scripts: tuple[str, ...], version: str) -> str:
    """The page as the file `here`.

    Args:
        scripts: of this project, added to the page's own (`site-view`).
        version: folder of the static files.
    """
    page = _SCRIPT.sub(lambda found: found[0] if found[1] in KEPT_SCRIPTS else "", page)
    page = _TAG.sub(lambda found: _tag(found[1], found[2], here, site), page)
    static = relative(here, f"-/static/{version}/x")[:-1]
    head = f'<link rel="stylesheet" href="{static}css/site.css">\n' + "".join(
        f'<script type="module" src="{static}js/{name}.js"></script>\n' for name in scripts
    )
    page = page.replace("</head>", f"{head}</head>", 1)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}', 1)
    footer = '<footer class="site-footer">'
    return page.replace(footer, f"{footer}\n{NOTE}", 1)


def only_examples(page: str) -> str:
    """The page of a group of examples without the panels that the feature's own file has."""
    kept: list[str] = []
    place = 0
    for start, stop in _sections(page):
        opening = page[start : page.index(">", start)]
        kept.append(page[place:start])
        if 'id="examples"' in opening:
            kept.append(page[start:stop])
        place = stop
    short = "".join([*kept, page[place:]])
    ids = set(re.findall(r'\sid="([^"]*)"', short))
    return re.sub(
        r'href="#([^"]*)"',
        lambda found: found[0] if found[1] in ids else f'href="./#{found[1]}"',
        short,
    )


def _sections(page: str) -> list[tuple[int, int]]:
    """Where the outermost sections begin and end."""
    found: list[tuple[int, int]] = []
    depth = start = 0
    for tag in re.finditer(r"<(/?)section\b", page):
        if tag[1]:
            depth -= 1
            if depth == 0:
                found.append((start, page.index(">", tag.end()) + 1))
        else:
            start = start if depth else tag.start()
            depth += 1
    return found


def _tag(name: str, attributes: str, here: str, site: SiteMap) -> str:
    def address(found: re.Match[str]) -> str:
        attribute, value = found[1], unescape(found[2])
        if not value.startswith("/") or value.startswith("//"):
            return found[0]
        if value.startswith(_STATIC):
            return f' {attribute}="{relative(here, value[1:])}"'
        if attribute == "data-search":  # the script adds what is searched
            value = value.partition("?")[0]
        if attribute == "data-map":  # the script adds a feature
            value = value.removesuffix("/")
        target = site.relative(here, value)
        if target is not None:
            kept = f' {attribute}="{escape(target)}"'
            return kept + _random(here, value) if value.endswith("/random") else kept
        if name == "a":
            return ' aria-disabled="true" data-not-exported title="not part of this static copy"'
        return ' inert data-not-exported=""' if name == "form" else ""

    return f"<{name}{_ADDRESS.sub(address, attributes)}>"


def _random(here: str, address: str) -> str:
    """Where the script finds the features to choose from."""
    path = address.strip("/").removesuffix("/random")
    return f' data-site-random="{relative(here, f"-/site/{path}/living.json")}"'

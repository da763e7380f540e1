"""A site of plain files: every link leads to a file, nothing of the reader's is overwritten."""

import json
import posixpath
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.feature_numbers import read_features
from app.errors import AtlasError
from app.web.export.folder import PARTIAL
from app.web.export.rewrite import KEPT_SCRIPTS, only_examples
from app.web.export.search_index import shard
from app.web.export.single import export_feature
from app.web.export.site import export_site
from app.web.export.site_map import SiteMap, group_file, page_file, relative
from app.web.paths import static_folder

SAE = "synthetic/resid-2-1k"


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def site(atlas_path: Path, tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> Path:
    """The first eight features of one dictionary, under a sub-path."""
    out = tmp_path_factory.mktemp("site") / "atlas"
    export_site(atlas_path, out, [SAE], "0..7", "https://files.example.org/atlas", said.append)
    return out


class _Links(HTMLParser):
    """Every address in a page with the tag that holds it, and every place it can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            names = ("href", "src", "action", "data-plotly", "data-site-random", "data-map",
                     "data-points")  # fmt: skip
            if name in names and value:
                self.links.append((tag, value))
            if name == "id" and value:
                self.ids.add(value)


def _read(path: Path) -> _Links:
    reader = _Links()
    reader.feed(path.read_text())
    return reader


def test_every_link_leads_to_a_file_and_stays_inside(site: Path) -> None:
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    assert len(pages) > 8 * 4
    n_links = 0
    for page, found in pages.items():
        for _, link in found.links:
            parts = urlsplit(link)
            assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), link
            folder = page.parent.relative_to(site).as_posix()
            target = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
            file = page if not parts.path else site / target
            if parts.path.endswith("/") or file.is_dir():
                file = file / "index.html"
            assert file.is_file(), (page, link)
            if parts.fragment and file.suffix == ".html":
                assert parts.fragment in pages[file].ids, (page, link)
            n_links += 1
    assert n_links > 1_000


def test_addresses_are_those_of_the_server(site: Path, client: TestClient) -> None:
    for index in range(8):
        assert (site / SAE / str(index) / "index.html").is_file()
        twin = json.loads((site / SAE / f"{index}.json").read_text())
        assert twin == client.get(f"/{SAE}/{index}.json").json()
        assert (site / SAE / str(index) / "card.png").is_file()
    assert not (site / SAE / "8").exists()
    assert (site / "index.html").is_file() and (site / "index.json").is_file()
    assert (site / "-/search/index.html").is_file()


def test_each_group_is_a_file_with_all_its_examples(site: Path, client: TestClient) -> None:
    stored = client.get(f"/{SAE}/7.json").json()["examples"]
    for group in {example["group"] for example in stored}:
        files = sorted((site / SAE / "7").glob(f"{group}*.html"))
        names = {name for file in files for name in _read(file).ids if name.startswith(f"{group}-")}
        first = client.get(f"/{SAE}/7?group={group}").text
        assert set(re.findall(rf'<article[^>]*id="({group}-\d+)"', first)) <= names
        assert (site / SAE / "7" / f"{group}.html").is_file()


def test_the_dictionary_leads_to_the_lists_of_the_copy(site: Path) -> None:
    assert '<a href="features/">8 features of this copy</a>' in (
        (site / SAE / "index.html").read_text()
    )
    for name in ("features", "features-by-number"):
        links = {link for _, link in _read(site / SAE / name / "index.html").links}
        assert {f"../{index}/" for index in range(8)} <= links
        assert "../8/" not in links


def test_scripts_that_are_kept_exist_and_ask_no_server() -> None:
    folder = static_folder() / "js"
    for name in KEPT_SCRIPTS - {"site-view", "site-search"}:
        assert "fetch(" not in (folder / f"{name}.js").read_text(), name


def test_what_needs_the_server_says_so(site: Path) -> None:
    page = (site / SAE / "7" / "index.html").read_text()
    assert "data-not-exported" in page
    assert "A static copy" in page
    for script in ("switch-in-place", "copy-figure"):
        assert f"js/{script}.js" not in page
    assert "js/site-view.js" in page
    assert 'http-equiv="Content-Security-Policy"' in page and "unsafe" not in page


def test_nothing_offers_what_only_a_server_can_do(site: Path, client: TestClient) -> None:
    served = [client.get(f"/{SAE}{path}").text for path in ("", "/7", "/map")]
    copies = [(site / SAE / path / "index.html").read_text() for path in ("", "7", "map")]
    for words in (
        "data-suggest", ">compare</a>", "compare with the first", "A click on a bar",
        "click a bar to keep it alone", "click it to list its features", "map-query",
    ):  # fmt: skip
        assert words in "".join(served)
        assert words not in "".join(copies)
    for page in site.rglob("*.html"):
        assert "data-suggest" not in page.read_text()
        assert "/compare?" not in page.read_text(), page


def test_the_map_is_part_of_it(site: Path, client: TestClient) -> None:
    page = (site / SAE / "map" / "index.html").read_text()
    assert 'data-map="../"' in page and 'data-points="points.json"' in page
    assert "js/map.js" in page
    assert (
        json.loads((site / SAE / "map.json").read_text()) == client.get(f"/{SAE}/map.json").json()
    )
    points = json.loads((site / SAE / "map" / "points.json").read_text())
    served = client.get(f"/{SAE}/points.json?x=map_x&y=map_y&color=max_activation").json()
    for axis in ("x", "y"):
        assert points[axis]["values"][:8] == served[axis]["values"][:8] != [None] * 8
        assert points[axis]["values"][8:] == [None] * 52
    assert points["color"] == served["color"]
    for index in range(8):
        point = json.loads((site / SAE / "points" / f"{index}.json").read_text())
        assert point == client.get(f"/{SAE}/points/{index}.json").json()
    whole = json.loads((site / SAE / "points.json").read_text())
    assert whole == client.get(f"/{SAE}/points.json").json()


def test_studies_are_part_of_it(site: Path, client: TestClient) -> None:
    page = (site / SAE / "geometry" / "index.html").read_text()
    assert "Geometry of directions" in page and 'data-brush="' not in page
    twin = json.loads((site / SAE / "geometry.json").read_text())
    assert twin == client.get(f"/{SAE}/geometry.json").json()
    assert "geometry/" in (site / SAE / "index.html").read_text()
    for name, heading in (("quality", "What other tools would print"), ("norms", "By position")):
        assert heading in (site / SAE / name / "index.html").read_text()
        twin = json.loads((site / SAE / f"{name}.json").read_text())
        assert twin == client.get(f"/{SAE}/{name}.json").json()


def test_prunings_are_part_of_it(site: Path, client: TestClient) -> None:
    page = (site / SAE / "pruning" / "index.html").read_text()
    steps = json.loads((site / SAE / "pruning.json").read_text())
    assert steps == client.get(f"/{SAE}/pruning.json").json()
    for step in steps["denser"]:
        assert f'href="./?threshold={step["threshold"]}"' in page  # its script reads the address
    assert "js/pruning.js" in page and "switch-in-place" not in page and "<select" not in page
    assert "../pruning/" in (site / SAE / "map" / "index.html").read_text()


def test_a_feature_leads_to_its_place_on_the_map(site: Path) -> None:
    links = {link for _, link in _read(site / SAE / "7" / "index.html").links}
    assert "../map/?feature=7" in links


def test_previews_name_the_site(site: Path) -> None:
    page = (site / SAE / "7" / "index.html").read_text()
    assert f'"og:image" content="https://files.example.org/atlas/{SAE}/7/card.png"' in page
    assert f'"og:url" content="https://files.example.org/atlas/{SAE}/7"' in page


def test_search_files_hold_what_the_server_ranks(site: Path, client: TestClient) -> None:
    root = site / "-/site" / SAE
    listed = json.loads((root / "files.json").read_text())
    assert sorted(listed) == sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*/*.json")
    )
    for name in listed:
        for token, _, rankings in json.loads((root / name).read_text()) if "tokens" in name else []:
            assert name == f"tokens/{shard(token)}.json"
            assert all(row[0] < 8 for rows in rankings.values() for row in rows)
    twin = client.get(f"/{SAE}/7.json").json()
    strongest = twin["token_statistics"]["tokens"][0] if isinstance(
        twin["token_statistics"], dict
    ) else twin["token_statistics"][0]  # fmt: skip
    entries = json.loads((root / f"tokens/{shard(strongest['token'])}.json").read_text())
    [rankings] = [rankings for token, _, rankings in entries if token == strongest["token"]]
    [row] = [row for row in rankings["fires"] if row[0] == 7]
    assert row[1] == pytest.approx(strongest["share"], rel=0.01)
    assert row[2] == strongest["n_active"]


def test_it_says_how_much_and_how_fast(site: Path, said: list[str]) -> None:
    assert re.match(r"8 features of 1 dictionary, about [\d,]+ kB each: about \d+ MB", said[0])
    assert re.search(r"in about \d+ (s|min); --sae and --features take a part\.$", said[0])
    assert "features, " in said[1] and "a second" in said[1]
    n_files = sum(path.is_file() for path in site.rglob("*"))
    assert said[-1].startswith(f"{n_files - 1:,} files, ")


def test_a_folder_that_holds_something_else_is_refused(atlas_path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(AtlasError, match="not empty and holds no earlier export"):
        export_site(atlas_path, tmp_path, [SAE], "0", "", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_later_export_replaces_its_own_files_alone(atlas_path: Path, tmp_path: Path) -> None:
    export_site(atlas_path, tmp_path, [SAE], "0,1", "", lambda _: None)
    (tmp_path / "CNAME").write_text("atlas.example.org")
    export_site(atlas_path, tmp_path, [SAE], "1", "", lambda _: None)
    assert (tmp_path / "CNAME").read_text() == "atlas.example.org"
    assert not (tmp_path / SAE / "0").exists()
    assert (tmp_path / SAE / "1" / "index.html").is_file()


def test_the_search_says_what_it_knows(site: Path) -> None:
    page = (site / "-/search/index.html").read_text()
    assert "20 strongest features of each token" in page and "rank no features" not in page


def test_a_full_disk_leaves_what_stood_there(
    atlas_path: Path, tmp_path: Path, largest_file: Callable[[int], None]
) -> None:
    out = tmp_path / "out"

    def fails() -> None:
        largest_file(100_000)
        with pytest.raises(AtlasError, match=r"Can't write .*: what stood there still does"):
            export_site(atlas_path, out, [SAE], "0,1", "", lambda _: None)
        largest_file(2**30)

    fails()
    assert list(tmp_path.iterdir()) == []
    export_site(atlas_path, out, [SAE], "0", "", lambda _: None)
    before = _content(out)
    fails()
    assert _content(out) == before


def test_what_a_killed_export_left_makes_room(atlas_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_site(atlas_path, out, [SAE], "0", "", lambda _: None)
    before = _content(out)
    program = (
        "import os; from pathlib import Path; from app.web.export.folder import SiteFolder; "
        f"SiteFolder(Path({str(out)!r})).write('half.html', 'half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    assert (out / PARTIAL / "half.html").is_file()
    assert _content(out, apart=PARTIAL) == before
    export_site(atlas_path, out, [SAE], "0", "", lambda _: None)
    assert _content(out).keys() == before.keys()
    (out / PARTIAL).mkdir()
    (out / PARTIAL / "thesis.txt").write_text("mine")
    with pytest.raises(AtlasError, match=r"\.partial is in the way and of no export: move it"):
        export_site(atlas_path, out, [SAE], "0", "", lambda _: None)


def _content(folder: Path, apart: str = "") -> dict[str, bytes]:
    """Every file by its name, but those under `apart`."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path.read_bytes() for name, path in files.items() if name.parts[0] != apart
    }


@pytest.mark.parametrize(
    ("saes", "features", "sentence"),
    [
        (["synthetic/nothing"], "all", "There is no dictionary synthetic/nothing"),
        ([SAE], "50..60", "goes beyond"),
        ([SAE], "some", "names no features"),
        ([SAE], "3..", "names no features"),
        ([SAE], "99999999999..", "names no features"),
        ([SAE], "0..²", "names no features"),
        ([SAE], "5..1", "'5..1' runs backwards: write 1..5"),
        ([SAE], "0..99999999999", "goes beyond"),
    ],
)
def test_a_choice_that_can_not_be_is_a_sentence(
    atlas_path: Path, tmp_path: Path, saes: list[str], features: str, sentence: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(AtlasError, match=sentence):
        export_site(atlas_path, out, saes, features, "", lambda _: None)
    assert not out.exists()


def test_an_atlas_without_dictionaries_is_a_sentence(bare_path: Path, tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="This atlas holds no dictionary"):
        export_site(bare_path, tmp_path / "out", [], "all", "", lambda _: None)
    with pytest.raises(AtlasError, match="known dictionaries are none"):
        export_feature(bare_path, "a/b/1", tmp_path / "out.html", "")
    assert list(tmp_path.iterdir()) == []


def test_features_as_people_write_them(connection: Connection, sae: Sae) -> None:
    assert read_features(connection, sae, "all") == list(range(60))
    assert read_features(connection, sae, "3..5, 1,4") == [1, 3, 4, 5]


def test_files_name_each_other_relatively() -> None:
    assert relative("m/s/12/index.html", "m/s/13/index.html") == "../13/"
    assert relative("m/s/12/index.html", "m/s/12/top.html") == "top.html"
    assert relative("m/s/12/top.html", "m/s/12/index.html") == "./"
    assert relative("index.html", "-/search/index.html") == "-/search/"
    assert relative("m/s/12/index.html", "index.html") == "../../../"
    assert page_file("/") == "index.html"
    assert group_file("/m/s/12?group=top&start=13") == "m/s/12/top-13.html"
    assert group_file("/m/s/12?start=13") == "m/s/12/mix-13.html"


def test_an_address_is_the_same_in_any_order_of_its_arguments() -> None:
    site = SiteMap()
    site.add("/m/s?a=1&b=2", "x.html")
    assert site.file_of("/m/s?b=2&a=1") == "x.html"
    assert site.file_of("/m/s?a=1") is None
    site.add_read_by_script("/m/s/map", "m/s/map/index.html", {"feature"})
    assert site.relative("m/s/1/index.html", "/m/s/map?feature=1") == "../map/?feature=1"
    assert site.relative("m/s/1/index.html", "/m/s/map?q=def") is None
    site.set_examples("/m/s/1", {"/m/s/1?group=top&start=9": '<article id="top-12">'})
    assert site.relative("m/s/1/index.html", "/m/s/1?example=top-12#top-12") == "top-9.html#top-12"


def test_a_group_is_cut_to_its_examples() -> None:
    page = (
        '<a href="#tokens">t</a><a href="#examples">e</a><section id="tokens"><section>x</section>'
        '</section><section class="a" id="examples"><section>y</section></section><p>end</p>'
    )
    assert only_examples(page) == (
        '<a href="./#tokens">t</a><a href="#examples">e</a>'
        '<section class="a" id="examples"><section>y</section></section><p>end</p>'
    )

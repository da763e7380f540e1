"""The sentence on where a feature lives says what its numbers are over."""

import re
from html import unescape

from fastapi.testclient import TestClient

SAE = "/synthetic/resid-2-1k"


def test_a_span_is_defined_where_it_is_counted(client: TestClient) -> None:
    """With spans: how many, and what one is; without: what it would have needed."""
    said = {True: 0, False: 0}
    for row in client.get(f"{SAE}.json?size=30").json()["features"]:
        page = unescape(client.get(f"{SAE}/{row['feature_index']}").text)
        found = re.findall(r"\(span fill, over ([\d,]+) (spans?): (.*?)\)\.", page)
        for n, noun, meaning in found:
            assert (noun == "span") == (n == "1")
            assert meaning == "each inside one context and one document, of at least three firings"
        said[bool(found)] += 1
        if not found and row["n_active"]:
            assert "No document holds the three firings a span needs." in page
    assert said[True]

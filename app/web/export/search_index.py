"""Search without a server: small files a script can ask for one by one.

Takes the rankings the atlas keeps of every token and what the exported features are called,
gives files: tokens by their first two characters, words of short forms, summaries and labels
likewise, names of features in blocks. Knows no page.

    tokens/{shard}.json   [[text, occurrences, {"fires": [[feature, share, n_active], …], …}], …]
    words/{shard}.json    {"word": [feature, …], …}
    names/{block}.json    {"feature": [short form, density, label if it has one], …}
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.db.records import RankingMode, TokenRanking
from app.db.tokens import get_rankings, get_tokens, occurrences
from app.web.notebook.names import NO_NAMES, Names
from app.web.share import one_line

MODES: tuple[RankingMode, ...] = ("fires", "promotes", "suppresses")
PER_TOKEN = 20
"""Features kept of each ranking of a token."""
PER_WORD = 200
NAMES_PER_FILE = 256
_TOKENS_AT_ONCE = 500
_WORD = re.compile(r"\w{2,40}")


def shard(text: str) -> str:
    """The file a text is looked up in: its first two characters in small letters, as hexadecimal.

    Leading spaces don't count; the script cuts the same way.
    """
    return text.lstrip(" ").lower()[:2].encode("utf-8", "surrogatepass").hex() or "00"


def token_files(connection: Connection, sae: Sae, exported: set[int]) -> Iterator[tuple[str, str]]:
    """Shards of the tokens that rank a feature among the exported ones: name and content."""
    shards: dict[str, list[list[Any]]] = defaultdict(list)
    for start in range(0, sae.model.d_vocab, _TOKENS_AT_ONCE):
        ids = range(start, min(start + _TOKENS_AT_ONCE, sae.model.d_vocab))
        tokens = get_tokens(connection, sae.model_id, ids)
        counts = occurrences(connection, sae.corpus_id, ids)
        rankings = {mode: get_rankings(connection, sae.sae_id, mode, ids) for mode in MODES}
        for token_id, token in tokens.items():
            found = {
                mode: rows
                for mode in MODES
                if (rows := _rows(mode, rankings[mode].get(token_id), exported))
            }
            if found:
                entry = [token.token, counts.get(token_id, 0), found]
                shards[shard(token.token)].append(entry)
    for name, entries in sorted(shards.items()):
        yield f"tokens/{name}.json", _dump(entries)


def feature_files(
    connection: Connection, sae: Sae, exported: Sequence[int], called: Names = NO_NAMES
) -> Iterator[tuple[str, str]]:
    """Names of the exported features in blocks, and the words that are said of them.

    Args:
        called: labels that are exported.
    """
    words: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for block, indices in _blocks(exported):
        records = get_features(connection, sae.sae_id, indices)
        names: dict[str, list[str | float | None]] = {}
        for index in indices:
            record = records[index]
            short = one_line(record.short)
            label = called.get(index)
            names[str(index)] = [short, _rounded(record.density)]
            said = f"{short} {one_line(record.summary)}".lower()
            if label is not None:
                names[str(index)].append(label.text)
                said += " " + " ".join(label.all_texts).lower()
            for word in sorted(set(_WORD.findall(said))):
                listed = words[shard(word)][word]
                if len(listed) < PER_WORD:
                    listed.append(index)
        yield f"names/{block}.json", _dump(names)
    for name, entries in sorted(words.items()):
        yield f"words/{name}.json", _dump(entries)


def _blocks(indices: Iterable[int]) -> list[tuple[int, list[int]]]:
    blocks: dict[int, list[int]] = defaultdict(list)
    for index in indices:
        blocks[index // NAMES_PER_FILE].append(index)
    return sorted(blocks.items())


def _rows(
    mode: RankingMode, ranking: TokenRanking | None, exported: set[int]
) -> list[list[float | int]]:
    """The strongest exported features of one token under one ranking."""
    if ranking is None:
        return []
    rows: list[list[float | int]] = []
    for i, index in enumerate(ranking.feature_index.tolist()):
        if index not in exported:
            continue
        if mode == "fires":
            rows.append([index, _short(float(ranking.share[i])), int(ranking.n_active[i])])
        else:
            rows.append([index, _short(float(ranking.score[i]))])
        if len(rows) == PER_TOKEN:
            break
    return rows


def _rounded(density: float | None) -> float | None:
    return None if density is None else float(f"{density:.4g}")


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _dump(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def densities(connection: Connection, sae: Sae, indices: Sequence[int]) -> dict[int, float | None]:
    """The density of each of these features; None where an import's source doesn't say."""
    found: dict[int, float | None] = {}
    for _, block in _blocks(indices):
        records = get_features(connection, sae.sae_id, block)
        found |= {index: records[index].density for index in block}
    return found

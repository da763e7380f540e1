"""What testing a reading costs over a million tokens, kind by kind, and what is kept in memory.

An invented corpus of 2**20 tokens over 50,000 texts, a feature that fires on one token in a
hundred, contexts of 128 and of 1,024 tokens. Every kind of reading is timed whole: parsed, matched,
scored, both lists of counterexamples chosen. Ratios are to the dearest kind; the best of three
rounds counts. Run it by itself; it needs no model and no atlas.
"""

import time
import tracemalloc

import numpy as np

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.reading.counterexamples import firing_places, silent_places
from app.stats.reading.grammar import parse
from app.stats.reading.ground import READING_TOKENS, Ground
from app.stats.reading.matching import Matcher
from app.stats.reading.score import score_reading
from app.stats.reading.vocabulary import Vocabulary
from benchmarks.results import table, write_section

ROUNDS = 3
D_VOCAB = 50_000
BUDGET_MS = 300
READINGS = {
    "a word": "self",
    "a text": '" and"',
    "a phrase": "'for i in range('",
    "words, context": "self with def or class within 6 before",
    "not": "not self without '(' within 3 after",
    "twelve parts": "a|b|c|d|e|f|g|h|i|j|k|l with m within 20",
    "expression, rare": r"/\bself\b/",
    "expression, over tokens": r"/def .{0,30}\(self/i",
    "expression, half of all": r"/\w+/",
    "expression, all": "/./",
    "expression, nested": r"/(\w+\s?)*\(/",
    "three expressions": r"/^\s+/ | /ing\b/ with /\d{2,4}/ within 9 before",
}


def main() -> None:
    """Measures short and long contexts and writes the section "Readings" of RESULTS.md."""
    sizes = (128, 1024)
    measured = [_measure(size) for size in sizes]
    rows = [
        [name, f"`{text.replace('|', chr(92) + '|')}`", *(f"{ms[name]:.0f}" for ms, _ in measured)]
        for name, text in READINGS.items()
    ]
    head = ["reading", "", *(f"ms, contexts of {size:,}" for size in sizes)]
    notes = "\n".join(f"- {note}" for _, note in measured)
    body = f"{table(head, rows)}\n\nWanted: {BUDGET_MS} ms at most.\n\n{notes}"
    write_section("Readings: `python -m benchmarks.bench_reading`", body, packages=["numpy"])


def _measure(context_size: int) -> tuple[dict[str, float], str]:
    """(milliseconds by kind of reading, what is kept in memory for all of them)"""
    corpus, vocabulary, events = _invented(context_size)
    tracemalloc.start()
    start = time.perf_counter()
    ground = Ground(corpus, vocabulary)
    _ = ground.text
    made = time.perf_counter() - start
    kept, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    note = (
        f"{corpus.n_contexts:,} contexts of {context_size:,}: "
        f"{ground.text.bytes_by_step.size:,} bytes of text in {ground.piece_starts.size:,} pieces; "
        f"kept {kept / 1e6:.0f} MB, made once in {made:.1f} s (traced)"
    )
    return {name: _best_ms(text, ground, events) for name, text in READINGS.items()}, note


def _best_ms(text: str, ground: Ground, events: FeatureEvents) -> float:
    return min(_seconds(text, ground, events) for _ in range(ROUNDS)) * 1e3


def _seconds(text: str, ground: Ground, events: FeatureEvents) -> float:
    start = time.perf_counter()
    says_yes = Matcher(ground).says_yes(parse(text))
    score_reading(says_yes, events, ground)
    for answer in (False, True):
        firing_places(says_yes, events, ground, answer, "strongest", 10)
    silent_places(says_yes, events, ground, "strongest", 10)
    return time.perf_counter() - start


def _invented(context_size: int) -> tuple[Corpus, Vocabulary, FeatureEvents]:
    """Texts of one to nine characters, the shorter ones more often; words of code among them."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEF0123456789_.,:()=  \n"))
    texts = ["<s>", "self", " self", "def", " def", " and", "(", "for", " i", " in", " range"]
    texts += list("abcdefghijklm")
    while len(texts) < D_VOCAB:
        texts.append("".join(rng.choice(letters, rng.integers(1, 9))))
    # the special token only where a context begins: it cuts the text into pieces
    weights = 1 / np.arange(1.0, D_VOCAB + 1)
    weights[0] = 0
    shape = (READING_TOKENS // context_size, context_size)
    tokens = rng.choice(D_VOCAB, shape, p=weights / weights.sum()).astype(np.uint16)
    tokens[:, 0] = 0
    counted = tokens != 0
    documents = np.repeat(np.arange(shape[0] // 4 + 1), 4)[: shape[0], None]
    documents = np.broadcast_to(documents, shape).astype(np.int32)
    corpus = Corpus(tokens, counted, documents, D_VOCAB)
    fires = counted & (rng.random(shape) < 0.01)
    context_id, position = np.nonzero(fires)
    events = FeatureEvents(
        0,
        context_id.astype(np.int32),
        position.astype(np.int32),
        rng.gamma(2.0, 1.0, context_id.size).astype(np.float32) + np.float32(0.01),
        context_size,
    )
    return corpus, Vocabulary([text.encode() for text in texts], {0}), events


if __name__ == "__main__":
    main()

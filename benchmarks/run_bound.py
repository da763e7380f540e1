"""What no tool can go below over given files: one forward pass to the hook and one encoder product.

Takes the folder of `given`; runs the bound of `bench_bound` over its tokens, with a worker on every
core, as the job does. Prints {"cpu", "wall", "sizes"}: seconds of one pass; contexts in a batch and
features in one product, which a trial has chosen.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from app.precompute.model.language_model import LanguageModel
from app.sae.readers import load_dictionary
from app.stats.corpus import Corpus
from benchmarks.bench_bound import Bound
from benchmarks.given import Given
from benchmarks.measure import cost_of


def main() -> None:
    """Tries, measures, prints."""
    given = Given(Path(sys.argv[1]))
    model = LanguageModel.load(given.model)
    tokens = np.load(given.tokens)
    every = np.ones(tokens.shape, np.bool_)
    corpus = Corpus(tokens, every, np.zeros(tokens.shape, np.int32), model.d_vocab)
    dictionary = load_dictionary(given.dictionary)
    bound = Bound(model, dictionary, corpus, n_workers=torch.get_num_threads())
    print(json.dumps({**vars(cost_of(lambda: bound.run(slice(None)))), "sizes": bound.sizes}))


if __name__ == "__main__":
    main()

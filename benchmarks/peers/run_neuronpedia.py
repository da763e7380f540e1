# pyright: reportMissingImports=false
"""SAEDashboard's NeuronpediaRunner over the given corpus; runs in the peers' environment.

Takes the given folder, a folder to write to and a number of features, of which each batch of 128
becomes one JSON file. Prints one JSON line: seconds of each batch (the first also runs the corpus
through the model and keeps the activations on disk) and bytes of the files. It would ask a hub for
model and corpus by name: both are put where it looks for them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peer_model import check_agreement, load_dictionary, load_model, load_tokens, timed
from sae_dashboard.neuronpedia import neuronpedia_runner
from sae_dashboard.neuronpedia.neuronpedia_runner import NeuronpediaRunner
from sae_dashboard.neuronpedia.neuronpedia_runner_config import NeuronpediaRunnerConfig

BATCH = 128
"""Features at a time: the runner's default."""


def main() -> None:
    """Runs batch by batch, prints."""
    given, output, n_features = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    model = load_model(given / "model")
    check_agreement(model, load_dictionary(given / "dictionary"), given)
    tokens = load_tokens(given / "tokens.npy")
    corpus = output / "corpus"
    corpus.mkdir()
    (corpus / "rows.jsonl").write_text(json.dumps({"text": "never read"}) + "\n")
    neuronpedia_runner.HookedSAETransformer.from_pretrained = lambda *_, **__: model  # type: ignore

    def runner(batch: int) -> Any:
        found = NeuronpediaRunner(
            NeuronpediaRunnerConfig(
                sae_set="given",
                sae_path=str(given / "dictionary"),
                outputs_dir=str(output),
                from_local_sae=True,
                huggingface_dataset_path=str(corpus),
                n_prompts_total=len(tokens),
                n_tokens_in_prompt=tokens.shape[1],
                n_features_at_a_time=BATCH,
                start_batch=batch,
                end_batch=batch,
                shuffle_tokens=False,
            )
        )
        # the tokens it would draw from the corpus, which it keeps here
        torch.save(tokens, Path(found.cfg.outputs_dir) / f"tokens_{len(tokens)}.pt")
        return found

    costs, files = [], []
    for batch in range(n_features // BATCH):
        found = runner(batch)
        costs.append(timed(found.run)[1])
        files.append(Path(found.cfg.outputs_dir) / f"batch-{batch}.json")
    n_bytes = sum(path.stat().st_size for path in files)
    print(json.dumps({"batch": BATCH, "costs": costs, "bytes": n_bytes}))


if __name__ == "__main__":
    main()

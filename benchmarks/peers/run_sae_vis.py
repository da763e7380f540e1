# pyright: reportMissingImports=false
"""SAEDashboard's SaeVisRunner over the given corpus; runs in the peers' environment.

Takes the given folder, a folder to write to and a number of features; prints one JSON line: seconds
of each batch of 256 features with the page written from it, bytes of the pages. Options are the
runner's own defaults: each batch sends the whole corpus through the model.
"""

import json
import sys
from pathlib import Path

from peer_model import check_agreement, load_dictionary, load_model, load_tokens, timed
from sae_dashboard.data_writing_fns import save_feature_centric_vis
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner

BATCH = 256
"""Features at a time: the runner's default."""


def main() -> None:
    """Runs batch by batch, prints."""
    given, output, n_features = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    model, dictionary = load_model(given / "model"), load_dictionary(given / "dictionary")
    check_agreement(model, dictionary, given)
    tokens = load_tokens(given / "tokens.npy")

    def work(first: int, page: Path) -> None:
        config = SaeVisConfig(
            hook_point=dictionary.cfg.metadata.hook_name,
            features=list(range(first, first + BATCH)),
            minibatch_size_features=BATCH,
            ignore_tokens={model.tokenizer.bos_token_id},
            device="cpu",
        )
        data = SaeVisRunner(config).run(dictionary, model, tokens)
        save_feature_centric_vis(data, page)

    costs, n_bytes = [], 0
    for first in range(0, n_features, BATCH):
        page = output / f"features-{first}.html"
        costs.append(timed(lambda first=first, page=page: work(first, page))[1])
        n_bytes += page.stat().st_size
    print(json.dumps({"batch": BATCH, "costs": costs, "bytes": n_bytes}))


if __name__ == "__main__":
    main()

"""Which decoders an atlas keeps, and that the rows it keeps are unit rows."""

import numpy as np
import torch

from app.db.directions import ROWS_PER_BLOCK
from app.precompute.weights.directions import kept, unit_rows


def test_a_decoder_is_kept_up_to_the_size_allowed() -> None:
    W_dec = torch.zeros(2**19, 1)  # one megabyte in half precision
    assert kept(W_dec, 1)
    assert not kept(torch.zeros(2**19 + 1, 1), 1)
    assert not kept(W_dec, 0)


def test_blocks_hold_unit_rows_in_order() -> None:
    W_dec = 5 * torch.randn(ROWS_PER_BLOCK + 3, 16, generator=torch.Generator().manual_seed(0))
    W_dec[1] = 0
    blocks = list(unit_rows(W_dec))
    assert [len(block) for block in blocks] == [ROWS_PER_BLOCK, 3]
    rows = np.concatenate(blocks).astype(np.float64)
    expected = W_dec.double() / W_dec.double().norm(dim=1, keepdim=True).clamp_min(1e-12)
    np.testing.assert_allclose(rows, expected.numpy(), atol=1e-3)
    assert not rows[1].any()

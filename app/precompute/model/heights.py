"""Which hook lies below which: the order in which a block computes.

Takes TransformerLens hook names. Knows no model: whether what lies below reaches what lies above
(in a block whose attention and MLP read the same stream, one does not reach the other) is another
question.
"""

PLACES = {
    "hook_resid_pre": 0,
    "ln1.hook_normalized": 1,
    "ln1.hook_out": 2,
    "attn.hook_in": 2,
    "attn.hook_z": 3,
    "attn.hook_out": 4,
    "hook_attn_out": 5,
    "hook_resid_mid": 6,
    "hook_mlp_in": 6,
    "ln2.hook_normalized": 7,
    "ln2.hook_out": 8,
    "mlp.hook_in": 8,
    "mlp.hook_pre": 9,
    "mlp.hook_post": 10,
    "mlp.hook_out": 11,
    "hook_mlp_out": 12,
    "hook_resid_post": 13,
}
"""Steps of a block, in order. Its last one is the first of the next block: the same activation.

`ln1.hook_normalized` and `ln2.hook_normalized` are what a norm divided by its scale, before its
gain. `attn.hook_out` and `mlp.hook_out` lie before the norm behind attention and MLP, where there
is one, `hook_attn_out` and `hook_mlp_out` behind it.
"""

_STEPS = max(PLACES.values())
_ATTENTION = PLACES["attn.hook_z"]
"""The first step that has seen its own block's attention."""


def height(hook_name: str) -> int:
    """Steps from the bottom of the model; below 0 for embeddings. Equal where it is the same place.

    Raises:
        KeyError: no hook that dictionaries sit on has that name.
    """
    if hook_name == "hook_embed":
        return -1
    return _STEPS * block_of(hook_name) + PLACES[hook_name.split(".", 2)[2]]


def block_of(hook_name: str) -> int:
    """The block of a hook; the first for embeddings."""
    return int(hook_name.split(".")[1]) if hook_name.startswith("blocks.") else 0


def n_attentions(hook_name: str) -> int:
    """How many blocks' attention runs before the hook is reached."""
    blocks, step = divmod(max(0, height(hook_name)), _STEPS)
    return blocks + (step >= _ATTENTION)

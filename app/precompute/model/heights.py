"""Which hook lies below which: the order in which a block computes.

Takes TransformerLens hook names. Knows no model: whether what lies below reaches what lies above
(in a block whose attention and MLP read the same stream, one does not reach the other) is another
question.
"""

PLACES = {
    "hook_resid_pre": 0,
    "attn.hook_z": 1,
    "hook_attn_out": 2,
    "hook_resid_mid": 3,
    "hook_mlp_in": 3,
    "ln2.hook_normalized": 4,
    "ln2.hook_out": 5,
    "mlp.hook_in": 5,
    "mlp.hook_pre": 6,
    "mlp.hook_post": 7,
    "mlp.hook_out": 8,
    "hook_mlp_out": 9,
    "hook_resid_post": 10,
}
"""Steps of a block, in order. Its last one is the first of the next block: the same activation.

`ln2.hook_normalized` is what the norm divided by its scale, before its gain; `mlp.hook_out` lies
before the norm behind the MLP, where there is one, `hook_mlp_out` behind it.
"""

_STEPS = max(PLACES.values())


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
    return max(0, -(-(height(hook_name)) // _STEPS))

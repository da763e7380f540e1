"""One instruction that compiled loops lack: ask for a piece of memory before it is needed.

Where a loop jumps about in a large table the processor waits for every jump; told a few jumps ahead
it waits for none. Changes no result.
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _prefetch(_: Any, array: Any, index: Any) -> Any:
    """Starts loading `array[index]` into the caches; an index outside does no harm."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        instruction = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            "llvm.prefetch.p0i8",
        )
        place = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        reading, keep, not_code = word(0), word(3), word(1)
        builder.call(instruction, [place, reading, keep, not_code])
        return context.get_dummy_value()

    return types.void(array, types.int64), emit


prefetch: Callable[[Any, Any], None] = cast(Any, intrinsic(inspect.unwrap(_prefetch)))
"""Compiled loops call it with an array and an index."""

"""Arrow columns from Python and NumPy values.

`pyarrow.array` imports pandas if it is installed, which costs each process a second and 50 MB. These functions do not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def text_column(texts: Sequence[str | None], errors: str = "strict") -> pa.StringArray:
    """Return a column of strings, at most 2 GB in all; None becomes null. `errors` is that of `str.encode`."""
    encoded = [b"" if text is None else text.encode(errors=errors) for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(data) for data in encoded], out=offsets[1:])
    present = np.packbits([text is not None for text in texts], bitorder="little") if None in texts else None
    buffers = [
        None if present is None else pa.py_buffer(present),
        pa.py_buffer(offsets),
        pa.py_buffer(b"".join(encoded)),
    ]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def number_column(values: NDArray[Any]) -> pa.Int64Array:
    """Return a column of 64-bit integers."""
    data = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])

"""Arrow columns from Python and numpy values.

`pyarrow.array` imports pandas wherever pandas is installed, which costs each process a second and 50 MB: these don't.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def text_column(texts: Sequence[str | None], errors: str = "strict") -> "pa.StringArray":
    """A column of strings, at most 2 GB of them, null where there is None. `errors`: as `str.encode` takes it."""
    import numpy as np
    import pyarrow as pa

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


def number_column(values: "NDArray[Any]") -> "pa.Int64Array":
    """A column of 64-bit integers."""
    import numpy as np
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))]
    )

"""Sentence encoders that run in sentence-transformers."""

from collections.abc import Callable, Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from jobs.process.errors import ConfigurationError
from jobs.retrieval import hub


def load(name: str, revision: str | None, max_tokens: int) -> Callable[[Sequence[str]], np.ndarray]:
    """Return the function that encodes texts as vectors of length 1. `revision`: the commit of a model of the hub.

    Errors: `ConfigurationError` (78) if the model cannot be loaded, `NotReadyError` (75) if it cannot be downloaded.
    """
    try:
        model = SentenceTransformer(name, revision=revision)
    except (OSError, ValueError) as error:
        if revision is not None and hub.is_unreachable(error):
            raise hub.unreachable(name, error) from error
        raise ConfigurationError(f"--encoder {name!r} is not an encoder that can be loaded: {error}") from error
    model.max_seq_length = min(model.max_seq_length or max_tokens, max_tokens)

    def encode(texts: Sequence[str]) -> np.ndarray:
        vectors: np.ndarray = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return encode

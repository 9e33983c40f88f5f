"""Sentence encoders that run in sentence-transformers."""

from collections.abc import Callable, Sequence

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import get_device_name

from jobs.retrieval import hub
from jobs.retrieval.encoder_files import reading


def load(name: str, revision: str | None, max_tokens: int) -> Callable[[Sequence[str]], np.ndarray]:
    """Return the function that encodes texts as vectors of length 1. `revision`: the commit of a model of the hub.

    Errors: `ConfigurationError` (78) if the model cannot be loaded, `NotReadyError` (75) if it cannot be downloaded,
    `OSError` if the disk is full.
    """
    with reading(name):
        model = _load_on_cpu(name, revision)  # so that an error of the GPU is not reported as one of the files
    model.to(get_device_name())
    model.max_seq_length = min(model.max_seq_length or max_tokens, max_tokens)

    def encode(texts: Sequence[str]) -> np.ndarray:
        vectors: np.ndarray = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return encode


def _load_on_cpu(name: str, revision: str | None) -> SentenceTransformer:
    try:
        return SentenceTransformer(name, revision=revision, device="cpu")
    except Exception as error:
        hub.raise_if_disk_is_full(error)
        if revision is not None:
            if refusal := hub.refused(error, "--encoder", name):
                raise refusal from error
            if hub.is_unreachable(error):
                raise hub.unreachable(name, error) from error
        raise

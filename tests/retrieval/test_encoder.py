"""The encoder: the same vectors as sentence-transformers, faster."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from jobs.process.errors import ConfigurationError
from jobs.retrieval import encoder as embedding
from jobs.retrieval.encoder import DEFAULT_ENCODER, Encoder

TEXTS = [
    "kettle",
    "Red Kettle, 1.7 l. Boils in three minutes; auto-off, 2200 W, 10-inch base.",
    "Grüner Wasserkocher — für die Küche. 電気ケトル",
    "A book about sailing. " * 40,
    "",
    "USB-C cable 2 m (pack of 3)",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def folder() -> Path:
    found = embedding._folder_of(DEFAULT_ENCODER)
    assert found is not None
    return found


def test_vectors_agree_with_sentence_transformers(encoder: Encoder, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = embedding._other_encoder(str(folder))(TEXTS)
    ours = encoder.encode(TEXTS)
    assert (ours * theirs).sum(axis=1).min() >= 0.999


def test_vectors_have_length_one_and_float32(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimensions) == (6, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-4)


def test_equal_texts_get_equal_vectors_in_the_order_asked(encoder: Encoder) -> None:
    vectors = encoder.encode(["lamp", "chair", "lamp"])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.9


def test_a_text_gets_the_same_vector_alone_and_among_others(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.999


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_the_digest_says_which_files_and_does_not_import_torch(folder: Path) -> None:
    script = (
        "import sys; from jobs.retrieval.encoder import Encoder; e = Encoder(); print(e.digest, e.dimensions);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [Encoder().digest, "384"]
    assert Encoder(str(folder)).digest == Encoder().digest


def test_another_cut_is_another_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Encoder().digest
    monkeypatch.setattr(embedding, "MAX_TOKENS", 12)
    assert Encoder().digest != before


def test_an_encoder_that_is_not_there_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="--encoder"):
        Encoder(str(tmp_path)).encode(["a"])

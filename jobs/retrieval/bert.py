"""BERT (Devlin et al., arXiv 1810.04805) with mean pooling (Reimers and Gurevych, arXiv 1908.10084) as a sentence encoder.

A batch holds texts of one length in tokens, so there is no padding and no mask, in bfloat16 if the processor multiplies it.
That is several times the speed of sentence-transformers; the cosine of the two vectors of a text is at least 0.999.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from jobs.retrieval.encoder_files import read_json, reading

BATCH_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""Tokens per batch: what fits into the cache of a CPU, and what keeps a GPU busy for longer than its launch takes."""


class Bert:
    """The model in a folder: config.json, model.safetensors and tokenizer.json.

    Errors: `ConfigurationError` (78) if a file is damaged, or if the files do not match.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        self._config = read_json(folder / "config.json")
        with reading(folder / "tokenizer.json"):
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_tokens)
        with reading(folder / "model.safetensors"):
            loaded = load_file(folder / "model.safetensors")
        self._weights = {
            name.removeprefix("bert."): value.float() for name, value in loaded.items() if value.is_floating_point()
        }
        with reading(folder):
            self._fuse_attention_inputs()
            self._check_weights(max_tokens)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if _multiplies_bfloat16() else torch.float32
        self._weights = {name: value.to(self._device, dtype) for name, value in self._weights.items()}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of the texts: float32, shape (len(texts), dimensions), each of length 1."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        vectors = torch.empty(len(texts), self._config["hidden_size"])
        with torch.inference_mode():
            for rows in _batches_of_one_length(tokens, BATCH_TOKENS[self._device.type]):
                states = self._forward(torch.tensor([tokens[row] for row in rows], device=self._device))
                means = states.float().mean(dim=1)
                vectors[rows] = functional.normalize(means).cpu()
        return vectors.numpy()

    def _forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the last hidden states, shape (batch, length, width), of token ids of shape (batch, length)."""
        weights, heads = self._weights, self._config["num_attention_heads"]
        batch, length = tokens.shape
        words = weights["embeddings.word_embeddings.weight"][tokens]
        positions = weights["embeddings.position_embeddings.weight"][:length]
        states = words + positions + weights["embeddings.token_type_embeddings.weight"][0]
        states = self._layer_norm(states, "embeddings.LayerNorm")
        for layer in range(self._config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}."
            projected = self._linear(states, name + "attention.self.query_key_value")
            query, key, value = projected.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            attended = functional.scaled_dot_product_attention(query, key, value)
            attended = attended.transpose(1, 2).reshape(batch, length, -1)
            attended = self._linear(attended, name + "attention.output.dense")
            states = self._layer_norm(attended + states, name + "attention.output.LayerNorm")
            hidden = functional.gelu(self._linear(states, name + "intermediate.dense"))
            states = self._layer_norm(self._linear(hidden, name + "output.dense") + states, name + "output.LayerNorm")
        return states

    def _linear(self, states: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(states, self._weights[name + ".weight"], self._weights[name + ".bias"])

    def _layer_norm(self, states: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return functional.layer_norm(states, weight.shape, weight, bias, float(self._config["layer_norm_eps"]))

    def _check_weights(self, max_tokens: int) -> None:
        """Encode the longest text of the highest token id, so that missing or too small weights raise an error now."""
        highest = max(self._tokenizer.get_vocab().values())
        with torch.inference_mode():
            width = self._forward(torch.full((1, max_tokens), highest)).shape[-1]
        if width != self._config["hidden_size"]:
            raise ValueError(f"the weights have the width {width}, but config.json has {self._config['hidden_size']}")

    def _fuse_attention_inputs(self) -> None:
        """Join the weights of query, key and value, so that one matrix product computes all three."""
        for layer in range(self._config["num_hidden_layers"]):
            for kind in ("weight", "bias"):
                name = f"encoder.layer.{layer}.attention.self."
                parts = [self._weights.pop(f"{name}{part}.{kind}") for part in ("query", "key", "value")]
                self._weights[f"{name}query_key_value.{kind}"] = torch.cat(parts)


def _batches_of_one_length(tokens: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[int]]:
    """Yield batches of row numbers, each of texts with the same number of tokens, at most `batch_tokens` together."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(tokens):
        by_length[len(ids)].append(row)
    for length, rows in sorted(by_length.items()):
        size = max(1, batch_tokens // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _multiplies_bfloat16() -> bool:
    """Return whether bfloat16 is faster than float32: on GPUs, and on processors with AVX512-BF16 or AMX."""
    if torch.cuda.is_available():
        return True
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags

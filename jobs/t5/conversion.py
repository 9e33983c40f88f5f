"""Conversion of a T5 to CTranslate2."""

import copy
from pathlib import Path

import torch
from ctranslate2.converters.transformers import T5Loader
from ctranslate2.specs.model_spec import OPTIONAL
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.process.errors import ConfigurationError
from jobs.t5.models import has_own_head


def convert(
    model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path, precision: str
) -> None:
    """Write `model` to `folder` in CTranslate2's format, with weights in `precision`.

    Errors: `ConfigurationError` (78) if the tokenizer has more tokens than the model.
    """
    loader = T5Loader()
    with torch.no_grad():
        # Quantisation scales the weights in place, and the spec refers to the model's own: it gets a copy.
        spec = loader.get_model_spec(copy.deepcopy(model) if precision.startswith("int8") else model)
    if has_own_head(model.config):
        # The loader scales the output if `tie_word_embeddings` is set, and transformers 5 sets it for every T5.
        spec.decoder.scale_outputs = OPTIONAL
    loader.set_config(spec.config, model, tokenizer)
    spec.config.layer_norm_epsilon = model.config.layer_norm_epsilon
    loader.set_vocabulary(spec, _vocabulary(tokenizer, model.config.vocab_size))
    spec.validate()
    spec.optimize(quantization=None if precision == "float32" else precision)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def _vocabulary(tokenizer: PreTrainedTokenizerFast, size: int) -> list[str]:
    """Return the tokens by id. Ids without a token, such as those that pad the embedding matrix, get names that no token has."""
    ids = tokenizer.get_vocab()
    needed = max(ids.values(), default=-1) + 1
    if needed > size:
        raise ConfigurationError(
            f"the tokenizer needs {needed:,} tokens and the model has only {size:,}: use the tokenizer of this model"
        )
    tokens = [f"<unused_{number}>" for number in range(size)]
    for token, number in ids.items():
        tokens[number] = token
    return tokens

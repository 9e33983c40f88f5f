"""Load, check and save a T5 in a folder that plain transformers can read.

FLAN-T5 has an output head with its own weights: `lm_head` is not `shared`. Transformers 5 can lose the head, so it is checked
after every load. `scale_decoder_outputs` distinguishes the two kinds: transformers 5 derives it from the saved
`tie_word_embeddings`, then sets `tie_word_embeddings` to true in every T5 configuration that it loads.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration
from transformers.utils import logging

from jobs.process import threads
from jobs.process.errors import InputError
from jobs.t5.files import CONFIG_FILE, TOKENIZER_FILE, check_files, copy_tokenizer, first_line


def load(folder: Path, dtype: torch.dtype = torch.float32) -> T5ForConditionalGeneration:
    """Return the model in a folder, checked, on the CPU and in evaluation mode.

    `dtype`: type of its weights. Errors: `InputError` (65) if the folder has no valid T5.
    """
    quieten()
    check_files(folder)
    try:
        loaded: Any = T5ForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a fault of the disk, not of the folder's content
        raise InputError(f"{folder} does not load as T5ForConditionalGeneration: {first_line(error)}") from error
    model: T5ForConditionalGeneration = loaded[0]
    loading_info: dict[str, Any] = loaded[1]
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loading_info[problem]:
            names = sorted(str(name) for name in loading_info[problem])
            raise InputError(f"the weights in {folder} do not match its {CONFIG_FILE}: {problem} {names[:5]}")
    check(model, str(folder))
    model.eval()  # type: ignore[no-untyped-call]
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer in a folder; it adds the end token to each text, and decodes the same text that was encoded.

    Errors: `InputError` (65) if there is none, or if it is not one of a T5.
    """
    quieten()
    if not (folder / TOKENIZER_FILE).is_file():
        raise InputError(f"{folder} has no {TOKENIZER_FILE}: save its tokenizer as a fast tokenizer, then try again")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        adds_end_token = tokenizer("a").input_ids[-1:] == [tokenizer.eos_token_id]
    except Exception as error:
        raise InputError(f"the tokenizer in {folder} does not load: {first_line(error)}") from error
    if not adds_end_token or tokenizer.pad_token_id is None:
        raise InputError(
            f"the tokenizer in {folder} is not a T5 tokenizer: expected a padding token, and an end token after each text"
        )
    # FLAN-T5's would make `of.925 silver` of `of .925 silver`
    tokenizer.clean_up_tokenization_spaces = False
    checked: PreTrainedTokenizerFast = tokenizer
    return checked


def check(model: T5ForConditionalGeneration, source: str) -> None:
    """Check the output head, the number of parameters and every weight against the configuration.

    `source` names the model in messages. Errors: `InputError` (65).
    """
    tied = model.lm_head.weight is model.shared.weight
    if tied == has_own_head(model.config):
        found, expected = ("shared", "its own") if tied else ("its own", "shared")
        raise InputError(
            f"{source}: the output head is {found}, expected {expected}: save the model with transformers 4 or 5 again"
        )
    expected_count, count = expected_parameters(model.config), count_parameters(model)
    if count != expected_count:
        raise InputError(f"{source}: {count:,} parameters, expected {expected_count:,} from its {CONFIG_FILE}")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise InputError(f"{source}: weight {name} is not finite; use an intact copy of the model")


def save(model: T5ForConditionalGeneration, folder: Path, tokenizer_folder: Path) -> None:
    """Save a model for plain transformers, with the tokenizer files of `tokenizer_folder` unchanged.

    `tie_word_embeddings` is corrected in the saved configuration: transformers 5 writes true for every T5, and
    transformers 4 and CTranslate2 would tie the head.
    """
    quieten()
    model.save_pretrained(folder)
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text()) | {"tie_word_embeddings": not has_own_head(model.config)}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    copy_tokenizer(tokenizer_folder, folder)


def set_threads(model: T5ForConditionalGeneration) -> None:
    """Set the number of torch's threads by the size of the model, at most OMP_NUM_THREADS."""
    torch.set_num_threads(threads.threads_for(count_parameters(model)))


def has_own_head(config: T5Config) -> bool:
    """Return whether `lm_head` has its own weights, as in T5 1.1 and FLAN-T5."""
    return not config.scale_decoder_outputs


def count_parameters(model: T5ForConditionalGeneration) -> int:
    """Return the number of weights; shared weights count once."""
    return sum(weight.numel() for weight in model.parameters())


def expected_parameters(config: T5Config) -> int:
    """Return the number of weights that a T5 configuration implies: 247,577,856 for flan-t5-base.

    An encoder block has q, k, v and o of self-attention, a feed-forward layer and two norms. A decoder block also has
    cross-attention and a third norm. Each stack has a final norm and a table of relative positions.
    """
    width, inner = config.d_model, config.num_heads * config.d_kv
    attention = 4 * width * inner
    feed_forward = (3 if config.is_gated_act else 2) * width * config.d_ff
    encoder = config.num_layers * (attention + feed_forward + 2 * width)
    decoder = (config.num_decoder_layers or config.num_layers) * (2 * attention + feed_forward + 3 * width)
    stacks = 2 * (width + config.relative_attention_num_buckets * config.num_heads)
    embeddings = config.vocab_size * width * (2 if has_own_head(config) else 1)
    return int(encoder + decoder + stacks + embeddings)


def quieten() -> None:
    """Turn off the progress bars and the advice of transformers."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]

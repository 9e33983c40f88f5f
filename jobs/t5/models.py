"""T5 on disk: load, check and save a folder that plain transformers can read.

FLAN-T5 has a head of its own: `lm_head` is not `shared`. Transformers 5 can lose it, so it is checked after every hop.
Whether a model has it is told by `scale_decoder_outputs`, for transformers 5 sets `tie_word_embeddings` to true in
every T5 configuration that it loads, and derives the former from what the file says.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

CONFIG_FILE = "config.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")


def load(folder: Path, dtype: "torch.dtype | None" = None) -> "T5ForConditionalGeneration":
    """The model in a folder, checked, on the CPU and in evaluation mode.

    `dtype`: of its weights; float32 where none is named. Errors: `InputError` where the folder is no sound T5.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import T5ForConditionalGeneration

    quieten()
    check_files(folder)
    try:
        loaded: Any = T5ForConditionalGeneration.from_pretrained(
            folder,
            dtype=dtype or torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the folder's
        raise InputError(f"{folder} does not load as T5ForConditionalGeneration: {_first_line(error)}") from error
    model: T5ForConditionalGeneration = loaded[0]
    report: dict[str, Any] = loaded[1]
    for what in ("missing_keys", "mismatched_keys"):
        if report[what]:
            names = sorted(str(name) for name in report[what])
            raise InputError(f"the weights in {folder} are not those of its {CONFIG_FILE}: {what} {names[:5]}")
    check(model, str(folder))
    model.eval()  # type: ignore[no-untyped-call]
    return model


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The tokenizer in a folder; it ends each text with the end token. Errors: `InputError` where there is none."""
    from transformers import AutoTokenizer

    quieten()
    if not (folder / TOKENIZER_FILES[0]).is_file():
        raise InputError(f"{folder} has no {TOKENIZER_FILES[0]}: save its tokenizer as a fast one, then try again")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        ended = tokenizer("a").input_ids[-1:] == [tokenizer.eos_token_id]
    except Exception as error:
        raise InputError(f"the tokenizer in {folder} does not load: {_first_line(error)}") from error
    if not ended or tokenizer.pad_token_id is None:
        raise InputError(
            f"the tokenizer in {folder} is not T5's: it needs a padding token, and an end token after each text"
        )
    found: PreTrainedTokenizerFast = tokenizer
    return found


def check(model: "T5ForConditionalGeneration", where: str) -> None:
    """Errors: `InputError` where the head, the number of parameters or a weight is not what the configuration implies."""
    import torch

    shared = model.lm_head.weight is model.shared.weight
    if shared == has_own_head(model.config):
        found, expected = ("shared", "its own") if shared else ("its own", "shared")
        raise InputError(f"{where}: the output head is {found}, expected {expected}; was it saved by another version?")
    expected_count, count = expected_parameters(model.config), count_parameters(model)
    if count != expected_count:
        raise InputError(f"{where}: {count:,} parameters, expected {expected_count:,} from its {CONFIG_FILE}")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise InputError(f"{where}: weight {name} is not finite; take a sound copy of the model")


def check_files(folder: Path) -> None:
    """Errors: `InputError` where the folder cannot be a T5 in safetensors. Reads the configuration alone: no torch."""
    try:
        kind = json.loads((folder / CONFIG_FILE).read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder} has no readable {CONFIG_FILE} ({_first_line(error)}): is it a model's folder?"
        ) from error
    if kind != "t5":
        raise InputError(f"{folder} holds a model of type {kind!r}, expected 't5' (FLAN-T5 of any size)")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
        found = f"only {', '.join(pickled)}, which may run code when loaded" if pickled else "no weights"
        raise InputError(
            f"{folder} holds {found}; expected *.safetensors: save it with save_pretrained() of transformers"
        )


def save(model: "T5ForConditionalGeneration", folder: Path, tokenizer_from: Path) -> None:
    """Save a model as plain transformers reads it, with the tokenizer files of another folder unchanged.

    The configuration states whether the head is shared: transformers 5 would write `tie_word_embeddings: true` for
    every T5, and transformers 4 and CTranslate2 would believe it.
    """
    quieten()
    model.save_pretrained(folder)
    path = folder / CONFIG_FILE
    stated = json.loads(path.read_text()) | {"tie_word_embeddings": not has_own_head(model.config)}
    path.write_text(json.dumps(stated, indent=2, sort_keys=True) + "\n")
    copy_tokenizer(tokenizer_from, folder)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files, those that are there."""
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def has_own_head(config: "T5Config") -> bool:
    """Whether `lm_head` has weights of its own, as in T5 1.1 and FLAN-T5."""
    return not config.scale_decoder_outputs


def count_parameters(model: "T5ForConditionalGeneration") -> int:
    """The number of weights, shared ones counted once."""
    return sum(weight.numel() for weight in model.parameters())


def expected_parameters(config: "T5Config") -> int:
    """The number of weights that a T5 configuration implies: 247,577,856 for flan-t5-base.

    Per encoder block: q, k, v, o of self attention, the feed-forward layer and two norms; per decoder block cross
    attention and one norm more; a final norm and a table of relative positions per stack; embeddings, and a head.
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
    """Keep transformers' bars and advice out of our log: what matters of it, we check and say ourselves."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

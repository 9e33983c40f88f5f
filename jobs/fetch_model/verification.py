"""Check that a fetched folder is a T5 that every other job can load."""

from pathlib import Path

from jobs.process.errors import InputError
from jobs.t5 import models
from jobs.t5.files import CONFIG_FILE

GENERATION_CONFIG_FILE = "generation_config.json"


def verify(folder: Path) -> dict[str, int]:
    """Load the model and its tokenizer, and return their numbers of parameters and tokens.

    Adds a generation configuration if the folder has none. Errors: `InputError` (65) if the model is not a valid T5 or the
    tokenizer does not match it.
    """
    model, tokenizer = models.load(folder), models.load_tokenizer(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"the tokenizer has {len(tokenizer):,} tokens, but the model's vocabulary has {model.config.vocab_size:,}: give a "
            "folder in which both are of the same model"
        )
    if (highest := max(tokenizer.get_vocab().values())) >= model.config.vocab_size:
        raise InputError(
            f"the tokenizer has the token id {highest:,}, but the model's vocabulary ends at {model.config.vocab_size - 1:,}: "
            "give a folder in which both are of the same model"
        )
    start, end = (getattr(model.config, name, None) for name in ("decoder_start_token_id", "eos_token_id"))
    if start is None or end != tokenizer.eos_token_id:
        raise InputError(
            f"{CONFIG_FILE} has the decoder_start_token_id {start} and the eos_token_id {end}, expected a start token (0 for FLAN-T5) and "
            f"the end token of the tokenizer, {tokenizer.eos_token_id}: correct the file"
        )
    if not (folder / GENERATION_CONFIG_FILE).is_file():
        model.generation_config.save_pretrained(folder)
    return {"parameters": models.count_parameters(model), "vocabulary": len(tokenizer)}

"""Check that a fetched folder is a T5 that every other job can load."""

from pathlib import Path

from jobs.process.errors import InputError
from jobs.t5 import models

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
    if not (folder / GENERATION_CONFIG_FILE).is_file():
        model.generation_config.save_pretrained(folder)
    return {"parameters": models.count_parameters(model), "vocabulary": len(tokenizer)}

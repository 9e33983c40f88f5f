"""T5: files, loading, prompts, loss, conversion and generation."""

"""T5: loading, prompts, loss, generation."""

"""What texts and models are worth: questions, losses, ROUGE."""

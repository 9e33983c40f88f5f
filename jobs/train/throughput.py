"""Model FLOPs utilisation: the operations that a model needs, as a fraction of what the GPU can do in the same time."""

from transformers import T5Config

from jobs.train import gpus
from jobs.train.batches import Lengths


def training_operations(config: T5Config, lengths: Lengths) -> float:
    """Return the floating-point operations of one forward and backward pass over the rows, without padding.

    6 per weight and token (Kaplan et al. 2020, arXiv 2001.08361): the weights of the encoder, and those of k and v in
    cross-attention, count for source tokens, those of the decoder and the head for target tokens. 12 per layer, dimension and
    pair of tokens in attention (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
    """
    width, inner = config.d_model, config.num_heads * config.d_kv
    encoder_layers, decoder_layers = config.num_layers, config.num_decoder_layers or config.num_layers
    feed_forward = (3 if config.is_gated_act else 2) * width * config.d_ff
    per_source = encoder_layers * (4 * width * inner + feed_forward) + decoder_layers * 2 * width * inner
    per_target = decoder_layers * (6 * width * inner + feed_forward) + width * config.vocab_size
    source, target = lengths.source.astype(float), lengths.target.astype(float)
    pairs = encoder_layers * source**2 + decoder_layers * (target**2 + source * target)
    return float(6 * (per_source * source.sum() + per_target * target.sum()) + 12 * inner * pairs.sum())


def peak_operations(gpu: str | None) -> float | None:
    """Return the bfloat16 peak of a GPU in operations per second, or None for a GPU that is not in the table, or no GPU."""
    found = gpus.find(gpu)
    return None if found is None else found.peak_operations


def utilisation(operations: float, seconds: float, gpu: str | None) -> float | None:
    """Return operations per second as a fraction of the GPU's peak, or None if the peak is not known."""
    peak = peak_operations(gpu)
    return None if peak is None or seconds <= 0 else operations / seconds / peak

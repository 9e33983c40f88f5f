"""How fast training went, and how much of what the GPU could do that was."""

from typing import TYPE_CHECKING

from jobs.train.batches import Lengths

if TYPE_CHECKING:
    from transformers import T5Config

# Dense bfloat16 peaks from the makers' data sheets, in floating-point operations a second; the first name that matches.
PEAK_BF16 = (("H200", 989e12), ("H100", 989e12), ("A100", 312e12), ("A10G", 70e12), ("L4", 121e12))


def training_operations(config: "T5Config", lengths: Lengths) -> float:
    """Floating-point operations of one forward and backward pass over these rows, padding not counted.

    6 per weight and token (Kaplan et al. 2020, arXiv 2001.08361), where a weight of the encoder, and of cross attention's k
    and v, meets source tokens and one of the decoder or the head target tokens; plus 12 per layer, dimension and pair of
    tokens that attend (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
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
    """The GPU's bfloat16 peak in operations a second; None where it is not known, or there is no GPU."""
    words = (gpu or "").replace("-", " ").split()
    return next((peak for name, peak in PEAK_BF16 if name in words), None)


def utilisation(operations: float, seconds: float, gpu: str | None) -> float | None:
    """Model FLOPs utilisation: operations a second that the model needs, over the GPU's peak; None without a known GPU."""
    peak = peak_operations(gpu)
    return None if peak is None or seconds <= 0 else operations / seconds / peak

"""A tiny T5 with FLAN-T5's architecture, to try every job without a download. It learns, but writes poor text.

It has gated GELU, an untied output head, and the given tokenizer or one trained on the catalogue. The same settings and
seed give the same bytes.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from jobs.t5 import models

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
HEAD_WIDTH = 16
VOCABULARY_MULTIPLE = 64  # FLAN-T5 rounds up too: 32,100 tokens, 32,128 rows


def build(folder: Path, tokenizer_folder: Path, width: int, layers: int, seed: int) -> None:
    """Save a randomly initialised T5 to `folder`, with the tokenizer of `tokenizer_folder`.

    `width`: d_model, a multiple of 16, the width of an attention head.
    """
    tokenizer = models.load_tokenizer(tokenizer_folder)
    config = T5Config(  # type: ignore[call-arg]  # its signature leaves out the arguments of its base class
        vocab_size=-(-len(tokenizer) // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
        d_model=width,
        d_kv=HEAD_WIDTH,
        num_heads=width // HEAD_WIDTH,
        d_ff=2 * width,
        num_layers=layers,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        dropout_rate=0.0,  # with FLAN-T5's 0.1, so small a model needs about three times the steps to learn to copy facts
    )
    torch.manual_seed(seed)
    # transformers 5 ties the head here, even if the configuration says otherwise
    model = T5ForConditionalGeneration(config)
    head = torch.randn(config.vocab_size, width) * width**-0.5
    model.lm_head.weight = torch.nn.Parameter(head)
    models.save(model, folder, tokenizer_folder)


def train_tokenizer(texts: Iterable[str], folder: Path, vocabulary: int) -> None:
    """Train a byte-pair tokenizer with T5's special tokens on `texts` and save it to `folder`.

    Byte pairs, not T5's unigrams, because the unigram trainer gives other tokens in each process.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a later fork would warn of its threads
    tokenizer = Tokenizer(BPE(unk_token=UNKNOWN, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=[PAD, END, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, 1)]
    )
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=512
    )
    wrapped.save_pretrained(folder)

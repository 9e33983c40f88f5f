import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.process.errors import InputError
from jobs.t5 import models, tiny
from tests.factories import product

FLAN_T5_BASE: dict[str, Any] = {
    "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 2048, "num_layers": 12, "num_decoder_layers": 12,
    "num_heads": 12, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny T5."""
    folder = tmp_path_factory.mktemp("tiny")
    texts = [
        text for number in range(60) for text in (product(number, "train").title, product(number, "train").content)
    ]
    tiny.train_tokenizer(texts, folder / "tokenizer", 400)
    tiny.build(folder / "model", folder / "tokenizer", width=32, layers=1, seed=1)
    return folder / "model"


@pytest.fixture
def folder(intact: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(intact, tmp_path / "model")


def change_weights(folder: Path, **changes: Any) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path) | {name.replace("__", "."): value for name, value in changes.items()}
    save_file({name: value for name, value in weights.items() if value is not None}, path, {"format": "pt"})


def test_a_loaded_and_saved_model_keeps_its_own_head(folder: Path, tmp_path: Path) -> None:
    import torch

    model = models.load(folder)
    models.save(model, tmp_path / "again", folder)
    again = models.load(tmp_path / "again")
    assert again.lm_head.weight is not again.shared.weight
    assert not again.training
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    assert json.loads((tmp_path / "again" / "config.json").read_text())["tie_word_embeddings"] is False
    assert models.load_tokenizer(tmp_path / "again")("red lamp").input_ids[-1] == 1


def test_flan_t5_base_has_the_published_number_of_parameters() -> None:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(**FLAN_T5_BASE)
    assert models.expected_parameters(config) == 247_577_856
    with torch.device("meta"):
        model = T5ForConditionalGeneration(config)
    tied_by_transformers = config.vocab_size * config.d_model
    assert models.count_parameters(model) == 247_577_856 - tied_by_transformers


def test_the_configuration_tells_whether_a_model_has_its_own_head() -> None:
    from transformers import T5Config

    assert models.has_own_head(T5Config(tie_word_embeddings=False))  # type: ignore[call-arg]
    assert not models.has_own_head(T5Config())
    own, shared = (T5Config(**(FLAN_T5_BASE | {"tie_word_embeddings": tied})) for tied in (False, True))
    assert models.expected_parameters(own) - models.expected_parameters(shared) == 32128 * 768


def test_a_lost_head_is_an_input_error(folder: Path) -> None:
    change_weights(folder, lm_head__weight=None)
    with pytest.raises(InputError, match=r"output head is shared, expected its own|lm_head"):
        models.load(folder)


def test_the_error_names_a_weight_that_is_missing_or_not_finite(folder: Path) -> None:
    import torch

    name = "decoder__final_layer_norm__weight"
    change_weights(folder, **{name: torch.full((32,), float("nan"))})
    with pytest.raises(InputError, match=r"decoder\.final_layer_norm\.weight is not finite"):
        models.load(folder)
    change_weights(folder, **{name: None})
    with pytest.raises(InputError, match=r"decoder\.final_layer_norm\.weight"):
        models.load(folder)


def test_weights_of_more_layers_than_the_configuration_has_are_an_input_error(folder: Path) -> None:
    import torch

    change_weights(folder, decoder__block__1__layer__0__layer_norm__weight=torch.ones(32))
    with pytest.raises(InputError, match=r"unexpected_keys \['decoder\.block\.1"):
        models.load(folder)


def test_truncated_weights_are_an_input_error(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="does not load"):
        models.load(folder)


def test_a_folder_without_a_configuration_is_an_input_error(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"no readable config\.json"):
        models.load(folder)


def test_a_model_of_another_type_is_an_input_error(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="type 'bert', expected 't5'"):
        models.load(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"only pytorch_model\.bin, which can run code"):
        models.load(folder)


def test_a_missing_or_damaged_tokenizer_is_an_input_error(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="does not load"):
        models.load_tokenizer(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        models.load_tokenizer(folder)


def test_a_decoded_text_keeps_its_spaces(folder: Path) -> None:
    text = "made of .925 silver, 6 ' x 4 '"
    pieces = [(token, 0.0) for token in (tiny.PAD, tiny.END, tiny.UNKNOWN)] + [(sign, -1.0) for sign in {*text, "▁"}]
    saved = json.loads((folder / "tokenizer.json").read_text())
    unigram = {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": False}
    (folder / "tokenizer.json").write_text(json.dumps(saved | {"model": unigram}))  # FLAN-T5's is one, too
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clean_up_tokenization_spaces": True}))
    tokenizer = models.load_tokenizer(folder)
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text

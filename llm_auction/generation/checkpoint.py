"""Opening a Hugging Face model directory, with one clear error for each way in which it can be unusable.

Weights are read from safetensors only: a pickle can run code when it is loaded. Code that a directory brings along is
never run, and nobody is asked to allow it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
_WITHOUT_THINKING = "{%- set enable_thinking = false %}"


class ModelDirectoryError(ValueError):
    """A model directory that is missing, half-written, corrupt or in a format that we refuse."""


def check_model_dir(model_dir: Path) -> None:
    """Raise ModelDirectoryError unless the directory holds a readable configuration and all its safetensors weights."""
    from safetensors import SafetensorError, safe_open

    if not model_dir.is_dir():
        raise ModelDirectoryError(f"model directory {model_dir} does not exist")
    config = model_dir / "config.json"
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelDirectoryError(f"{model_dir} has no config.json: not a model directory, or half-written") from None
    except ValueError as error:
        raise ModelDirectoryError(f"{config} is not valid JSON ({error}): half-written or corrupt") from None
    for shard in _weight_files(model_dir):
        try:
            with safe_open(shard, framework="pt") as weights:  # reads and verifies the header against the file's size
                weights.keys()
        except FileNotFoundError:
            raise ModelDirectoryError(f"{shard} is missing: {model_dir} is half-written") from None
        except (SafetensorError, OSError) as error:
            raise ModelDirectoryError(f"{shard} can't be read ({error}): half-written or corrupt") from None


def _weight_files(model_dir: Path) -> list[Path]:
    index = model_dir / WEIGHTS_INDEX
    if index.exists():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError) as error:
            raise ModelDirectoryError(f"{index} can't be read ({error!r}): half-written or corrupt") from None
        return [model_dir / shard for shard in sorted(shards)]
    if (model_dir / WEIGHTS).exists():
        return [model_dir / WEIGHTS]
    pickles = sorted(path.name for pattern in _PICKLES for path in model_dir.glob(pattern))
    if pickles:
        raise ModelDirectoryError(
            f"{model_dir} has its weights only as a pickle ({', '.join(pickles)}), which could run code when loaded: "
            "save the model with safetensors"
        )
    raise ModelDirectoryError(f"{model_dir} has no {WEIGHTS}: half-written, or not a model directory")


@contextmanager
def own_code_refused(model: str | Path) -> Iterator[None]:
    """While Transformers opens `model` with trust_remote_code=False: its advice to set that is no advice for our users.

    Raises:
        ModelDirectoryError: the model needs Python code of its own.
    """
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ModelDirectoryError(f"{model} needs code of its own, which is not run: take another model") from None


def load_tokenizer(model: str | Path) -> Any:
    """The tokenizer of a model directory; ModelDirectoryError when there is none or it has no chat template.

    A template that lets the model think first unless it is told otherwise (Qwen3's hybrid models) is told so here, for
    sampling, scoring and training alike: an answer is what the user reads. Saved beside a trained model it stays so.
    """
    from transformers import AutoTokenizer

    if Path(model).is_dir() and not any((Path(model) / name).exists() for name in TOKENIZERS):
        # Transformers would quietly make an empty tokenizer of the architecture's kind.
        raise ModelDirectoryError(f"{model} has no usable tokenizer: none of {', '.join(TOKENIZERS)} is there")
    try:
        with own_code_refused(model):
            tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{model} has no usable tokenizer: {error}") from None
    if not tokenizer.chat_template:
        raise ModelDirectoryError(
            f"the tokenizer of {model} has no chat template: use an instruction-tuned model, "
            "or put a chat_template.jinja beside its tokenizer"
        )
    template = tokenizer.chat_template
    if isinstance(template, str) and "enable_thinking" in template and not template.startswith(_WITHOUT_THINKING):
        tokenizer.chat_template = _WITHOUT_THINKING + template
    return tokenizer


def load_model(model: str | Path, dtype: str = "float32", device: str = "cpu") -> Any:
    """The causal language model of a directory (or of a Hugging Face name), in evaluation mode.

    Raises:
        ModelDirectoryError: the directory is missing, half-written, corrupt or pickle-only, or needs code of its own.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a bar for every model that is opened would drown a run's own messages
    if isinstance(model, Path) or Path(model).exists() or str(model).count("/") != 1:
        check_model_dir(Path(model))
    with own_code_refused(model):
        loaded = AutoModelForCausalLM.from_pretrained(
            str(model),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            attn_implementation="sdpa",
            trust_remote_code=False,
        )
    return loaded.to(device).eval()


def load_config(model_dir: Path) -> Any:
    """The configuration of a directory's model.

    Raises:
        ModelDirectoryError: it needs code of its own.
    """
    from transformers import AutoConfig

    with own_code_refused(model_dir):
        return AutoConfig.from_pretrained(str(model_dir), trust_remote_code=False)


def empty_model(model_dir: Path) -> Any:
    """The causal language model of a directory without its weights: what can be told of its architecture alone.

    Raises:
        ModelDirectoryError: Transformers knows no such causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"), own_code_refused(model_dir):
            return AutoModelForCausalLM.from_config(load_config(model_dir), trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ModelDirectoryError(f"{model_dir} is no causal language model that can be opened: {error}") from None


def eos_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends an answer: those of the generation config and the tokenizer's own."""
    return _end_tokens(model.generation_config.eos_token_id, tokenizer, model.name_or_path)


def checkpoint_eos(model_dir: Path, tokenizer: Any) -> tuple[int, ...]:
    """`eos_token_ids` of a directory whose weights are not loaded here."""
    from transformers import GenerationConfig

    if (model_dir / "generation_config.json").exists():
        configured = GenerationConfig.from_pretrained(str(model_dir)).eos_token_id
    else:
        configured = getattr(load_config(model_dir), "eos_token_id", None)
    return _end_tokens(configured, tokenizer, str(model_dir))


def _end_tokens(configured: int | list[int] | None, tokenizer: Any, name: str) -> tuple[int, ...]:
    named: list[int | None] = [*configured] if isinstance(configured, list) else [configured]
    ids = {token for token in (*named, tokenizer.eos_token_id) if token is not None}
    if not ids:
        raise ModelDirectoryError(f"neither model nor tokenizer of {name} names an end-of-sequence token")
    return tuple(sorted(ids))

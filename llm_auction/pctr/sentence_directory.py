"""What a sentence-transformers directory says of its text encoder, with one clear error for each way of being unusable.

`modules.json` lists the parts: a Transformer, how its token vectors are pooled into one, and maybe their scaling to
length 1, which we do in any case. Prompts that the model wants before a text: `config_sentence_transformers.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_auction.generation.checkpoint import TOKENIZERS, ModelDirectoryError, check_model_dir

POOLINGS = ("lasttoken", "mean", "cls")
# How older versions of sentence-transformers say it: one of these is true.
_FORMER = {"pooling_mode_lasttoken": "lasttoken", "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


@dataclass(frozen=True, slots=True)
class SentenceDirectory:
    """A text encoder's directory.

    `dimension` is that of its vectors, `max_tokens` the longest text it takes (None: it does not say), and the prompts
    are put before a question or any other text, as it was trained.
    """

    transformer: Path
    pooling: str
    dimension: int
    max_tokens: int | None
    query_prompt: str
    document_prompt: str


def read_sentence_directory(folder: Path) -> SentenceDirectory:
    """What `folder` holds.

    Raises:
        ModelDirectoryError: a part is missing, damaged, a pickle, or of a kind that we can't compute.
    """
    if not folder.is_dir():
        raise ModelDirectoryError(f"there is no such directory: {folder}")
    parts = {str(part["type"]).rsplit(".", 1)[-1]: folder / part["path"] for part in _json(folder / "modules.json")}
    unknown = sorted(parts.keys() - {"Transformer", "Pooling", "Normalize"})
    if unknown or not parts.keys() >= {"Transformer", "Pooling"}:
        raise ModelDirectoryError(
            f"{folder} is made of {', '.join(parts)}: only a Transformer with a Pooling (and Normalize) can be "
            "computed here, as Qwen3-Embedding is"
        )
    transformer = parts["Transformer"]
    check_model_dir(transformer)
    if not any((transformer / name).exists() for name in TOKENIZERS):
        # Transformers would quietly make an empty tokenizer of the architecture's kind.
        raise ModelDirectoryError(f"{transformer} has no tokenizer: none of {', '.join(TOKENIZERS)} is there")
    config = _json(transformer / "config.json")
    width = config.get("text_config", config).get("hidden_size")
    pooling = _json(parts["Pooling"] / "config.json")
    dimension = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension", width))
    if not dimension or dimension != width:
        raise ModelDirectoryError(
            f"{folder} does not tell the dimension of its vectors: {parts['Pooling'] / 'config.json'} says "
            f"{dimension}, hidden_size of {transformer / 'config.json'} is {width}"
        )
    texts = _json(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    limit = _json(transformer / "sentence_bert_config.json", {}).get("max_seq_length")
    return SentenceDirectory(
        transformer,
        _pooling(folder, pooling),
        int(dimension),
        limit or config.get("text_config", config).get("max_position_embeddings"),
        texts.get("query") or "",
        texts.get("document") or "",
    )


def _pooling(folder: Path, config: dict[str, Any]) -> str:
    former = [name for key, name in _FORMER.items() if config.get(key)]
    others = [key for key, value in config.items() if key.startswith("pooling_mode_") and value and key not in _FORMER]
    mode = config.get("pooling_mode", former[0] if len(former) == 1 and not others else [*former, *others])
    if mode not in POOLINGS:
        raise ModelDirectoryError(f"{folder} pools by {mode or 'nothing'}: only {', '.join(POOLINGS)} are known here")
    if config.get("include_prompt") is False:
        raise ModelDirectoryError(f"{folder} leaves its prompt out of the pooling (include_prompt), which we can't")
    return str(mode)


def _json(path: Path, missing: Any = None) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing is not None:
            return missing
        raise ModelDirectoryError(
            f"{path} is missing: not a directory that sentence-transformers has saved, or half-written"
        ) from None
    except ValueError as error:
        raise ModelDirectoryError(f"{path} is not valid JSON ({error}): half-written or corrupt") from None

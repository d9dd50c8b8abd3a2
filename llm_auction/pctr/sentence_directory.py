"""A sentence-transformers directory is refused where the library would quietly make up for what is missing."""

from __future__ import annotations

import json
from pathlib import Path

from llm_auction.generation.checkpoint import TOKENIZERS, ModelDirectoryError, check_model_dir


def check_sentence_directory(folder: Path) -> None:
    """Refuse a text encoder's directory that is not whole.

    Without `modules.json` the library would take the mean of all tokens, whatever the model was trained for; without a
    tokenizer it would make an empty one of the architecture's kind.

    Raises:
        ModelDirectoryError: a part is missing, damaged or a pickle.
    """
    if not folder.is_dir():
        raise ModelDirectoryError(f"there is no such directory: {folder}")
    modules = folder / "modules.json"
    try:
        parts = json.loads(modules.read_text(encoding="utf-8"))
        paths = [part["path"] for part in parts if part["type"].endswith(".Transformer")]
    except FileNotFoundError:
        raise ModelDirectoryError(
            f"{modules} is missing: not a directory that sentence-transformers has saved, or half-written"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise ModelDirectoryError(f"{modules} is not a list of modules ({error}): half-written or corrupt") from None
    for path in paths:
        transformer = folder / path
        check_model_dir(transformer)
        if not any((transformer / name).exists() for name in TOKENIZERS):
            raise ModelDirectoryError(f"{transformer} has no tokenizer: none of {', '.join(TOKENIZERS)} is there")

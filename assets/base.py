"""The base model pi_0: the pretrained Ad-LLM that every arm starts from."""

import json
import shutil
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, DataVersion, MaterializeResult, MetadataValue, asset

from assets.metadata import rounded
from llm_auction.generation.checkpoint import (
    TOKENIZERS,
    ModelDirectoryError,
    check_model_dir,
    empty_model,
    own_code_refused,
)
from llm_auction.generation.prompting import encode_prompts
from llm_auction.hub import WANTED_FILES, is_path, model_dir
from llm_auction.profiles.schema import AdLlmConfig
from resources.model_store import ModelStore
from resources.profile import ProfileResource


@asset(
    group_name="base",
    kinds={"python", "huggingface", "safetensors"},
    owners=["team:ml-platform"],
    code_version="1",
)
def pretrained_ad_llm(
    context: AssetExecutionContext, profile: ProfileResource, model_store: ModelStore
) -> MaterializeResult:
    """The base Ad-LLM as a Hugging Face directory in the model store, under the pointer `ad_llm/base`.

    `ad_llm.base` of the profile names it: "embedded" is the tiny model that ships with the package, anything else a
    local directory or a model of the Hugging Face hub (with its revision), whose commit is kept. It needs safetensors
    weights and a tokenizer with a chat template.
    """
    config = profile.get().ad_llm
    source = base_model_dir(config)
    facts = inspect_model_dir(source)

    def fill(folder: Path) -> None:
        for pattern in WANTED_FILES:
            for file in source.glob(pattern):
                shutil.copyfile(file, folder / file.name)

    origin = {"source": config.base}
    if config.base != "embedded" and not is_path(config.base):
        origin["commit"] = source.name  # of which the hub's cache makes the directory's name, whatever was asked for
        if config.revision is None:
            context.log.warning(
                f"ad_llm.revision is not set: {config.base} may be another model tomorrow. This one is {source.name}"
            )
    model = model_store.publish(
        "ad_llm", "base", fill, {"parent": None, **origin, "revision": config.revision, **facts}
    )
    context.log.info(f"base model {config.base} is version {model.version}")
    size = sum(entry["bytes"] for entry in model.manifest["files"].values())
    return MaterializeResult(
        data_version=DataVersion(model.version),
        metadata={
            "path": MetadataValue.path(str(model.path)),
            **origin,
            "megabytes": rounded(size / 1e6),
            **facts,
        },
    )


def base_model_dir(config: AdLlmConfig) -> Path:
    """The local directory of the configured base model; a hub model is downloaded unless HF_HUB_OFFLINE forbids it.

    Raises:
        ValueError: there is no such directory or model, or it can't be fetched.
    """
    if config.base == "embedded":
        from llm_auction.base import embedded_model_dir

        return embedded_model_dir()
    return model_dir(config.base, config.revision, "ad_llm.base", "embedded")


def inspect_model_dir(folder: Path) -> dict[str, str | int]:
    """Facts about a causal LM's directory: its architecture, context length and vocabulary size.

    Raises:
        ValueError: a part is missing: config, safetensors weights, tokenizer, or chat template; the template can't
            render our prompts; or the model can't be trained.
    """
    if not folder.is_dir():
        raise ValueError(f"ad_llm.base: {folder} is not a directory")
    if not (folder / "config.json").exists():
        raise ValueError(f"ad_llm.base: {folder} has no config.json: it is not a Hugging Face model directory")
    if not list(folder.glob("*.safetensors")):
        other = [file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern)]
        hint = f" (it holds {', '.join(sorted(other))}, which may run code when loaded)" if other else ""
        raise ValueError(
            f"ad_llm.base: {folder} has no safetensors weights{hint}; pickles are not downloaded either: convert them "
            "with save_pretrained"
        )
    try:
        check_model_dir(folder)
    except ModelDirectoryError as error:
        raise ValueError(f"ad_llm.base: {error}") from None
    # Without its files, transformers makes an empty tokenizer of the model's kind rather than an error.
    if not any((folder / name).exists() for name in TOKENIZERS):
        raise ValueError(f"ad_llm.base: {folder} has no tokenizer ({' or '.join(TOKENIZERS)})")
    from transformers import AutoTokenizer

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        with own_code_refused(folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"ad_llm.base: {folder} has no tokenizer or config that can be read: {error}") from error
    if not tokenizer.chat_template:
        raise ValueError(
            f"ad_llm.base: the tokenizer of {folder} has no chat template; take an instruct model, or add "
            "chat_template.jinja"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError(f"ad_llm.base: the tokenizer of {folder} has no end-of-sequence token")
    _render_trial(tokenizer, folder)
    refuse_untrainable(folder)
    return {
        "architecture": str((config.get("architectures") or ["unknown"])[0]),
        "context_tokens": int(config.get("text_config", config).get("max_position_embeddings", 0)),
        "vocabulary": len(tokenizer),
    }


def refuse_untrainable(folder: Path) -> None:
    """Raise ValueError where preference optimisation can't compute the model: its configuration says so.

    Else `ad_llm` would be the first to notice, after all sampling of an iteration.
    """
    from llm_auction.generation.shared_prefix import require_shared_prefix

    try:
        require_shared_prefix(empty_model(folder))
    except ValueError as error:
        raise ValueError(f"ad_llm.base: {error}") from None


def _render_trial(tokenizer: Any, folder: Path) -> None:
    """Raise ValueError unless the chat template takes a system message before the user's, as every prompt has it."""
    from jinja2 import TemplateError

    trial = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Which one?"}]
    try:
        encode_prompts(tokenizer, [trial])
    except TemplateError as error:
        raise ValueError(
            f"ad_llm.base: the chat template of {folder} can't render a system message followed by the user's: "
            f"{error}; take another instruct model, or change its chat_template.jinja"
        ) from None

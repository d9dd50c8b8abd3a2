"""Models by local directory or by their name on the Hugging Face hub; pickles are never downloaded."""

from __future__ import annotations

from pathlib import Path

# What a model's directory may hold that we need; other formats of the weights are left out.
WANTED_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.md", "LICENSE*")
_PATH_BEGINNINGS = (".", "/", "~")  # which no name on the hub has


def is_path(name: str) -> bool:
    """Whether it can only be a local directory's, not that of a model on the hub."""
    return Path(name).expanduser().is_dir() or name.count("/") != 1 or name.startswith(_PATH_BEGINNINGS)


def model_dir(name: str, revision: str | None, field: str, builtin: str) -> Path:
    """The directory of a model; one of the hub is downloaded unless HF_HUB_OFFLINE forbids it.

    Args:
        name: a local directory, or a name on the hub.
        revision: of the hub's model.
        field: of the profile, which errors name.
        builtin: what else that field may say.

    Raises:
        ValueError: there is no such directory or model, or it can't be fetched.
    """
    local = Path(name).expanduser()
    if local.is_dir():
        return local
    if name.startswith(_PATH_BEGINNINGS):
        raise ValueError(f"{field}: there is no such directory: {name}")
    if name.count("/") != 1:
        raise ValueError(
            f'{field}: {name!r} is neither "{builtin}", nor an existing directory, nor a model name such as '
            "Qwen/Qwen3-4B-Instruct-2507"
        )
    return _snapshot(name, revision, field)


def _snapshot(name: str, revision: str | None, field: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(WANTED_FILES)))
    except Exception as error:  # the hub's client raises half a dozen unrelated types; all mean: not available
        at = f" at revision {revision}" if revision else ""
        raise ValueError(
            f"{field}: can't get {name!r}{at} from the Hugging Face hub{_what_to_do(error)}: {error}"
        ) from error


def _what_to_do(error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    if HF_HUB_OFFLINE:
        return " (HF_HUB_OFFLINE allows cached models only)"
    if isinstance(error, GatedRepoError):
        return " (it is gated: accept its terms on its page, then log in with `hf auth login` or set HF_TOKEN)"
    if isinstance(error, RepositoryNotFoundError):
        return " (there is no such model, or it is private: check the name, or log in with `hf auth login`)"
    if isinstance(error, (LocalEntryNotFoundError, ConnectionError)):
        return " (no network, and it is not in the cache: download it elsewhere and name its directory)"
    return ""

"""The model store: one directory a version, named by its content, and pointers that move atomically.

`{data_dir}/models/{kind}/{version}/` holds the files and `manifest.json`, written last: a directory without it is an
unfinished write. `{data_dir}/models/pointers/{kind}/{pointer}.json` says which version a name means
(`ad_llm`: `base`, `<arm>/<iteration>`; `pctr`: `<arm>/<iteration>`, `nightly/<day>`; both: `champion`, see
`resources.champion`). Nothing is ever found by sorting names.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import ConfigurableResource
from filelock import FileLock
from pydantic import Field

from resources.storage import aside_path, flush_to_disk, sha256_of, storage_errors, write_json_atomically

MANIFEST = "manifest.json"
# The pointer that serving follows; only `resources.champion` moves it.
CHAMPION = "champion"
# Formats that run code when they are loaded.
UNSAFE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".h5"})


class ModelStoreError(ValueError):
    """A model is missing, half-written, corrupt or in an unsafe format: the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model: its directory, its content hash, and its manifest (`files` and `metadata`)."""

    path: Path
    version: str
    manifest: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        """What the publisher said: parent, arm, iteration, data versions, metrics, code version."""
        return dict(self.manifest["metadata"])


class ModelStore(ConfigurableResource):
    """Publishes and resolves models. Two runs may publish side by side; a reader sees whole versions only."""

    data_dir: str = Field(description="The data directory of the run.")

    @property
    def root(self) -> Path:
        return Path(self.data_dir) / "models"

    def publish(
        self, kind: str, pointer: str, fill: Callable[[Path], None], metadata: Mapping[str, Any]
    ) -> ModelVersion:
        """Store what `fill` writes into the directory it is given, and let `pointer` mean it.

        Raises:
            ModelStoreError: `fill` wrote nothing, or a file in an unsafe format.
            StorageError: the data directory is full or not writable. The pointer keeps its earlier meaning.
        """
        with storage_errors(self.root):
            aside = aside_path(self.root)
            aside.mkdir()
            try:
                fill(aside)
                files = _inventory(aside)
                _reject_unsafe(files, f"{kind}/{pointer}")
                version = _version(files)
                self._store(kind, version, aside, {"files": files, "metadata": dict(metadata)})
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            write_json_atomically(
                self.pointer_path(kind, pointer), {"version": version, "metadata": dict(metadata)}, self.root
            )
        return self.resolve(kind, pointer)

    def exists(self, kind: str, pointer: str) -> bool:
        """Whether the pointer is set; `resolve` says whether its model is sound."""
        return self.pointer_path(kind, pointer).exists()

    def resolve(self, kind: str, pointer: str) -> ModelVersion:
        """The version that `pointer` means, checked file by file against its manifest.

        Raises:
            ModelStoreError: it is missing, half-written or corrupt.
        """
        version, metadata = self.about(kind, pointer)
        folder = self.root / kind / version
        fault = _fault(folder)
        if fault is not None:
            raise ModelStoreError(f"model {kind}/{pointer} at {folder} {fault}: {_how_to_make(kind, pointer)}")
        return ModelVersion(folder, version, {**_manifest(folder), "metadata": metadata})

    def about(self, kind: str, pointer: str) -> tuple[str, dict[str, Any]]:
        """The version that `pointer` means and what its publisher said, without a look at its files.

        Raises:
            ModelStoreError: the pointer is missing or damaged.
        """
        path = self.pointer_path(kind, pointer)
        if not path.exists():
            raise ModelStoreError(f"no model {kind}/{pointer} in {self.root}: {_how_to_make(kind, pointer)}")
        try:
            target = json.loads(path.read_text(encoding="utf-8"))
            return str(target["version"]), dict(target["metadata"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelStoreError(f"pointer {path} is damaged ({error}): {_how_to_make(kind, pointer)}") from error

    def version(self, kind: str, version: str) -> ModelVersion:
        """A stored version by its content hash, checked like `resolve` does, with the metadata of its first pointer.

        Raises:
            ModelStoreError: it is missing, half-written or corrupt.
        """
        if version not in self.versions(kind):
            raise ModelStoreError(f"no version {version} of {kind} in {self.root / kind}: `llm-auction models list`")
        folder = self.root / kind / version
        fault = _fault(folder)
        if fault is not None:
            raise ModelStoreError(f"version {version} of {kind} at {folder} {fault}: materialize what made it again")
        return ModelVersion(folder, version, _manifest(folder))

    def versions(self, kind: str) -> list[str]:
        """The content hashes of the completely written versions of a kind, in no meaningful order."""
        return [marker.parent.name for marker in (self.root / kind).glob(f"*/{MANIFEST}")]

    def pointers(self, kind: str) -> dict[str, str]:
        """Every pointer of a kind by name, and the version that it means; damaged pointers are left out."""
        folder = self.root / "pointers" / kind
        found = {}
        for path in sorted(folder.rglob("*.json")):
            try:
                found[path.relative_to(folder).with_suffix("").as_posix()] = str(
                    json.loads(path.read_text(encoding="utf-8"))["version"]
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def pointer_path(self, kind: str, pointer: str) -> Path:
        """The file of a pointer, whether or not it is set."""
        return self.root / "pointers" / kind / f"{pointer}.json"

    def _store(self, kind: str, version: str, aside: Path, manifest: Mapping[str, Any]) -> None:
        """Move the finished directory to its place; a sound directory of the same content is kept as it is."""
        folder = self.root / kind / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f".{kind}-{version}.lock"):
            if folder.exists():
                if _fault(folder) is None:
                    return
                shutil.rmtree(folder)
            write_json_atomically(aside / MANIFEST, manifest, self.root)
            os.rename(aside, folder)
            flush_to_disk(folder.parent)


def _inventory(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and SHA-256 of every file below `folder`, flushed to disk, by relative path."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            flush_to_disk(path)
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    return files


def _reject_unsafe(files: Mapping[str, Any], name: str) -> None:
    if not files:
        raise ModelStoreError(f"model {name} is empty: nothing was written into its directory")
    unsafe = sorted(file for file in files if Path(file).suffix.lower() in UNSAFE_SUFFIXES)
    if unsafe:
        raise ModelStoreError(
            f"model {name} holds {', '.join(unsafe)}, a format that may run code when it is loaded: "
            "only safetensors are taken (convert it with save_pretrained(safe_serialization=True))"
        )


def _version(files: Mapping[str, Mapping[str, Any]]) -> str:
    lines = "\n".join(f"{name} {entry['sha256']}" for name, entry in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _fault(folder: Path) -> str | None:
    """What is wrong with a stored directory; None when every file is as its manifest says."""
    if not folder.is_dir():
        return "is gone"
    if not (folder / MANIFEST).exists():
        return f"is half-written (no {MANIFEST})"
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"is corrupt ({MANIFEST} can't be read)"
    for name, entry in files.items():
        file = folder / name
        if not file.is_file():
            return f"is corrupt ({name} is gone)"
        if file.stat().st_size != entry["bytes"] or sha256_of(file) != entry["sha256"]:
            return f"is corrupt ({name} is not what the manifest says)"
    return None


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def _how_to_make(kind: str, pointer: str) -> str:
    if (kind, pointer) == ("ad_llm", "base"):
        return "materialize pretrained_ad_llm"
    if pointer == CHAMPION:
        return f"promote one with `llm-auction models promote {kind} NAME`"
    if kind == "pctr" and pointer.startswith("nightly/"):
        return f"materialize nightly_pctr_model[{pointer.removeprefix('nightly/')}]"
    asset = {"ad_llm": "ad_llm", "pctr": "pctr_model"}.get(kind, kind)
    return f"materialize {asset}[{pointer.replace('/', '|')}]"

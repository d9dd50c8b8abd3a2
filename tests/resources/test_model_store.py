"""The model store: whole versions or none, pointers that move atomically, one clear error for each kind of damage."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.model_store import MANIFEST, ModelStore, ModelStoreError
from resources.storage import StorageError


def fill(content: str, name: str = "model.safetensors") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content)
        (folder / "tokenizer").mkdir()
        (folder / "tokenizer" / "vocab.json").write_text("{}")

    return write


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(data_dir=str(tmp_path))


def test_publish_and_resolve(store: ModelStore) -> None:
    made = store.publish("ad_llm", "llm_auction/01", fill("weights"), {"parent": "abc", "iteration": "01"})
    found = store.resolve("ad_llm", "llm_auction/01")
    assert found == made
    assert found.path.name == found.version
    assert found.metadata["parent"] == "abc"
    assert set(found.manifest["files"]) == {"model.safetensors", "tokenizer/vocab.json"}
    assert json.loads((found.path / MANIFEST).read_text())["files"]["model.safetensors"]["bytes"] == len("weights")


def test_same_content_is_the_same_version_and_each_pointer_keeps_its_metadata(store: ModelStore) -> None:
    first = store.publish("ad_llm", "a/01", fill("weights"), {"arm": "a"})
    second = store.publish("ad_llm", "b/01", fill("weights"), {"arm": "b"})
    assert first.version == second.version
    assert store.resolve("ad_llm", "a/01").metadata == {"arm": "a"}
    assert store.resolve("ad_llm", "b/01").metadata == {"arm": "b"}


def test_pointer_moves_and_the_earlier_version_stays(store: ModelStore) -> None:
    first = store.publish("ad_llm", "a/01", fill("one"), {"n": 1})
    second = store.publish("ad_llm", "a/01", fill("two"), {"n": 2})
    assert store.resolve("ad_llm", "a/01").version == second.version != first.version
    assert store.version("ad_llm", first.version) == first
    assert set(store.versions("ad_llm")) == {first.version, second.version}
    assert store.pointers("ad_llm") == {"a/01": second.version}


def test_an_unknown_version_is_one_clear_error(store: ModelStore) -> None:
    with pytest.raises(ModelStoreError, match=r"no version \.\./x of ad_llm .*models list"):
        store.version("ad_llm", "../x")
    made = store.publish("ad_llm", "a/01", fill("one"), {})
    (made.path / "model.safetensors").write_text("other")
    with pytest.raises(ModelStoreError, match=r"version .* is not what the manifest says"):
        store.version("ad_llm", made.version)


@pytest.mark.parametrize(
    ("kind", "pointer", "hint"),
    [
        ("ad_llm", "base", "materialize pretrained_ad_llm"),
        ("ad_llm", "oracle/02", r"materialize ad_llm\[oracle\|02\]"),
        ("pctr", "oracle/02", r"materialize pctr_model\[oracle\|02\]"),
        ("pctr", "nightly/2026-01-05", r"materialize nightly_pctr_model\[2026-01-05\]"),
        ("pctr", "champion", "llm-auction models promote pctr"),
    ],
)
def test_missing_model_says_what_to_materialize(store: ModelStore, kind: str, pointer: str, hint: str) -> None:
    with pytest.raises(ModelStoreError, match=f"no model {kind}/{pointer} .*{hint}"):
        store.resolve(kind, pointer)


def _cut(path: Path) -> None:
    (path / "model.safetensors").write_text("weigh")


def _flip(path: Path) -> None:
    (path / "model.safetensors").write_text("weightz")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / MANIFEST).unlink(), "half-written"),
        (lambda path: (path / MANIFEST).write_text("{"), "manifest.json can't be read"),
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors is gone"),
        (_cut, "model.safetensors is not what the manifest says"),
        (_flip, "model.safetensors is not what the manifest says"),
    ],
)
def test_damage_is_found_and_publishing_again_repairs_it(
    store: ModelStore, damage: Callable[[Path], object], message: str
) -> None:
    made = store.publish("ad_llm", "a/01", fill("weights"), {})
    damage(made.path)
    with pytest.raises(ModelStoreError, match=rf"ad_llm/a/01 .*{message}.*materialize ad_llm\[a\|01\]"):
        store.resolve("ad_llm", "a/01")
    store.publish("ad_llm", "a/01", fill("weights"), {})
    assert store.resolve("ad_llm", "a/01").version == made.version


def test_damaged_pointer_is_one_clear_error(store: ModelStore) -> None:
    store.publish("ad_llm", "a/01", fill("weights"), {})
    (store.root / "pointers" / "ad_llm" / "a" / "01.json").write_text("[]")
    with pytest.raises(ModelStoreError, match=r"pointer .*01.json is damaged"):
        store.resolve("ad_llm", "a/01")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.pt", "model.pkl"])
def test_formats_that_run_code_are_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(ModelStoreError, match=f"{name}.*only safetensors"):
        store.publish("ad_llm", "a/01", fill("weights", name), {})
    assert not store.exists("ad_llm", "a/01")


def test_empty_model_is_refused(store: ModelStore) -> None:
    with pytest.raises(ModelStoreError, match="empty"):
        store.publish("ad_llm", "a/01", lambda folder: None, {})


def test_full_disk_keeps_the_earlier_model(store: ModelStore) -> None:
    first = store.publish("ad_llm", "a/01", fill("one"), {})

    def full(folder: Path) -> None:
        (folder / "model.safetensors").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match="the disk is full"):
        store.publish("ad_llm", "a/01", full, {})
    assert store.resolve("ad_llm", "a/01").version == first.version
    assert list((store.root / ".aside").iterdir()) == []


def test_an_error_of_the_maker_is_not_disguised(store: ModelStore) -> None:
    def fail(folder: Path) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.publish("ad_llm", "a/01", fail, {})


def test_two_processes_publish_the_same_content_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from resources.model_store import ModelStore\n"
        "store = ModelStore(data_dir=sys.argv[1])\n"
        "for number in range(20):\n"
        "    store.publish('ad_llm', f'{sys.argv[2]}/{number}', "
        "lambda folder: (folder / 'm.safetensors').write_text(str(number)) and None, {})\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), arm]) for arm in ("a", "b")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    store = ModelStore(data_dir=str(tmp_path))
    for number in range(20):
        assert store.resolve("ad_llm", f"a/{number}").version == store.resolve("ad_llm", f"b/{number}").version

"""The dbt project: where it lies, the executable that runs it, and what dbt knows of it without a database.

That is made when it is missing or the project has changed since, by `dbt parse`, which needs neither network nor data.
There are two files of it: the manifest, for Dagster's definitions, and the parsed project itself, for dbt.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"

# What the sources' places hang on, and what stands there in the parsed project (`resources.dbt_process` fills it in).
PARSED_VARS = {name: f"@{name}@" for name in ("data_dir", "arm", "iteration")}


class DbtProjectError(RuntimeError):
    """The dbt project can't be parsed; the message holds what dbt says about it."""


def dbt_executable() -> str:
    """dbt of the running Python's environment, so that it is found when the environment is not activated.

    Raises:
        FileNotFoundError: there is none, nor one on PATH.
    """
    beside = Path(sys.executable).parent / "dbt"
    found = str(beside) if beside.exists() else shutil.which("dbt")
    if found is None:
        raise FileNotFoundError(f"no dbt beside {sys.executable} and none on PATH: run `make install`")
    return found


def dbt_manifest(project_dir: Path = PROJECT_DIR) -> Path:
    """The manifest (JSON) of the project as it is now, parsed first when there is none yet.

    Raises:
        DbtProjectError: dbt can't parse the project.
    """
    return _parsed(project_dir) / "manifest.json"


def parsed_project(project_dir: Path = PROJECT_DIR) -> Path:
    """The project as it is now, in the form in which dbt keeps what it has parsed (msgpack); as `dbt_manifest`."""
    return _parsed(project_dir) / "partial_parse.msgpack"


def _parsed(project_dir: Path) -> Path:
    """The folder of both files, named by a hash of the project's files and dbt's versions.

    One that exists is never stale, and two processes that make it at once make the same.
    """
    target = project_dir / "target"
    parsed = target / f"parsed-{_fingerprint(project_dir)}"
    if not parsed.exists():
        target.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix="parse-") as folder:
            made = Path(folder) / "made"
            _parse(project_dir, made)
            try:
                made.rename(parsed)
            except OSError:
                if not parsed.exists():  # else another process was first
                    raise
        for older in target.glob("parsed-*"):
            if older != parsed:
                shutil.rmtree(older, ignore_errors=True)
    return parsed


def _parse(project_dir: Path, target: Path) -> None:
    folders = ["--project-dir", project_dir, "--profiles-dir", project_dir, "--target-path", target]
    named = ["--vars", json.dumps(PARSED_VARS)]
    done = subprocess.run(
        [dbt_executable(), "--quiet", "parse", *map(str, folders), "--log-path", str(target), *named],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    if done.returncode != 0 or not (target / "manifest.json").exists():
        raise DbtProjectError(f"dbt can't parse {project_dir}:\n{done.stdout}{done.stderr}")


def _fingerprint(project_dir: Path) -> str:
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')} {PARSED_VARS}".encode())
    sources = [path for path in project_dir.rglob("*") if path.suffix in {".sql", ".yml"} and path.is_file()]
    for path in sorted(sources):
        relative = path.relative_to(project_dir)
        if relative.parts[0] not in {"target", "logs"} and path.name != ".user.yml":
            digest.update(f"\0{relative.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]

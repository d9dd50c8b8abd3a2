"""dbt on the project as it was parsed once: `python -m resources.dbt_process build --vars '{"data_dir": ...}' ...`.

dbt parses the whole project anew whenever its vars change, and every partition has its own: about half of the
processor time of a small partition's build. This takes the parsed project from `parsed_project`, puts the run's vars
where the parser had read them, and hands it to dbt (`dbtRunner(manifest=...)`); models, macros and tests read their
vars when they are compiled. Arguments, output and exit status are dbt's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder

from resources.dbt_project import PARSED_VARS, parsed_project

FAILED, ERROR = 1, 2  # dbt's own: a model or test failed; the command could not be carried out


def main(arguments: Sequence[str]) -> int:
    """Run one dbt command; `--vars` is JSON.

    Returns:
        The exit status that dbt's own executable would have.
    """
    manifest = Manifest.from_msgpack(parsed_project().read_bytes(), decoder=extended_mashumuro_decoder)
    fill_in(manifest, variables_of(arguments))
    result = dbtRunner(manifest=manifest).invoke(list(arguments))
    if result.exception is not None:
        print(result.exception, file=sys.stderr)
        return ERROR
    return 0 if result.success else FAILED


def variables_of(arguments: Sequence[str]) -> dict[str, str]:
    """The vars of a dbt command."""
    return json.loads(arguments[list(arguments).index("--vars") + 1]) if "--vars" in arguments else {}


def fill_in(manifest: Manifest, variables: Mapping[str, str]) -> None:
    """Put the vars into the places of the sources, which the parser has read with placeholders.

    A var that is not given stays a placeholder, and a source that needs it is not found.
    """
    for source in manifest.sources.values():
        for meta in (source.meta, source.config.meta):
            for name in PARSED_VARS & variables.keys():
                value = str(variables[name]).replace("'", "''")
                meta["external_location"] = meta["external_location"].replace(PARSED_VARS[name], value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One side of the nightly refit's benchmark: `python -m tests.benchmarks.nightly_process SIDE FOLDER [LIMIT]`.

Reads the warehouse in FOLDER and prints one JSON line: processor seconds and peak bytes. LIMIT is the setting
`nightly.max_impressions`; without it the profile's counts.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import timedelta
from pathlib import Path

from dagster import materialize

from assets.click_log_feedback import IMPRESSIONS_SQL
from assets.nightly_pctr_model import nightly_pctr_model
from llm_auction.profiles.schema import NightlyConfig
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.benchmarks.records import seconds
from tests.click_log_warehouse import FIRST

WINDOW_DAYS = NightlyConfig().window_days


def plain(folder: Path) -> None:
    """Words of question, answer and ad, hashed; one pass of stochastic gradient descent; the newest day predicted."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    model, hashed = SGDClassifier(loss="log_loss", random_state=0), HashingVectorizer(n_features=2**18)
    for number in range(WINDOW_DAYS + 1):
        day = FIRST + timedelta(days=number)
        bounds = {"first": day, "last": day, "salt": "", "kept": 1_000_000}
        frame = Warehouse(data_dir=str(folder)).query(IMPRESSIONS_SQL, bounds)
        texts = (f"{row['query']} {row['answer']} ad{row['ad_id']}" for row in frame.iter_rows(named=True))
        inputs = hashed.transform(texts)
        if number < WINDOW_DAYS:
            model.partial_fit(inputs, frame["clicked"].to_numpy(), classes=[False, True])
        else:
            model.predict_proba(inputs)


def ours(folder: Path, limit: str | None = None) -> None:
    """The asset `nightly_pctr_model` of the newest day."""
    data_dir = str(folder)
    overrides = {} if limit is None else {"nightly.max_impressions": limit}
    assert materialize(
        [nightly_pctr_model],
        partition_key=str(FIRST + timedelta(days=WINDOW_DAYS)),
        resources={
            "lake": Lake(data_dir=data_dir),
            "warehouse": Warehouse(data_dir=data_dir),
            "model_store": ModelStore(data_dir=data_dir),
            "profile": ProfileResource(profile="laptop", overrides=overrides),
        },
    ).success


if __name__ == "__main__":
    side = {"plain": plain, "ours": ours}[sys.argv[1]]
    started = seconds()
    side(Path(sys.argv[2]), *sys.argv[3:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    print(json.dumps({"seconds": seconds() - started, "bytes": peak}))

"""The fitted reward model: predicts click probabilities, and is saved as safetensors with a config.json.

The weights are written first and `config.json` last, with the checksum of the weights in it: a directory without it was
never finished, one whose checksum differs is corrupt.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_auction.pctr.calibration import Calibration
from llm_auction.pctr.conversion_head import ConversionHead
from llm_auction.pctr.encoders import TextEncoder, open_encoder
from llm_auction.pctr.features import DENSE_FIELDS, Features, build_features
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.language_encoder import AUTOMATIC, EncoderPlacement
from llm_auction.pctr.topics import LatentTopics

if TYPE_CHECKING:
    from llm_auction.pctr.network import PctrNetwork

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_ROWS_PER_BATCH = 8192
_IMPRESSIONS_PER_BATCH = 50_000


class CorruptPctrModel(ValueError):
    """A directory that holds no complete pCTR model."""


@dataclass(frozen=True, slots=True)
class PctrSettings:
    """What shapes the network. Embedding rows follow the id lists; row 0 is "unknown"."""

    encoder: str
    use_answer_features: bool
    text_dim: int
    topic_dim: int
    style_dim: int
    user_dim: int
    ad_dim: int
    hidden: tuple[int, ...]
    dropout: float
    users: tuple[str, ...]
    ads: tuple[str, ...]
    categories: tuple[str, ...]
    encoder_revision: str | None = None
    encoder_max_tokens: int | None = None

    def network(self) -> PctrNetwork:
        """A network of this shape with fresh weights (from torch's generator)."""
        from llm_auction.pctr.network import PctrNetwork

        return PctrNetwork(
            text_dim=self.text_dim,
            topic_dim=self.topic_dim,
            style_dim=self.style_dim,
            dense_dim=len(DENSE_FIELDS),
            users=len(self.users) + 1,
            ads=len(self.ads) + 1,
            categories=len(self.categories) + 1,
            user_dim=self.user_dim,
            ad_dim=self.ad_dim,
            hidden=self.hidden,
            dropout=self.dropout,
        )


@dataclass
class PctrModel:
    """An ensemble of networks whose mean logit is calibrated; `metrics` are those of its fit.

    `conversion` is the head for pCVR, where conversions are part of the objective. `encoder_runs` is this machine's and
    is not saved.
    """

    settings: PctrSettings
    networks: list[PctrNetwork]
    topics: LatentTopics
    calibration: Calibration = field(default_factory=Calibration)
    metrics: dict[str, Any] = field(default_factory=dict)
    conversion: ConversionHead | None = None
    encoder_runs: EncoderPlacement = AUTOMATIC

    def predict(self, impressions: Sequence[Impression]) -> np.ndarray:
        """pCTR (Eq. 3) of each impression, in (0, 1)."""
        parts = [
            self.calibration.apply(self.logits(self.features(impressions[start : start + _IMPRESSIONS_PER_BATCH])))
            for start in range(0, len(impressions), _IMPRESSIONS_PER_BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def predict_conversions(self, impressions: Sequence[Impression]) -> np.ndarray:
        """pCVR of each impression, in (0, 1): the chance of a conversion given a click; the answer is not read.

        Raises:
            ValueError: the model was fitted without conversions.
        """
        if self.conversion is None:
            raise ValueError("this reward model knows nothing of conversions: fit it with reward.bids_on = conversions")
        return self.conversion.rates(self.relation_features(impressions))

    def relation_features(self, impressions: Sequence[Impression]) -> Features:
        """What the conversion head reads: how query, profile and ad relate, without the answer."""
        return build_features(impressions, self._encoder(), self.topics, use_answer_features=False)

    def features(self, impressions: Sequence[Impression]) -> Features:
        """The inputs of the networks for `impressions`."""
        read = self.settings.use_answer_features
        return build_features(impressions, self._encoder(), self.topics, use_answer_features=read)

    def _encoder(self) -> TextEncoder:
        settings = self.settings
        return open_encoder(settings.encoder, settings.encoder_revision, settings.encoder_max_tokens, self.encoder_runs)

    def logits(self, features: Features) -> np.ndarray:
        """Mean logit of the ensemble, before calibration."""
        import torch

        inputs = network_inputs(features, self.settings)
        total = np.zeros(len(features))
        with torch.inference_mode():
            for network in self.networks:
                network.eval()
                for start in range(0, len(features), _ROWS_PER_BATCH):
                    rows = slice(start, start + _ROWS_PER_BATCH)
                    total[rows] += network(*batch_of(inputs, rows)).numpy()
        return total / len(self.networks)

    def save(self, directory: Path | str) -> None:
        """Write the model; `config.json` is the completion marker and comes last."""
        import torch
        from safetensors.torch import save_file

        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG_FILE).unlink(missing_ok=True)
        tensors = {
            f"members.{index}.{name}": tensor.contiguous()
            for index, network in enumerate(self.networks)
            for name, tensor in network.state_dict().items()
        }
        tensors["topics"] = torch.from_numpy(self.topics.vectors)
        save_file(tensors, directory / WEIGHTS_FILE)
        config = {
            "format": FORMAT,
            "kind": "pctr",
            "settings": asdict(self.settings),
            "members": len(self.networks),
            "calibration": asdict(self.calibration),
            "dense_fields": list(DENSE_FIELDS),
            "terms": list(self.topics.terms),
            "metrics": self.metrics,
            "weights_sha256": hashlib.sha256((directory / WEIGHTS_FILE).read_bytes()).hexdigest(),
        }
        if self.conversion is not None:
            config["conversion"] = asdict(self.conversion)
        aside = directory / f".{CONFIG_FILE}.part"
        aside.write_text(json.dumps(config, indent=2), encoding="utf-8")
        os.replace(aside, directory / CONFIG_FILE)

    @classmethod
    def load(cls, directory: Path | str, encoder_runs: EncoderPlacement = AUTOMATIC) -> PctrModel:
        """Read a model that `save` wrote, whose encoder runs as `encoder_runs` says.

        Raises:
            CorruptPctrModel: the directory is missing, half-written, damaged, or of another version.
        """
        from safetensors.torch import load

        directory = Path(directory)
        config = _read_config(directory)
        try:
            weights = (directory / WEIGHTS_FILE).read_bytes()
        except OSError as error:
            raise CorruptPctrModel(
                f"pCTR model {directory}: can't read {WEIGHTS_FILE} ({error}); fit it again"
            ) from error
        if hashlib.sha256(weights).hexdigest() != config["weights_sha256"]:
            raise CorruptPctrModel(
                f"pCTR model {directory}: {WEIGHTS_FILE} doesn't match the checksum in {CONFIG_FILE}; fit it again"
            )
        try:
            tensors = load(weights)
            settings = PctrSettings(**_with_tuples(config["settings"]))
            networks = []
            for index in range(config["members"]):
                network = settings.network()
                prefix = f"members.{index}."
                network.load_state_dict(
                    {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
                )
                networks.append(network)
            topics = LatentTopics(tuple(config["terms"]), tensors["topics"].numpy())
            head = ConversionHead(**_with_tuples(config["conversion"])) if "conversion" in config else None
            calibration = Calibration(**config["calibration"])
            return cls(settings, networks, topics, calibration, config["metrics"], head, encoder_runs)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CorruptPctrModel(
                f"pCTR model {directory}: {CONFIG_FILE} doesn't fit the weights ({error})"
            ) from error


def network_inputs(features: Features, settings: PctrSettings) -> dict[str, Any]:
    """The arrays of `features` as tensors, ids as rows of the embeddings."""
    import torch

    def rows(ids: np.ndarray, known: tuple[str, ...]) -> torch.Tensor:
        place = {name: index for index, name in enumerate(known, start=1)}
        return torch.tensor([place.get(name, 0) for name in ids], dtype=torch.long)

    return {
        "vectors": torch.from_numpy(features.vectors),
        "topics": torch.from_numpy(features.topics),
        "text": torch.from_numpy(features.text),
        "styles": torch.from_numpy(features.styles),
        "style": torch.from_numpy(features.style),
        "dense": torch.from_numpy(features.dense),
        "user": rows(features.user, settings.users),
        "ad": rows(features.ad, settings.ads),
        "category": rows(features.category, settings.categories),
    }


def batch_of(inputs: dict[str, Any], rows: Any) -> list[Any]:
    """The arguments of the network for some rows; the tables of vectors go along whole."""
    return [tensor if name in ("vectors", "topics", "styles") else tensor[rows] for name, tensor in inputs.items()]


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON made of the fields of a frozen dataclass: its tuples have become lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise CorruptPctrModel(
            f"pCTR model {directory}: no {CONFIG_FILE}, so it was never completely written; fit it again"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        complete = config["format"] == FORMAT and config["kind"] == "pctr" and bool(config["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptPctrModel(
            f"pCTR model {directory}: {CONFIG_FILE} can't be read ({error}); fit it again"
        ) from error
    if not complete or config["dense_fields"] != list(DENSE_FIELDS):
        raise CorruptPctrModel(f"pCTR model {directory}: written by another version of the features; fit it again")
    return config

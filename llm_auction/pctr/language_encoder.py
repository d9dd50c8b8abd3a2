"""A frozen language model as text encoder: a sentence-transformers model such as Qwen3-Embedding.

A question is read behind the instruction that the model wants before one, any other text as a document. How tokens are
pooled is the model's own; vectors are scaled to length 1.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.device import device_and_dtype
from llm_auction.generation.checkpoint import ModelDirectoryError
from llm_auction.generation.memory import out_of_memory_says
from llm_auction.hub import model_dir
from llm_auction.pctr.sentence_directory import check_sentence_directory
from llm_auction.profiles.schema import PctrConfig


@dataclass(frozen=True, slots=True)
class EncoderPlacement:
    """How an encoder is run on this machine, which changes its vectors by no more than rounding.

    `device` and `dtype` as in `llm_auction.device`; `batch_size` texts go through it together.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 32

    @classmethod
    def of(cls, config: PctrConfig) -> EncoderPlacement:
        return cls(config.encoder_device, config.encoder_dtype, config.encoder_batch_size)


AUTOMATIC = EncoderPlacement()


class LanguageModelEncoder:
    """The encoder `name`, a directory or a name on the Hugging Face hub; see `TextEncoder`. Needs the extra `encoders`.

    Texts longer than `max_tokens` (None: than the model takes) are cut, with a warning that counts them.

    Raises:
        ImportError: sentence-transformers is not installed.
        ValueError: the model can't be had or loaded, takes fewer tokens than asked, or its device isn't there.
        MemoryError: its device has too little memory for a batch of texts.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        max_tokens: int | None = None,
        runs: EncoderPlacement = AUTOMATIC,
    ) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ImportError(
                f"pctr.encoder {name!r} needs the package sentence-transformers: pip install 'llm-auction[encoders]', "
                'or set pctr.encoder to "hashing"'
            ) from error
        folder = model_dir(name, revision, "pctr.encoder", "hashing")
        try:
            check_sentence_directory(folder)
        except ModelDirectoryError as error:
            raise ValueError(f"pctr.encoder: {error}") from None
        device, dtype = device_and_dtype(runs.device, runs.dtype, "pctr.encoder_device")
        try:
            self._model = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                model_kwargs={"dtype": dtype, "use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"pctr.encoder: {folder} can't be loaded: {error}") from error
        longest = self._model.get_max_seq_length()
        if max_tokens is not None and longest is not None and max_tokens > longest:
            raise ValueError(
                f"pctr.encoder_max_tokens is {max_tokens}, and {name} takes {longest} tokens at most: lower it"
            )
        if max_tokens is not None:
            self._model.max_seq_length = max_tokens
        self._batch_size = runs.batch_size
        self.name = name
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode(texts, "query")

    def _encode(self, texts: Sequence[str], task: str) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        said = [row for row, text in enumerate(texts) if text]
        if not said:
            return vectors
        prompt = self._model.prompts.get(task) or ""
        self._count_cuts([prompt + texts[row] for row in said])
        with out_of_memory_says(
            f"encoding {min(self._batch_size, len(said))} texts together; lower pctr.encoder_batch_size (it is "
            f"{self._batch_size}) or pctr.encoder_max_tokens"
        ):
            vectors[said] = self._model.encode(
                [texts[row] for row in said],
                prompt=prompt,
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return vectors

    def _count_cuts(self, texts: Sequence[str]) -> None:
        """The library cuts long texts without a word."""
        limit = self._model.get_max_seq_length()
        if limit is None:
            return
        cut = sum(len(ids) > limit for ids in self._model.tokenizer(list(texts), verbose=False)["input_ids"])
        if cut:
            logging.getLogger(__name__).warning(
                f"{cut} of {len(texts)} texts are longer than the {limit} tokens that the encoder {self.name} reads "
                "(pctr.encoder_max_tokens): their ends are cut"
            )

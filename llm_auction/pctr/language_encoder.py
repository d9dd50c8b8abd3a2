"""A frozen language model as text encoder, from a sentence-transformers directory such as Qwen3-Embedding's.

A question is read behind the instruction that the model wants before one, any other text as it is. Token vectors are
pooled as the directory says (Qwen3-Embedding: the last token's) and scaled to length 1.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.generation.checkpoint import ModelDirectoryError
from llm_auction.generation.memory import out_of_memory_says
from llm_auction.hub import model_dir
from llm_auction.pctr.sentence_directory import read_sentence_directory
from llm_auction.placement import placement
from llm_auction.profiles.schema import PctrConfig


@dataclass(frozen=True, slots=True)
class EncoderPlacement:
    """How an encoder is run on this machine, which changes its vectors by no more than rounding.

    `device` and `dtype` as in `llm_auction.placement`; `batch_size` texts go through it together.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 32

    @classmethod
    def of(cls, config: PctrConfig) -> EncoderPlacement:
        return cls(config.encoder_device, config.encoder_dtype, config.encoder_batch_size)


AUTOMATIC = EncoderPlacement()


class LanguageModelEncoder:
    """The encoder `name`, a directory or a name on the Hugging Face hub; see `TextEncoder`.

    Texts longer than `max_tokens` (None: than the model takes) are cut, with a warning that counts them.

    Raises:
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
        import torch
        from transformers import AutoModel, AutoTokenizer

        folder = model_dir(name, revision, "pctr.encoder", "hashing")
        try:
            layout = read_sentence_directory(folder)
        except ModelDirectoryError as error:
            raise ValueError(f"pctr.encoder: {error}") from None
        if max_tokens is not None and layout.max_tokens is not None and max_tokens > layout.max_tokens:
            raise ValueError(
                f"pctr.encoder_max_tokens is {max_tokens}, and {name} takes {layout.max_tokens} tokens at most: "
                "lower it"
            )
        device, dtype = placement(runs.device, runs.dtype, "pctr.encoder_device")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(layout.transformer)
            model = AutoModel.from_pretrained(layout.transformer, dtype=getattr(torch, dtype), use_safetensors=True)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"pctr.encoder: {folder} can't be loaded: {error}") from error
        self._model = model.to(device).eval()
        self._model.config.use_cache = False  # keys and values are for writing on
        self._layout, self._batch_size = layout, runs.batch_size
        self._max_tokens = max_tokens or layout.max_tokens
        self.name = name
        self.dimension = layout.dimension

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([text and self._layout.document_prompt + text for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([text and self._layout.query_prompt + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        said = [row for row, text in enumerate(texts) if text]
        tokens = self._tokens([texts[row] for row in said])
        order = sorted(range(len(said)), key=lambda place: len(tokens[place]))  # alike in length, little is padding
        with torch.inference_mode():
            for start in range(0, len(order), self._batch_size):
                places = order[start : start + self._batch_size]
                vectors[[said[place] for place in places]] = self._vectors([tokens[place] for place in places])
        return vectors

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        tokens: list[list[int]] = self._tokenizer(list(texts))["input_ids"]
        limit = self._max_tokens
        cut = 0 if limit is None else sum(len(ids) > limit for ids in tokens)
        if cut:
            logging.getLogger(__name__).warning(
                f"{cut} of {len(tokens)} texts are longer than the {limit} tokens that the encoder {self.name} reads "
                "(pctr.encoder_max_tokens): their ends are cut"
            )
            # By the tokenizer, which keeps the end token that the pooling wants.
            tokens = self._tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        return tokens

    def _vectors(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """(batch, dimension) unit vectors; padding stands behind each text, where no earlier token sees it."""
        import torch
        from torch.nn.functional import normalize

        lengths_B = torch.tensor([len(ids) for ids in tokens], device=self._model.device)
        width = int(lengths_B.max())
        ids_BS = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in tokens], device=self._model.device)
        mask_BS = (torch.arange(width, device=self._model.device) < lengths_B[:, None]).long()
        with out_of_memory_says(
            f"encoding {len(tokens)} texts of up to {width} tokens together; lower pctr.encoder_batch_size (it is "
            f"{self._batch_size}) or pctr.encoder_max_tokens"
        ):
            hidden_BSD = self._model(input_ids=ids_BS, attention_mask=mask_BS).last_hidden_state.float()
        if self._layout.pooling == "lasttoken":
            pooled_BD = hidden_BSD[torch.arange(len(tokens)), lengths_B - 1]
        elif self._layout.pooling == "cls":
            pooled_BD = hidden_BSD[:, 0]
        else:
            pooled_BD = (hidden_BSD * mask_BS[:, :, None]).sum(1) / lengths_B[:, None]
        return normalize(pooled_BD, dim=-1).cpu().numpy()

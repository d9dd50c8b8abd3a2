"""The tokenizer of the embedded model: byte-level BPE trained on the pretraining corpus.

Titles are ordinary text of several word pieces. Three choices help a tiny model: numbers up to 100 are one token each
(bids), longer numbers fall into two-digit pieces (ids), and the fixed parts of an ad's prompt line are one token.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"

# The embedded model has learnt its one task; the rules of the system message are for models that read instructions.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}" + USER + "{{ message.content }}"
    "{%- elif message.role == 'assistant' -%}" + ASSISTANT + "{{ message.content }}" + END + "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}" + ASSISTANT + "{%- endif -%}"
)

_LINE_PARTS = (
    '{"bid": ',
    ', "category": "',
    '{"category": "',
    '", "title": "',
    '", "id": "Ad-',
    '"}\n',
    '"}',
    "@[Ad-",
    "Profile: ",
    "\nQuestion: ",
    "\nAds:\n",
)


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Fit the BPE merges on `texts`; `vocabulary` counts all tokens, `context` is the model's length in tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"100(?!\d)|\d{1,2}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, USER, ASSISTANT, END])
    core.add_tokens([AddedToken(part, normalized=False, special=False) for part in _LINE_PARTS])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(_LINE_PARTS),
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_with_numbers(texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _with_numbers(texts: Iterable[str]) -> Iterable[str]:
    """The texts, after enough of every number for each to become a token of its own."""
    numbers = [str(n) for n in range(101)] + [f"{n:02d}" for n in range(10)]
    yield from (" ".join(numbers) for _ in range(2000))
    yield from texts

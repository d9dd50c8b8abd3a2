"""The sections about the language models: the Ad-LLM, how it is sampled and served, and the user that judges."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from llm_auction.profiles.section import Positive, Section, Share


class AdLlmConfig(Section):
    """The language model that is deployed and trained."""

    base: str = Field("embedded", description='"embedded", a local directory, or a Hugging Face model name.')
    revision: str | None = Field(None, description="Pinned revision of a Hugging Face model.")
    prompt: str = Field("ad_llm_v1", description="Name of the versioned prompt template.")
    show_bids: bool = Field(True, description="Whether the model reads the bids; False for an ablation.")


class SamplingConfig(Section):
    """How answers are drawn (arXiv 2512.10551, section 5.1: 0.7, 0.8, 20)."""

    temperature: Annotated[float, Field(gt=0.0)] = Field(0.7, description="Of every answer.")
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.8, description="Most likely tokens that together have this probability."
    )
    top_k: Annotated[int, Field(ge=0, description="0 keeps every token.")] = 20
    max_new_tokens: Positive = Field(160, description="An answer that is longer is cut.")
    rows_per_batch: Positive = Field(160, description="Answers decoded together.")


# A user or password before the host of a URL, with or without its scheme.
_USER = re.compile(r"(?:[^/]*//)?[^/]*@")


class ServerConfig(Section):
    """An OpenAI-compatible server, and how we talk to it."""

    command: str | None = Field(
        None,
        description="Starts a server of our own: `{model}`, `{host}` and `{port}` are filled in; no shell reads it.",
    )
    environment: dict[str, str] = Field(default_factory=dict, description="Environment variables of that command.")
    start_seconds: Annotated[float, Field(gt=0.0)] = Field(900.0, description="How long it may take to get ready.")
    url: str | None = Field(None, description="A running server, such as http://127.0.0.1:8000, in place of a command.")
    api_key_variable: str | None = Field(None, description="Environment variable that holds the server's API key.")
    dialect: Literal["vllm", "transformers", "openai"] = Field(
        "vllm", description="Request fields that the server knows; vllm is that of SGLang and Ray Serve LLM too."
    )
    concurrency: Positive = Field(64, description="Requests under way at a time.")
    timeout_seconds: Annotated[float, Field(gt=0.0)] = Field(600.0, description="Of one request.")
    attempts: Positive = Field(6, description="Tries of a request before the step fails.")

    @model_validator(mode="after")
    def _one_server(self) -> ServerConfig:
        if self.command is not None and self.url is not None:
            raise ValueError("command and url can't go together: start a server or name a running one")
        if self.url is not None and _USER.match(self.url):
            # Errors and notes of a run tell the address.
            raise ValueError(
                "url must hold no user or password: put the server's key in the environment variable that "
                "api_key_variable names"
            )
        for place in ("{model}", "{host}", "{port}"):
            if self.command is not None and place not in self.command:
                raise ValueError(f"command must contain {place}, such as in `vllm serve {{model}} --host {{host}} ...`")
        return self

    @classmethod
    def transport(cls) -> set[str]:
        """The fields that change how a server is reached, and no result."""
        return set(ServerConfig.model_fields)

    @property
    def served(self) -> bool:
        """Whether a server is configured at all."""
        return self.command is not None or self.url is not None


class EngineConfig(ServerConfig):
    """Where the Ad-LLM's answers are drawn: in this process, or by a server when `command` or `url` is set."""

    device: str = Field("auto", description='"auto" (a GPU when there is one), "cpu", "cuda", "cuda:1" or "mps".')
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float32 on a CPU, bfloat16 on a GPU."
    )


class ReplyConfig(ServerConfig):
    """How a served LLM is asked for replies in JSON."""

    temperature: Annotated[float, Field(ge=0.0)] = Field(0.3, description="Of its replies.")
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = Field(0.8, description="Of its replies.")
    top_k: Annotated[int, Field(ge=0)] = Field(20, description="0 keeps every token.")
    max_new_tokens: Positive = Field(1024, description="Of one reply.")
    reasks: Annotated[int, Field(ge=0)] = Field(2, description="How often a reply of the wrong shape is asked again.")


class UserConfig(ReplyConfig):
    """Who clicks: the parametric user, or an LLM behind a server (arXiv 2512.10551, section 5.1)."""

    model: str = Field(
        "parametric", description='"parametric", or the name or directory of the User-LLM, as its server knows it.'
    )
    click_prompt: str = Field("click_judge_v1", description="Prompt template of the click judge.")
    query_prompt: str = Field("query_writer_v1", description="Prompt template of the query writer.")
    quality_prompt: str = Field(
        "quality_judge_v1", description="Prompt template of the quality judge, whoever it is (section `judge`)."
    )
    max_missing_share: Share = Field(0.02, description="Iterations and evaluations stop when more ads stay unjudged.")

    @model_validator(mode="after")
    def _reachable(self) -> UserConfig:
        if self.is_llm and not self.served:
            raise ValueError(f"model is {self.model!r}, so command or url must say where it is served")
        if self.served and not self.is_llm:
            raise ValueError("command or url is set, so model must name the User-LLM that is served there")
        return self

    @property
    def is_llm(self) -> bool:
        """Whether an LLM judges, rather than the formula."""
        return self.model != "parametric"


class JudgeConfig(ReplyConfig):
    """Who grades the quality of answers, whoever clicks: an LLM of its own, or the User-LLM where there is one."""

    model: str | None = Field(
        None, description="Name or directory of the judge, as its server knows it; none takes the User-LLM."
    )

    @model_validator(mode="after")
    def _reachable(self) -> JudgeConfig:
        if self.model is not None and not self.served:
            raise ValueError(f"model is {self.model!r}, so command or url must say where it is served")
        if self.served and self.model is None:
            raise ValueError("command or url is set, so model must name the judge that is served there")
        return self

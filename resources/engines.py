"""Generation engines as a resource: what samples answers from a model directory, here or on a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, InitResourceContext, ResourceDependency, get_dagster_logger
from pydantic import Field, PrivateAttr

from llm_auction.device import device_and_dtype
from llm_auction.profiles.schema import EngineConfig, SamplingConfig
from resources.clients import api_key_of, client_of
from resources.gpu import release_gpu_memory
from resources.profile import ProfileResource

if TYPE_CHECKING:
    from llm_auction.generation.journal import Journal
    from llm_auction.generation.protocol import GenerationEngine, Messages
    from llm_auction.generation.transformers_engine import TransformersEngine
    from llm_auction.serving import ChatClient
    from resources.model_server import ModelServer


class EngineResource(ConfigurableResource):
    """Opens an engine on a model of the store, as the profile's section `engine` says.

    With `engine.command` the checkpoint is served by a process of its own, one at a time: it ends with the sampling of
    a step (`close`), when log-probabilities are computed here (server and scorer never hold the GPU together), when
    another model is sampled, when the User-LLM's server starts on the same GPU, and with the run.
    """

    profile: ResourceDependency[ProfileResource]
    data_dir: str = Field(description="The data directory of the run: journals and the servers' logs lie in it.")
    _server: "ModelServer | None" = PrivateAttr(default=None)
    _kept: list[Path] | None = PrivateAttr(default=None)

    def open(self, model_dir: Path | str, *, log_probabilities: bool = True) -> "GenerationEngine":
        """An engine that samples from the checkpoint of `model_dir`.

        Args:
            model_dir: a Hugging Face directory.
            log_probabilities: False where nobody reads them: a server's answers need a pass of their own for them.
        """
        config = self.profile.get().engine
        if not config.served:
            return self._here(model_dir)
        from llm_auction.generation.server_engine import ServerEngine

        log = get_dagster_logger()
        folder = Path(model_dir)

        def score(prompts: Sequence["Messages"], answers: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
            scores = self.scorer(folder).log_probabilities(prompts, answers)
            release_gpu_memory()  # the next server asks the device how much is free
            return scores

        return ServerEngine(
            lambda: self._connect(config, folder),
            folder,
            score=score if log_probabilities else None,
            journals=self._journals,
            on_finished=self._finished,
            on_note=log.info,
        )

    def scorer(self, model_dir: Path | str) -> "TransformersEngine":
        """The checkpoint in this process, whichever engine draws answers: to score given ones, or in its place.

        A server of ours ends first: it would hold the memory that the scorer needs.
        """
        self.close()
        return self._here(model_dir)

    @property
    def _journals(self) -> Path:
        return Path(self.data_dir) / "sampling"

    def _here(self, model_dir: Path | str) -> "TransformersEngine":
        from llm_auction.generation.transformers_engine import TransformersEngine

        config = self.profile.get().engine
        device, dtype = device_and_dtype(config.device, str(config.dtype), "engine.device")
        return TransformersEngine(
            model_dir, device=device, dtype=dtype, journals=self._journals, on_finished=self._finished
        )

    @contextmanager
    def answers_kept(self) -> Iterator[None]:
        """What is drawn in the block stays in its journals until the block has ended well: write the table in it."""
        self._kept = []
        try:
            yield
            for journal in self._kept:
                journal.unlink(missing_ok=True)  # one that was drawn twice is there twice
        finally:
            self._kept = None

    def warm_up(
        self, opened: "GenerationEngine", prompt: "Messages", sampling: SamplingConfig, seed: int
    ) -> "GenerationEngine":
        """Draw one answer and forget it: a server's start and first-time costs are no part of anybody's serving time.

        It is in no journal afterwards, or another attempt would not be warm.
        """
        kept, self._kept = self._kept, None
        try:
            opened.sample([prompt], 1, sampling, seed)
        finally:
            self._kept = kept
        return opened

    def _finished(self, journal: "Journal") -> None:
        if self._kept is None:
            journal.discard()
        else:
            self._kept.append(journal.path)

    def close(self) -> None:
        """Stop the server of the model that was opened last, if one runs; free what engines held that are gone."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
        release_gpu_memory()

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self.close()

    def _connect(self, config: EngineConfig, model_dir: Path) -> "ChatClient":
        if config.url is not None:
            return client_of(config, config.url, _listed_name(config, config.url, model_dir))
        if self._server is not None and not (self._server.running and self._server.model == str(model_dir)):
            self.close()
        if self._server is None:
            from resources.model_server import ModelServer

            log = get_dagster_logger()
            log.info(f"starting a server for {model_dir}: {config.command}")
            server = ModelServer(config, str(model_dir), Path(self.data_dir) / "logs" / "engine-server.log", log.debug)
            server.start()
            self._server = server
        return client_of(config, self._server.url, str(model_dir), self._server)


def _listed_name(config: EngineConfig, url: str, model_dir: Path) -> str:
    """The name under which a running server has this very checkpoint: its directory, or its version in the store.

    Raises:
        ValueError: it has other models only; sampling from one of them would train on a wrong policy.
    """
    from llm_auction.serving.models import served_models

    if config.dialect == "transformers":
        return str(model_dir)  # loads the directory that a request names
    models = served_models(url, api_key_of(config))
    for name in (str(model_dir), model_dir.name):
        if name in models:
            return name
    raise ValueError(
        f"engine.url: the server at {url} does not have the checkpoint {model_dir}: it must list it under that path or "
        f"as {model_dir.name} (vLLM: --served-model-name {model_dir.name}), it lists {', '.join(models) or 'nothing'}. "
        "With engine.command every checkpoint gets a server of its own"
    )

"""Who clicks: the simulated user behind one protocol (`llm_auction.users`), and the LLM that also writes and judges."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, InitResourceContext, ResourceDependency, get_dagster_logger
from pydantic import Field, PrivateAttr

from llm_auction.market import Ad
from llm_auction.profiles.schema import ReplyConfig
from resources.clients import client_of
from resources.profile import ProfileResource

if TYPE_CHECKING:
    from llm_auction.serving import ChatClient
    from llm_auction.serving.structured import StructuredModel
    from llm_auction.users import UserModel
    from llm_auction.users.conversions import ParametricBuyer
    from resources.model_server import ModelServer


class UserModelResource(ConfigurableResource):
    """The user that the profile's section `user` names, the parametric one or an LLM behind a server, and the judge.

    The replies of an LLM are kept in `user_llm.sqlite` or `judge_llm.sqlite` of the data directory, by the content of
    the request. A server of ours starts when the first reply is not there, and ends with the judging of a step
    (`close`), when the engine's starts on the same GPU, and with the run.
    """

    profile: ResourceDependency[ProfileResource]
    data_dir: str = Field(description="The data directory of the run: the replies and the servers' logs lie in it.")
    _servers: dict[str, "ModelServer"] = PrivateAttr(default_factory=dict)

    def open(self, ads: Sequence[Ad], on_progress: Callable[[int, int], None] | None = None) -> "UserModel":
        """The user model for a catalog (relevance may need all its texts).

        `on_progress(done, total)` counts the answers that an LLM has judged.
        """
        config = self.profile.get().user
        if config.is_llm:
            from llm_auction.users.llm_user import LlmUser

            return LlmUser(self.user_llm(on_progress), config.click_prompt)
        from llm_auction.users import ParametricUser

        return ParametricUser(ads)

    def buyer(self, ads: Sequence[Ad]) -> "ParametricBuyer":
        """What follows the clicks of the parametric user, for a catalog.

        Raises:
            ValueError: the profile's user is an LLM, of which nobody knows what it buys.
        """
        from llm_auction.users.conversions import ParametricBuyer

        if self.profile.get().user.is_llm:
            raise ValueError("conversions are simulated for the parametric user only: leave user.model parametric")
        return ParametricBuyer(ads)

    def user_llm(self, on_progress: Callable[[int, int], None] | None = None) -> "StructuredModel":
        """The User-LLM as something that answers in JSON.

        Raises:
            ValueError: the profile's user is the parametric one.
        """
        config = self.profile.get().user
        if not config.is_llm:
            raise ValueError("the user of this profile is parametric: set user.model and where it is served")
        return self._replying("user", config, config.model, on_progress)

    def judge_llm(self) -> "StructuredModel | None":
        """Who grades answers: the LLM of the profile's section `judge`, which clicks nothing, else the User-LLM.

        None where there is neither.
        """
        profile = self.profile.get()
        if profile.judge.model is not None:
            return self._replying("judge", profile.judge, profile.judge.model, None)
        return self.user_llm() if profile.user.is_llm else None

    def close(self) -> None:
        """Stop the servers that run."""
        servers, self._servers = self._servers, {}
        for server in servers.values():
            server.stop()

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self.close()

    def _replying(
        self, section: str, config: ReplyConfig, model: str, on_progress: Callable[[int, int], None] | None
    ) -> "StructuredModel":
        """The LLM of a section of the profile, with a cache and, where it has a command, a server of its own."""
        from llm_auction.serving.dialects import Decoding
        from llm_auction.serving.structured import StructuredModel

        return StructuredModel(
            lambda: self._connect(section, config, model),
            model,
            config.dialect,
            Decoding(config.temperature, config.top_p, config.top_k, config.max_new_tokens),
            Path(self.data_dir) / f"{section}_llm.sqlite",
            config.reasks,
            on_progress,
        )

    def _connect(self, section: str, config: ReplyConfig, model: str) -> "ChatClient":
        if config.url is not None:
            return client_of(config, config.url, model)
        if section not in self._servers or not self._servers[section].running:
            from resources.model_server import ModelServer

            log = get_dagster_logger()
            log.info(f"starting a server for the {section}'s LLM {model}: {config.command}")
            server = ModelServer(config, model, Path(self.data_dir) / "logs" / f"{section}-server.log", log.debug)
            server.start()
            self._servers[section] = server
        return client_of(config, self._servers[section].url, model, self._servers[section])

"""Who clicks: the simulated user behind one protocol (`llm_auction.users`), and the LLM that also writes and judges."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, InitResourceContext, ResourceDependency, get_dagster_logger
from pydantic import Field, PrivateAttr

from llm_auction.market import Ad
from llm_auction.profiles.schema import UserConfig
from resources.clients import client_of
from resources.profile import ProfileResource

if TYPE_CHECKING:
    from llm_auction.serving import ChatClient
    from llm_auction.serving.structured import StructuredModel
    from llm_auction.users import UserModel
    from llm_auction.users.conversions import ParametricBuyer
    from resources.model_server import ModelServer


class UserModelResource(ConfigurableResource):
    """The user that the profile's section `user` names: the parametric one, or an LLM behind a server.

    The replies of an LLM are kept in `user_llm.sqlite` of the data directory, by the content of the request. A server
    of ours starts when the first reply is not there, and ends with the run.
    """

    profile: ResourceDependency[ProfileResource]
    data_dir: str = Field(description="The data directory of the run: the replies and the server's log lie in it.")
    _server: "ModelServer | None" = PrivateAttr(default=None)

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
        from llm_auction.serving.dialects import Decoding
        from llm_auction.serving.structured import StructuredModel

        config = self.profile.get().user
        if not config.is_llm:
            raise ValueError("the user of this profile is parametric: set user.model and where it is served")
        return StructuredModel(
            lambda: self._connect(config),
            config.model,
            config.dialect,
            Decoding(config.temperature, config.top_p, config.top_k, config.max_new_tokens),
            Path(self.data_dir) / "user_llm.sqlite",
            config.reasks,
            on_progress,
        )

    def close(self) -> None:
        """Stop the server of the User-LLM, if one runs."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self.close()

    def _connect(self, config: UserConfig) -> "ChatClient":
        if config.url is not None:
            return client_of(config, config.url, config.model)
        if self._server is None:
            from resources.model_server import ModelServer

            log = get_dagster_logger()
            log.info(f"starting a server for the User-LLM {config.model}: {config.command}")
            server = ModelServer(config, config.model, Path(self.data_dir) / "logs" / "user-server.log", log.debug)
            server.start()
            self._server = server
        return client_of(config, self._server.url, config.model, self._server)

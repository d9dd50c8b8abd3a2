"""The User-LLM's server: one for a step, started again when another took its GPU."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from llm_auction.profiles.schema import ServerConfig
from resources.model_server import ModelServer
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

SCRIPT = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()
"""


def test_it_is_started_again_when_another_took_the_gpu(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SCRIPT)
    command = f"{shlex.join([sys.executable, str(tmp_path / 'server.py')])} {{model}} {{host}} {{port}}"
    profile = ProfileResource(profile="smoke", overrides={"user.model": "judge", "user.command": command})
    resource, config = UserModelResource(profile=profile, data_dir=str(tmp_path)), profile.get().user
    first = resource._connect("user", config, "judge").url
    assert resource._connect("user", config, "judge").url == first
    with ModelServer(ServerConfig(command=command), "engine", tmp_path / "engine.log"):
        second = resource._connect("user", config, "judge").url
        assert second != first
    resource.close()
    assert not resource._servers

"""Telling another system of something: one JSON POST to a URL that only the environment knows.

The URL may hold a secret, so that it is never logged, stored or shown: messages name its host alone.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

WEBHOOK_VARIABLE = "LLM_AUCTION_ALERT_WEBHOOK"
TIMEOUT_S = 5.0
ATTEMPTS = 2
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_UNSENDABLE = re.compile(r"[\s\x00-\x1f\x7f]")  # an error of http.client would show what it stands in


class WebhookError(RuntimeError):
    """The webhook is misconfigured, or did not take the message; says which, without the URL."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is meant for one host is not carried to another."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post_to_webhook(content: Mapping[str, Any]) -> str | None:
    """Send `content` to the URL in LLM_AUCTION_ALERT_WEBHOOK; its host, or None where the variable is not set.

    Raises:
        WebhookError: the URL is no URL or neither https nor on this machine, or nobody took the message in time.
    """
    url = os.environ.get(WEBHOOK_VARIABLE, "").strip()
    if not url:
        return None
    host = _host(url)
    request = urllib.request.Request(
        url, data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirects)
    fault = ""
    for _ in range(ATTEMPTS):
        try:
            with opener.open(request, timeout=TIMEOUT_S):
                return host
        except urllib.error.HTTPError as error:
            fault = f"it answered with status {error.code}"
        # No connection, no TLS, no answer in time, or none of HTTP.
        except (OSError, ValueError, http.client.HTTPException) as error:
            fault = type(getattr(error, "reason", error)).__name__
    raise WebhookError(f"the webhook at {host} did not take the alert: {fault}")


def _host(url: str) -> str:
    """The host of an acceptable URL."""
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname or "", parts.scheme.lower(), parts.port  # a port that is none raises too
    except ValueError:
        host, scheme = "", ""
    if _UNSENDABLE.search(url) or not host or not (scheme == "https" or (scheme == "http" and host in _LOCAL)):
        raise WebhookError(
            f"{WEBHOOK_VARIABLE} must be an https URL, or an http URL of localhost, and hold no white space; "
            "nothing was sent"
        )
    return host

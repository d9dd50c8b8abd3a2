"""Talking to OpenAI-compatible servers (vLLM, SGLang, Ray Serve LLM, `transformers serve`, hosted ones).

What a server sends is untrusted: every reply is read by `replies`, which lets only what it understood through.
"""

from llm_auction.serving.client import ChatClient, ChatRequest, Usage
from llm_auction.serving.replies import BadReply, Completion, RequestRefused, ServerError

__all__ = ["BadReply", "ChatClient", "ChatRequest", "Completion", "RequestRefused", "ServerError", "Usage"]

"""The application of the local listener: our own routes, OpenAI's, exo's, and `/docs` that works without a network."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app import __version__
from app.api.answers import add_error_answers
from app.api.exo import exo_routes
from app.api.guard import LoopbackGuard
from app.api.local import local_routes
from app.api.openai import openai_routes
from app.api.passing import Upstream
from app.node.node import Node

PROTECTED = "/caravan/"


def local_app(node: Node, upstream: Upstream, token: str) -> FastAPI:
    """The application over one node. Only `/caravan/...` needs the token; the rest is open to programs on this PC."""
    app: FastAPI = FastAPIOffline(
        title="Caravan", version=__version__, summary="One GGUF model over the PCs of a LAN.", redoc_url=None
    )
    app.add_middleware(LoopbackGuard, protected=PROTECTED, token=token)
    add_error_answers(app)

    @app.get("/health", tags=["openai"])
    async def health() -> dict[str, str]:
        """Whether the node runs; it says nothing about models."""
        return {"status": "ok"}

    app.include_router(openai_routes(node, upstream))
    app.include_router(exo_routes(node))
    app.include_router(local_routes(node))
    return app

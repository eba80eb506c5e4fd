"""Lesson 13: an assistant as a service, with a page to talk to. `course assist` runs it."""

import functools
import importlib.resources
import pathlib

import fastapi
import pydantic

from course_lib.capstone.assistant import Assistant
from course_lib.serving import page, server
from course_lib.serving.app import POSTS, bare, complete, text_input
from course_lib.serving.batching import Batcher
from course_lib.serving.limits import Rate, Settings
from course_lib.serving.metrics import version

# The page at work, for who has not started it; tools/picture_of_dialogue.py takes it.
PICTURE = pathlib.Path(__file__).with_name("dialogue.png")
# A question is short; a person who writes more means a letter.
SETTINGS = Settings(characters=500, body_bytes=5_000, rate=5.0, burst=100)


class Turn(pydantic.BaseModel):
    """What the assistant makes of a question; without a reply, a person shall answer.

    `nearest` is a stored question of another customer, and null unless the service runs with evidence.
    """

    intent: str
    reply: str | None
    trust: float
    nearest: str | None


def create_app(assistant, settings=SETTINGS, evidence=False):
    """The service as an ASGI application.

    Args:
        assistant: A `capstone.assistant.Assistant`.
        settings: A `Settings`.
        evidence: Whether answers show the stored question that is nearest.

    Returns:
        A `fastapi.FastAPI`. `/ask` takes JSON with a "text", `/` is the page; `/healthz` and `/metrics` are
        as those of the classifier.
    """
    batcher, rate = Batcher(assistant, settings), Rate(settings)
    app = bare("Assistant", assistant.card["task"], settings)
    body = text_input("Question", settings.characters)

    @app.post("/ask", **POSTS)
    async def ask(question: body, request: fastapi.Request) -> Turn:
        (found,) = await batcher.predict([question.text])
        request.state.tokens = found.tokens
        nearest = found.nearest if evidence else None
        return Turn(intent=found.label, reply=found.reply, trust=round(found.trust, 4), nearest=nearest)

    html = importlib.resources.files("course_lib.serving").joinpath("dialogue.html")
    text = html.read_text(encoding="utf-8").replace("{{style}}", page.style())
    known = {
        "about": about(assistant.card),
        "characters": settings.characters,
        "threshold": f"{assistant.threshold:.2f}",
    }
    complete(app, settings, batcher.metrics, rate, version(assistant.card), *page.filled(text, known))
    return app


def about(card):
    """What the card says to who asks: what it knows, and how often it is right."""
    found = card["evaluation"]
    said = f"It knows {len(card['labels'])} kinds of questions and hands all others to a person. Of "
    said += f"{found['in_scope']:,} test questions that it should know it answered {found['answered']:,}, "
    said += f"{found['right']:,} of them rightly"
    if outside := found["questions"] - found["in_scope"]:
        said += f"; of {outside:,} others it handed over {found['handed_over']:,}"
    return f"{said}. {card['limits']}"


def serve(folder, host="127.0.0.1", port=8000, settings=SETTINGS, evidence=False):
    """Serves an assistant until SIGTERM or Ctrl-C; as `serving.serve`.

    Args:
        folder: As `capstone.assistant.export` writes it.
        host: Address to listen on.
        port: Its port; 0 takes a free one.
        settings: A `Settings`.
        evidence: As for `create_app`.
    """
    server.run(folder, Assistant, functools.partial(create_app, evidence=evidence), host, port, settings)

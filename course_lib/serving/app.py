"""The service as an ASGI application: what it takes, and what it answers."""

import asyncio
import concurrent.futures
from typing import Annotated

import fastapi
import prometheus_client
import pydantic
import pydantic_core
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

import course_lib
from course_lib import deployment
from course_lib.serving.batching import Batcher
from course_lib.serving.limits import Guard, Rate, Settings, address, busy
from course_lib.serving.metrics import version
from course_lib.serving.page import load

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]", "[")  # The last: old Starlettes cut at a colon.

# Schema


class Answer(pydantic.BaseModel):
    """What the classifier says of one text; see `deployment.Prediction`."""

    label: str
    probability: float
    probabilities: dict[str, float]
    tokens: int
    truncated: bool


class Answers(pydantic.BaseModel):
    """One answer per text, in their order."""

    predictions: list[Answer]


class Word(pydantic.BaseModel):
    """By how much the verdict's probability falls without a word; null if the model does not see it."""

    word: str
    change: float | None


class Words(pydantic.BaseModel):
    """A text's words, in their order."""

    words: list[Word]


class Problem(pydantic.BaseModel):
    """Why there is no answer. It never repeats what was sent."""

    detail: str


def _problems(*codes):
    return {code: {"model": Problem} for code in codes}


_WORDLESS = "There is nothing but white space or tags"


def _worded(text):
    if deployment.wordless(text):
        raise pydantic_core.PydanticCustomError("wordless", _WORDLESS)
    return text


def _single(body):
    if (
        isinstance(body, dict) and len(body) > 1
    ):  # Else there is an error for each, of which there may be many.
        raise pydantic_core.PydanticCustomError("extra_forbidden", "There is an unknown field")
    return body


def text_input(name, longest, texts=None):
    """A schema with one field, a text or a list of texts. Of white space and tags there is no verdict."""
    # The pattern is the part of it that a schema can say.
    field = pydantic.Field(max_length=longest, pattern=r"\S")
    kind = Annotated[str, field, pydantic.AfterValidator(_worded)]
    if texts:
        kind = Annotated[list[kind], pydantic.Field(min_length=1, max_length=texts)]
    return pydantic.create_model(
        name,
        __config__=pydantic.ConfigDict(extra="forbid"),
        __validators__={"single": pydantic.model_validator(mode="before")(_single)},
        **{"texts" if texts else "text": (kind, ...)},
    )


def create_app(classifier, settings=None):
    """The service as an ASGI application.

    Args:
        classifier: A `deployment.Classifier`.
        settings: A `Settings`; None takes its defaults.

    Returns:
        A `fastapi.FastAPI`. `/predict` and `/explain` take JSON, `/` is a page for people, `/healthz` says
        whether it lives and which model answers, and `/metrics` how it does, for Prometheus.
    """
    settings = settings or Settings()
    batcher, rate = Batcher(classifier, settings), Rate(settings)
    # Its own thread and its own engine, on one core: predictions go on.
    thread, explainer = concurrent.futures.ThreadPoolExecutor(1, "explain"), classifier.copy(threads=1)
    explaining = 0
    page, policy = load(classifier.card, settings)

    app = bare("Review classifier", str(classifier.card.get("task", "")), settings)

    one = text_input("Text", settings.characters)
    many = text_input("Texts", settings.characters, settings.texts)
    either = Annotated[
        Annotated[one, pydantic.Tag("text")] | Annotated[many, pydantic.Tag("texts")],
        pydantic.Discriminator(
            lambda body: "texts" if isinstance(body, dict) and "texts" in body else "text"
        ),
        fastapi.Body(),
    ]
    explained = text_input("ShortText", settings.explain_characters)

    @app.post("/predict", **POSTS)
    async def predict(body: either, request: fastapi.Request) -> Answer | Answers:
        texts = [body.text] if isinstance(body, one) else body.texts
        rate.charge(address(request.scope), len(texts) - 1)
        found = await batcher.predict(texts)
        request.state.tokens = sum(each.tokens for each in found)
        answers = [Answer(**{name: getattr(each, name) for name in Answer.model_fields}) for each in found]
        return answers[0] if isinstance(body, one) else Answers(predictions=answers)

    @app.post("/explain", **POSTS)
    async def explain(body: explained, request: fastapi.Request) -> Words:
        nonlocal explaining
        rate.charge(address(request.scope), settings.explain_cost - 1)
        if explaining >= settings.explanations:
            raise busy("Too many explanations are waiting.")
        explaining += 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                thread, explainer.word_importance, body.text
            )
        finally:
            explaining -= 1
        return Words(words=[Word(word=word, change=change) for word, change in found])

    complete(app, settings, batcher.metrics, rate, version(classifier.card), page, policy)
    return app


# What every service of the course has


async def _only_json(request: fastapi.Request):
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # A foreign page cannot send this kind without being asked for leave.
        raise HTTPException(415, "Send JSON, with the header Content-Type: application/json.")


POSTS = {
    "dependencies": [fastapi.Depends(_only_json)],
    "responses": _problems(400, 408, 413, 415, 422, 429, 500, 503),
}


def bare(title, description, settings):
    """An application that answers by its hosts' names only, and says in words what is wrong with a body."""
    app = fastapi.FastAPI(
        title=title,
        version=course_lib.__version__,
        description=description,
        docs_url=None,  # It would load scripts from elsewhere.
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=list(settings.hosts or LOCAL_HOSTS), www_redirect=False
    )

    @app.exception_handler(RequestValidationError)
    async def invalid(_, error):
        found = error.errors()
        if any(each["type"] == "json_invalid" for each in found):
            return JSONResponse({"detail": "The body is not JSON."}, 400)
        return JSONResponse({"detail": "; ".join(map(_complaint, found[:3]))}, 422)

    return app


def complete(app, settings, metrics, rate, model, page, policy):
    """Adds to an application its page, `/healthz` and `/metrics`, and around all of it the guard.

    Args:
        app: As `bare` makes it, with the routes that take texts.
        settings: A `Settings`.
        metrics: A `metrics.Metrics`.
        rate: A `limits.Rate`.
        model: A short name of the model that answers.
        page: HTML for people.
        policy: Its Content-Security-Policy.
    """

    @app.get("/healthz", responses=_problems(503))
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "model": model}

    @app.get("/metrics", response_class=PlainTextResponse, responses=_problems(503))
    async def prometheus():
        text = await asyncio.to_thread(metrics.text)
        return PlainTextResponse(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse, responses=_problems(503))
    async def index():
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    app.add_middleware(  # The last one is the outermost.
        Guard, settings=settings, metrics=metrics, rate=rate, paths={route.path for route in app.routes}
    )
    app.state.metrics, app.state.model = metrics, model


def _complaint(error):
    """One validation error in words, without what was sent."""
    if error["type"] == "extra_forbidden":
        return "There is an unknown field"
    if error["type"] == "string_pattern_mismatch":
        error = {**error, "msg": _WORDLESS}
    where = [str(part) for part in error["loc"][-2:] if part in ("text", "texts") or isinstance(part, int)]
    return ": ".join([".".join(dict.fromkeys(where)), error["msg"]]) if where else error["msg"]

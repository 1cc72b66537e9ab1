"""What may be asked of the server, as an OpenAPI document (version 3.1), written by hand and held to the routes."""

from __future__ import annotations

from typing import Any

from hubel.server.settings import Settings

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_WHOLE = {"type": "integer", "minimum": 0}
_PNG = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
ANSWERS = ("Prediction", "Labels", "Value", "Areas", "Nearest", "GivenBack", "Unreadable")
"""What is said of a picture."""


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_KNOWN = {"type": ["boolean", "null"], "description": "is it like what was trained on? null: the run cannot tell"}
_APART = {
    **_NUMBER, "description": "of a run that joins several nets: mutual information of answer and member, in nats; of "
    "numbers their standard deviation",
}  # fmt: skip
_APART_BY = {
    "type": "object", "additionalProperties": _NUMBER,
    "description": "of a run that joins several nets, by what the answer is made of: of labels nats, of \"pixels\" the "
    "share that they call differently, of others a standard deviation",
}  # fmt: skip
_FAMILIARITY = {"type": ["number", "null"], "description": "share of known pictures that were as strange"}

SCHEMAS: dict[str, Any] = {
    "Answer": _object(
        ["model", "digest", "milliseconds", "predictions"],
        model=_TEXT,
        digest={**_TEXT, "description": "SHA-256 of what answered: weights, and what they know about trust"},
        milliseconds=_object(
            ["read", "wait", "decode", "net", "total"],
            **dict.fromkeys(("read", "wait", "decode", "net", "total"), _NUMBER),
        ),
        predictions={
            "type": "array",
            "items": {"oneOf": [_ref(kind) for kind in ANSWERS]},
        },
    ),
    "Prediction": _object(
        ["name", "label", "probability", "known", "familiarity", "plausible", "probabilities"],
        name=_TEXT,
        label={**_TEXT, "description": "the most probable class"},
        probability=_NUMBER,
        known=_KNOWN,
        familiarity=_FAMILIARITY,
        plausible={"type": "array", "items": _TEXT, "description": "classes that are not ruled out"},
        probabilities={"type": "object", "additionalProperties": _NUMBER},
        disagreement=_APART,
    ),
    "Labels": _object(
        ["name", "labels", "probabilities", "known", "familiarity"],
        name=_TEXT,
        labels={"type": "array", "items": _TEXT, "description": "of a run of several labels: those that are said"},
        probabilities={"type": "object", "additionalProperties": _NUMBER},
        known=_KNOWN,
        familiarity=_FAMILIARITY,
        disagreement=_APART_BY,
    ),
    "Value": _object(
        ["name", "value"], name=_TEXT, value={**_NUMBER, "description": "of a run on numbers"}, disagreement=_APART
    ),
    "Areas": _object(
        ["name", "shares", "mask"],
        name=_TEXT,
        shares={"type": "object", "additionalProperties": _NUMBER, "description": "of what the net sees, by class"},
        mask={**_PNG, "description": "the number of the class of each pixel of the picture, in a palette; "
              "255 where the net sees nothing of it"},
        disagreement=_APART_BY,
    ),
    "Nearest": _object(
        ["name", "labels", "nearest", "distance", "near", "distances", "point"],
        name=_TEXT,
        labels={"type": "array", "items": _TEXT, "description": "the nearest class, if it is near"},
        nearest={**_TEXT, "description": "the nearest class"},
        distance={**_NUMBER, "description": "from its middle"},
        near={"type": "boolean", "description": "is it near enough to be meant?"},
        distances={"type": "object", "additionalProperties": _NUMBER},
        point={"type": "array", "items": _NUMBER, "description": "where the picture lies on the sphere"},
    ),
    "GivenBack": _object(
        ["name", "mse", "psnr", "picture"],
        name=_TEXT,
        mse={**_NUMBER, "description": "mean squared error, of pixels from 0 to 1"},
        psnr={**_NUMBER, "description": "the same in dB"},
        picture={**_PNG, "description": "what the net sees, given back"},
        disagreement=_APART_BY,
    ),
    "Unreadable": _object(
        ["name", "problem"], name=_TEXT, problem=_object(["kind", "reason"], kind=_TEXT, reason=_TEXT)
    ),
    "Pictures": {
        "oneOf": [
            _object(["pictures"], pictures={"type": "array", "items": _ref("Picture")}),
            _object(["picture"], picture=_ref("Picture")),
        ]
    },
    "Picture": {
        "oneOf": [
            {**_TEXT, "contentEncoding": "base64"},
            _object(["base64"], name=_TEXT, base64={**_TEXT, "contentEncoding": "base64"}),
        ]
    },
    "Error": _object(["error"], error=_object(["kind", "reason"], kind=_TEXT, reason=_TEXT, hint=_TEXT)),
    "Models": _object(
        ["models", "limits"],
        models={
            "type": "array",
            "items": _object(
                [
                    "name", "path", "architecture", "task", "title", "says", "digest", "classes", "colours", "input",
                    "views", "thresholds", "workers", "queue",
                ],
                name=_TEXT,
                path=_TEXT,
                architecture=_TEXT,
                task={**_TEXT, "description": "what it was trained for: classify, segment, …"},
                title={**_TEXT, "description": "the same as people call it; empty where classes or numbers are named"},
                says={**_TEXT, "description": "what it answers with, in words"},
                digest=_TEXT,
                classes={"type": "array", "items": _TEXT},
                colours={
                    "type": ["array", "null"], "items": _TEXT,
                    "description": "of a run that answers with areas: #rrggbb of each class in its masks",
                },
                input={"type": "array", "items": _WHOLE, "description": "channels, height, width"},
                views=_TEXT,
                thresholds={
                    "type": ["array", "null"], "items": _NUMBER,
                    "description": "of a run of several labels: from which probability on each is said",
                },
                workers=_WHOLE,
                queue=_WHOLE,
            ),
        },
        limits=_object(
            ["bytes", "pictures", "megapixels", "queue"],
            bytes=_WHOLE, pictures=_WHOLE, megapixels=_NUMBER, queue=_WHOLE,
        ),
    ),
}  # fmt: skip

REFUSALS = {
    400: "the body, the query or the base64 cannot be read",
    401: "a token is needed",
    403: "asked by a page of another site",
    404: "there is no such model",
    405: "another method is needed",
    408: "the request came too slowly",
    413: "too many bytes or pictures",
    415: "a type of body that is not taken",
    421: "addressed to a name that is not this server's",
    429: "too many pictures wait; Retry-After says when to come again",
    503: "the model is being loaded, or cannot answer in time",
}


def openapi(settings: Settings) -> dict[str, Any]:
    """The document for a server of these settings.

    >>> from hubel.server.settings import ModelSettings
    >>> sorted(openapi(Settings(models=(ModelSettings(name="a", run="runs/a"),)))["paths"])[:2]
    ['/', '/health']
    """
    names = {"type": "string", "enum": [model.name for model in settings.models]}
    secured: list[Any] = [{"token": []}] if settings.token else []
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hubel serve",
            "version": "1",
            "description": "Pictures in, out what a trained net says of them: classes with probabilities, areas, …",
        },
        "paths": {
            "/": {"get": _get("A page to try it", "text/html", _TEXT)},
            "/page.js": {"get": _get("Its script", "text/javascript", _TEXT)},
            "/page.css": {"get": _get("Its style", "text/css", _TEXT)},
            "/health": {"get": _get("The server is there", "application/json", _object(["status"], status=_TEXT))},
            "/ready": {
                "get": _get(
                    "Can every model answer? 503 until then",
                    "application/json",
                    _object(["ready"], ready={"type": "boolean"}),
                    503,
                )
            },
            "/models": {"get": _get("What answers", "application/json", _ref("Models"), secured=secured)},
            "/metrics": {"get": _get("Counts for Prometheus", "text/plain", _TEXT, secured=secured)},
            "/openapi.json": {"get": _get("This document", "application/json", {"type": "object"}, secured=secured)},
            "/predict": {"post": _predict(settings, secured, [])},
            "/predict/{name}": {
                "post": _predict(settings, secured, [{"name": "name", "in": "path", "required": True, "schema": names}])
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}} if settings.token else {},
        },
    }


def _get(what: str, kind: str, schema: Any, *more: int, secured: Any = ()) -> dict[str, Any]:
    answers = {"200": {"description": what, "content": {kind: {"schema": schema}}}}
    for status in more:
        answers[str(status)] = {"description": REFUSALS[status], "content": {kind: {"schema": schema}}}
    return {"summary": what, "responses": answers, **({"security": secured} if secured else {})}


def _predict(settings: Settings, secured: Any, parameters: list[Any]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    answer = {"application/json": {"schema": _ref("Answer")}}
    refusal = {"application/json": {"schema": _ref("Error")}}
    return {
        "summary": "What is said of one or more pictures",
        "parameters": [
            *parameters,
            {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1},
             "description": "only so many classes, the best first"},
        ],
        "requestBody": {
            "required": True,
            "description": f"at most {settings.limits.body} bytes and {settings.limits.pictures} pictures",
            "content": {
                "image/*": binary,
                "application/octet-stream": binary,
                "multipart/form-data": {
                    "schema": _object(
                        [], picture={"type": "array", "items": {"type": "string", "format": "binary"}}
                    )
                },
                "application/json": {"schema": _ref("Pictures")},
            },
        },
        "responses": {
            "200": {"description": "an answer for each picture, in order", "content": answer},
            "422": {"description": "no picture could be read", "content": answer},
            **{str(status): {"description": text, "content": refusal} for status, text in REFUSALS.items()},
        },
        **({"security": secured} if secured else {}),
    }  # fmt: skip

"""/openapi.json is right: requests made from it get the answers that it describes."""

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.application import create_app
from app.schemas import ChatSchema, CompletionSchema, ResponsesSchema

from .tiny_gguf import write_tiny_gguf

# How many requests `make fuzz` makes from each operation. Otherwise they are always the same.
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "models").mkdir()
    write_tiny_gguf(folder / "models" / "tiny.gguf", context_length=64)
    app: Flask = create_app({"DATA_DIR": str(folder), "MAX_N": "2", "THREADS": "1"})
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


OPERATIONS = [
    ("/v1/chat/completions", "POST"),
    ("/v1/completions", "POST"),
    ("/v1/responses", "POST"),
    ("/v1/models", "GET"),
    ("/v1/models/{name}", "GET"),
    ("/health", "GET"),
    ("/health/ready", "GET"),
    ("/metrics", "GET"),
]


def test_every_path_is_known(api: Any) -> None:
    assert set(api) == {path for path, _ in OPERATIONS}


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [(*operation, schemathesis.GenerationMode.POSITIVE) for operation in OPERATIONS]
    + [(*operation, schemathesis.GenerationMode.NEGATIVE) for operation in OPERATIONS[:3]],
)
def test_requests_made_from_the_document_are_answered_as_it_says(
    api: Any, path: str, method: str, mode: Any
) -> None:
    operation = api[path][method]

    @hypothesis.settings(
        max_examples=int(EXAMPLES or 100),
        deadline=None,
        derandomize=EXAMPLES is None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # Some fields exclude each other, which the document cannot say.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()


def test_the_document_has_every_field_of_the_schemas(client: FlaskClient) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    assert schemas["Chat"]["properties"].keys() == ChatSchema(8).fields.keys()
    assert schemas["Completion"]["properties"].keys() == CompletionSchema(8).fields.keys()
    assert schemas["Responses"]["properties"].keys() == ResponsesSchema(8).fields.keys()


def test_ranges_are_those_that_are_checked(client: FlaskClient, tmp_path: Path) -> None:
    temperature = client.get("/openapi.json").json["components"]["schemas"]["Chat"]["properties"][
        "temperature"
    ]
    assert temperature == {"type": ["number", "null"], "minimum": 0, "maximum": 2}


def test_null_is_one_of_the_values_of_a_field_that_may_be_left_out(client: FlaskClient) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    fields = [field for schema in schemas.values() for field in schema["properties"].values()]
    listed = [field for field in fields if "null" in field.get("type", []) and "enum" in field]
    assert listed
    assert all(None in field["enum"] for field in listed)

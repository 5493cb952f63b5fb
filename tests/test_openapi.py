"""The API's description is valid and whole. `tests.clients` compare it with each answer of the API's tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests import openapi
from tests.access.addresses import addresses, filled
from tests.access.rules import METHODS, SITE

#: Addresses of the API that are about the API.
NOT_DESCRIBED = {"api-root", "api-schema", "api/any"}


class AnyValues(dict[str, str]):
    """A value for each parameter of an address."""

    def __missing__(self, key: str) -> str:
        return "1"


def examples() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield the operation, the value and the schema of each example."""
    for path, methods in openapi.described()["paths"].items():
        for method, operation in methods.items():
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in body.get("content", {}).values():
                    for example in content.get("examples", {}).values():
                        yield f"{method} {path}", example["value"], content["schema"]


def test_the_description_is_valid_and_made_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        validate_schema(SchemaGenerator().get_schema(request=None, public=True))
    assert not GENERATOR_STATS, [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]


def test_every_operation_of_the_api_is_described_and_no_other() -> None:
    known = set()
    for name, pattern in addresses():
        if not pattern.startswith("api/") or name in NOT_DESCRIBED:
            continue
        path = filled(pattern, AnyValues())
        methods = {method for named in SITE[name].answers for method in named.split()} - {"HEAD"}
        known |= {(path, method) for method in methods}
        missing = {method for method in METHODS if method != "HEAD" and openapi.operation_of(method, path)} ^ methods
        assert not missing, f"{path}: {missing} of the description and the table of rules in one of the two only"
    operations = sum(len(methods) for methods in openapi.described()["paths"].values())
    assert operations == len(known)


def test_each_error_of_the_description_has_a_body_that_is_described() -> None:
    for path, methods in openapi.described()["paths"].items():
        for method, operation in methods.items():
            for code, answer in operation["responses"].items():
                is_error = int(code) >= 400
                assert answer["description"] or not is_error, f"{method} {path}: {code}"
                assert not is_error or list(answer["content"]) == ["application/json"], f"{method} {path}: {code}"
                assert ("Retry-After" in answer.get("headers", {})) == (code in ("429", "503")), f"{method} {path}"


def test_each_example_fits_its_schema() -> None:
    found = list(examples())
    assert len(found) >= 4
    for operation, value, schema in found:
        error = openapi.error_of(value, schema)
        assert error is None, f"{operation}: {error}"


@pytest.mark.django_db
def test_the_description_is_served_to_everyone() -> None:
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert answer.json()["paths"].keys() == openapi.described()["paths"].keys()
    assert set(answer.json()["components"]["securitySchemes"]) == {"session", "token"}


def test_an_answer_that_is_not_described_is_found() -> None:
    class Answer:
        status_code, headers, streaming = 418, {"Content-Type": "application/json"}, False
        content = b"{}"

        @staticmethod
        def json() -> dict[str, Any]:
            return {"detail": 1}

    with pytest.raises(AssertionError, match="418 is not described, must be one of: 200"):
        openapi.check("GET", "/api/projects/", Answer())
    Answer.status_code = 404
    with pytest.raises(AssertionError, match="detail"):
        openapi.check("GET", "/api/projects/", Answer())

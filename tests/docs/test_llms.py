"""`/llms.txt` is served, and each operation and each page that it names is there."""

import re

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from aiWriting.environment import BASE_DIR
from tests import openapi
from tests.docs.pages import DOCS, name_of

TEXT = (BASE_DIR / "aiWriting" / "llms.txt").read_text()


@pytest.mark.django_db
def test_it_is_served_to_everyone() -> None:
    answer = Client().get("/llms.txt")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode() == TEXT


def test_it_has_the_form_of_llms_txt() -> None:
    lines = TEXT.splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ")
    assert re.findall(r"^#+ ", TEXT, re.MULTILINE)[1:] == ["## "] * 4


def test_the_operations_are_those_of_the_api() -> None:
    named = re.findall(r"^- (GET|POST|PATCH|DELETE) (/api/\S+):", TEXT, re.MULTILINE)
    assert len(named) > 10
    assert [one for one in named if openapi.operation_of(*one) is None] == []


def test_the_other_addresses_are_there() -> None:
    for path in re.findall(r"(?<=at )/[\w/]+/", TEXT):
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"llms.txt names {path}")


def test_every_page_of_the_documentation_is_named() -> None:
    named = set(re.findall(r"^- (\S+\.md):", TEXT, re.MULTILINE))
    pages = {name_of(page) for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}
    assert named == {*pages, "README.md", "docs/decisions/README.md"}

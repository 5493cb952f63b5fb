"""The files of `deploy/monitoring`: each metric in them exists, and the tools they are for can read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from workers.metrics import catalogue
from workers.metrics.catalogue import Family

pytestmark = pytest.mark.once

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
#: Suffixes of the samples of a histogram.
SUFFIXES = ("_bucket", "_sum", "_count")
#: Labels that Prometheus adds.
ADDED = {"instance", "job"}


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found = json.loads((FOLDER / "dashboard.json").read_text())
    return [panel for panel in found["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the name of each alert and panel with each of its expressions."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            # Grafana puts a duration in its place.
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def selectors(expression: str) -> list[Any]:
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found


def family_of(sample: str) -> Family:
    """Return the family of the catalogue that has a sample."""
    families = {family.name: family for family in catalogue.FAMILIES}
    for suffix in SUFFIXES:
        name = sample.removesuffix(suffix)
        if name in families and families[name].kind == "histogram" and name != sample:
            return families[name]
    assert sample in families, f"{sample} is no metric of ours"
    return families[sample]


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_each_metric_and_label_in_them_exists(name: str, expression: str) -> None:
    found = selectors(expression)
    assert found
    labels: set[str] = {"le"} | ADDED
    for selector in found:
        family = family_of(selector.name)
        labels |= set(family.labels)
        for matcher in selector.matchers.matchers:
            assert matcher.name in family.labels

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= labels

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)


def test_a_counter_is_read_by_its_growth_alone() -> None:
    for name, expression in expressions():
        for selector in selectors(expression):
            is_count = family_of(selector.name).kind != "gauge"
            assert is_count == (f"{selector.name}" in expression and any(
                f"{function}({selector.name}" in expression for function in ("rate", "increase")
            )), name  # fmt: skip


def test_figures_of_the_rows_are_not_added_up_over_web_processes() -> None:
    """Each web process shows the same."""
    own = {"tasks_event_streams", "tasks_publish_failures_total", "tasks_relay_passes_total"}
    for name, expression in expressions():
        for part in re.split(r"\bsum\b", expression)[1:]:
            is_own = any(metric in part for metric in own)
            assert is_own or "max by" in part, name


def test_each_metric_is_on_the_dashboard() -> None:
    shown = {family_of(selector.name).name for _, expression in expressions() for selector in selectors(expression)}
    assert shown == {family.name for family in catalogue.FAMILIES}


def test_an_alert_says_what_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}
        if "for" in rule:
            promql_parser.parse_duration(rule["for"])


def test_panels_lie_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


def test_the_examples_ask_for_what_is_served() -> None:
    prometheus = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert prometheus["rule_files"] == ["alerts.yml"]
    assert all("authorization" in job for job in prometheus["scrape_configs"])
    trigger, scaled = yaml.safe_load_all((FOLDER / "keda.yaml").read_text())
    assert trigger["spec"]["secretTargetRef"][0]["key"] == "METRICS_TOKEN"
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    assert metadata["url"].endswith("/scale")
    assert (metadata["valueLocation"], metadata["authMode"]) == ("workers", "bearer")

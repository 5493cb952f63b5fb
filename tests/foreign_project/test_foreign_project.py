"""Projects that are not ours take the task system as docs/adopting.md says, and all of it works."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from tests.foreign_project.project import ForeignProject, commands
from tests.plugin import SERVERS

pytestmark = pytest.mark.processes

#: Modules of the product and optional packages. None may be needed.
PRODUCT = ("aiWriting", "apps.accounts", "apps.projects", "apps.documents", "apps.pages", "apps.plots", "tests")
OPTIONAL = ("unfold", "rest_framework", "prometheus_client")

#: Commands that run until they are stopped.
SERVICES = ("runworker", "runscheduler")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of foreign project."""

    id: str
    variants: tuple[str, ...] = ()
    only_listed: bool = False
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def own_apps(self) -> list[str]:
        return ["people", "orders"] if "with an own user model" in self.variants else ["orders"]


#: By database. Both on both would take a minute more and find no more.
KINDS = {
    "sqlite": Kind(id="auth_user", only_listed=True),
    "postgresql": Kind(
        id="uuid_user",
        variants=("with an own user model", "with the API"),
        changes={
            "DEBUG = True": "DEBUG = False",
            "ALLOWED_HOSTS = []": "ALLOWED_HOSTS = ['localhost']",
            "TIME_ZONE = 'UTC'": "TIME_ZONE = 'Asia/Kathmandu'",
        },
    ),
}


#: Wrong settings, and what is said of them.
WRONG = {
    "another broker": (
        'DRAMATIQ_BROKER = {"BROKER": "dramatiq.brokers.stub.StubBroker"}',
        "(tasks.E004) Dramatiq's broker is a StubBroker, must be a LedgerBroker.",
    ),
    "no middleware": (
        'del DRAMATIQ_BROKER["MIDDLEWARE"]',
        "(tasks.E005) The broker's middleware cannot track tasks: Lifecycle, Progress, Ending are missing.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A project, its commands' output and the findings of its driver."""

    kind: Kind
    project: ForeignProject
    output: dict[str, str]
    findings: dict[str, Any]


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A project in which the commands of the page were run, and its tasks with them."""
    database = request.config.getoption("--database")
    kind = KINDS[database]
    servers = request.config.stash[SERVERS]
    assert servers.watchdog is not None
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
    project = ForeignProject(
        tmp_path_factory.mktemp(kind.id),
        variants=set(kind.variants),
        database=database,
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        only_listed=kind.only_listed,
        changes=kind.changes,
    )
    with ExitStack() as stack:
        stack.callback(project.drop_database)
        project.make_database()
        output = {}
        for name, *arguments in commands():
            if name in SERVICES:
                stack.callback(project.start(name, *arguments, watchdog=servers.watchdog).end)
            else:
                given = kind.own_apps if arguments == ["orders"] else arguments
                output[" ".join([name, *arguments])] = project.manage(name, *given)
        findings = project.drive(*PRODUCT, *OPTIONAL)
        yield Ran(kind=kind, project=project, output=output, findings=findings)


def test_nothing_of_the_product_is_there(ran: Ran) -> None:
    assert ran.findings["modules"] == ([] if ran.kind.only_listed else [*OPTIONAL])


def test_the_commands_are_content(ran: Ran) -> None:
    assert "System check identified no issues" in ran.output["check"]
    assert ran.output["makemigrations --check"] == "No changes detected\n"


def test_a_task_runs_from_its_send_to_its_end(ran: Ran) -> None:
    told = ran.findings["placed"]
    assert (told["status"], told["progress"], told["progress_text"]) == ("completed", 100, "Items: 3 of 3")
    assert told["result"] == {"grams": 700}
    assert told["owner"] == ran.findings["buyer"]
    assert told["about"] == ["orders.Order", 1]
    assert ran.findings["for a page"] == ["completed", 100, "Items: 3 of 3"]


def test_a_delayed_task_waits(ran: Ran) -> None:
    told = ran.findings["later"]
    assert told["status"] == "completed"
    assert told["waited"] >= 1


def test_a_failed_task_is_retried(ran: Ran) -> None:
    told = ran.findings["retried"]
    assert (told["status"], told["result"]) == ("completed", "shipped")
    assert told["errors"] == ["It is not packed yet."] * told["retries"] != []


def test_pipelines_and_groups_end_with_their_last_task(ran: Ran) -> None:
    chain, group = ran.findings["chain"], ran.findings["group"]
    assert (chain["status"], chain["result"]) == ("completed", "700 g")
    assert group["status"] == "completed"
    assert group["result"] >= 3
    assert chain["owner"] == group["owner"] == ran.findings["buyer"]


def test_a_task_is_its_owners_whatever_type_their_key_has(ran: Ran) -> None:
    assert ran.findings["owner as text"] == ran.findings["owner of a follow-up"] == ran.findings["buyer"]
    assert [told["owner"] for told in ran.findings["sent by a task"]] == [ran.findings["buyer"]] * 2


def test_an_owner_that_is_no_key_is_refused(ran: Ran) -> None:
    field = "UUIDField" if ran.kind.id == "uuid_user" else "AutoField"
    expected = f"owner_id is 'nonsense', must be the primary key of a user ({field}) or None"
    assert ran.findings["no owner"] == expected


def test_a_send_that_is_rolled_back_leaves_nothing(ran: Ran) -> None:
    assert ran.findings["rolled back"] is False


def test_a_declared_schedule_has_a_row(ran: Ran) -> None:
    ((name, cron, where),) = ran.findings["schedules"]
    assert (name, cron) == ("orders.pack_forgotten", "0 6 * * 1")
    assert re.fullmatch(r"orders/tasks\.py:\d+", where)
    listed = ran.output["schedules list"].splitlines()
    assert listed[1].split()[:2] == ["orders.pack_forgotten", "orders.pack_forgotten"]


def test_the_admin_has_its_pages(ran: Ran) -> None:
    pages = ran.findings["admin pages"]
    assert set(pages["statuses"].values()) == {200}
    assert pages["links to its order"] == ["tasks_taskstatus_changelist", "tasks_taskstatus_change"]
    assert pages["shows its progress"]


def test_the_actions_of_the_admin_work(ran: Ran) -> None:
    assert ran.findings["admin actions"] == {
        "cancelled": "cancelled",
        "retried": "completed",
        "schedule": ["@hourly", True, False],
        "history": ["boss"],
    }


def test_the_api_shows_a_task_to_its_owner_alone(ran: Ran) -> None:
    answers = ran.findings["api"]
    if "with the API" not in ran.kind.variants:
        assert answers is None
        return
    assert (answers["owner"], answers["other"], answers["public"]) == ([200, 200], [200, 404], [403, 403])
    assert answers["shown"] == "Items: 3 of 3"
    assert answers["listed"] == 12
    assert answers["events"] == 200


def test_the_health_checks_say_that_all_is_well(ran: Ran) -> None:
    alive, ready = ran.findings["health"]
    assert alive == {"status": "alive"}
    assert (ready["status"], ready["degraded"]) == ("ready", [])


@pytest.mark.parametrize("name", WRONG)
def test_a_broker_that_cannot_track_tasks_ends_the_start_with_its_number(ran: Ran, name: str) -> None:
    text, expected = WRONG[name]
    (ran.project.directory / "shop" / "wrong.py").write_text(f"from shop.settings import *\n{text}\n")
    assert expected in ran.project.manage("runworker", "--settings=shop.wrong", code=1)

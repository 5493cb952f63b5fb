"""Texts of a new actor, its service and its test, as `manage.py startactor` writes them."""

import ast
import builtins
import importlib
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import dramatiq
from django.apps import AppConfig, apps
from django.db.models import IntegerField, Model
from django.utils.module_loading import module_has_submodule

from apps.core.installed_app import is_installed
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError
from apps.tasks.queues import did_you_mean

LONGEST_NAME = 60
#: Apps that come from elsewhere and are replaced by newer versions.
FOLDERS = ("apps.core", "apps.tasks", "workers")


class BadNameError(TaskError, ValueError):
    """'documents' is no name of an actor, must be an app's label, a dot and a function's name."""


class ExistingError(TaskError):
    """There is an actor or a file with that name already."""


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file to write.

    Parameters:
      before: Text that it has now. None: it does not exist.
      after: Text that it shall have.
    """

    path: Path
    before: str | None
    after: str


def files(name: str) -> list[NewFile]:
    """Return the files of a new actor: its `tasks.py` with the actor at the end, a service and a test.

    Raises:
      BadNameError: It is no name of an actor, or no app of this project has the label.
      ExistingError: Something has that name already.
    """
    config, function = _parsed(name)
    folder = Path(config.path)
    root = folder.parents[config.name.count(".")]
    model = _model_of(config, function)

    tasks = folder / "tasks.py"
    if tasks.exists():
        before = tasks.read_text(encoding="utf-8")
    elif (folder / "tasks").exists():
        raise ExistingError(f"{config.name}.tasks is a folder. Write the actor into one of its modules.")
    else:
        before = None
    _refuse_existing(config, function)

    has_module = (folder / "services.py").exists()
    service = folder / f"{function}.py" if has_module else folder / "services" / f"{function}.py"
    package = config.name if has_module else f"{config.name}.services"
    test = _test_folder(config, root=root) / f"test_{function}.py"
    new = {
        service: _service_text(function, model),
        test: _test_text(config, function, model, package=package),
    }
    if not has_module and not (service.parent / "__init__.py").exists():
        new = {service.parent / "__init__.py": "", **new}
    if taken := [path for path in new if path.exists()]:
        raise ExistingError(f"{taken[0].relative_to(root)} exists already. Choose another name, or move the file.")
    actor = _actor_text(config, function, model, package=package)
    return [
        NewFile(path=tasks, before=before, after=appended(before, actor, app=config.label)),
        *(NewFile(path=path, before=None, after=text) for path, text in new.items()),
    ]


# --- Names -----------------------------------------------------------------------------------------


def _parsed(name: str) -> tuple[AppConfig, str]:
    """Return the app and the name of the function."""
    label, dot, function = name.partition(".")
    if not label or not dot or not re.fullmatch(r"[a-z][a-z0-9_]*", function) or len(function) > LONGEST_NAME:
        raise BadNameError(
            f"{name!r:.200} is no name of an actor, must be an app's label, a dot and a function's name in lower case "
            f"of at most {LONGEST_NAME} characters, such as documents.translate_document"
        )
    if keyword.iskeyword(function) or keyword.issoftkeyword(function) or hasattr(builtins, function):
        raise BadNameError(f"{function!r} is a word of Python. Say what the actor does to what.")
    labels = {config.label: config for config in apps.get_app_configs() if _is_of_the_project(config)}
    if label not in labels:
        raise BadNameError(
            f"Unknown app {label!r}{did_you_mean(label, labels)}, must be one of: {', '.join(sorted(labels))}"
        )
    return labels[label], function


def _is_of_the_project(config: AppConfig) -> bool:
    return config.name not in FOLDERS and not is_installed(config)


def _refuse_existing(config: AppConfig, function: str) -> None:
    name = f"{config.label}.{function}"
    if name in dramatiq.get_broker().actors:
        raise ExistingError(f"There is an actor {name} already, in {dramatiq.get_broker().actors[name].fn.__module__}.")
    assert config.module is not None
    if module_has_submodule(config.module, "tasks") and hasattr(
        importlib.import_module(f"{config.name}.tasks"), function
    ):
        raise ExistingError(f"{config.name}.tasks has a {function} already. Choose another name.")


def _model_of(config: AppConfig, function: str) -> type[Model] | None:
    """Return the model that a name such as `translate_document` ends with, if its key is an integer."""
    for model in config.get_models():
        is_usable = isinstance(model._meta.pk, IntegerField) and hasattr(model, "objects")
        if is_usable and f"_{function}".endswith(f"_{_snake(model.__name__)}"):
            return model
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _test_folder(config: AppConfig, *, root: Path) -> Path:
    """Return where the project has its tests: in `tests/LABEL`, or in the app."""
    for folder in (root / "tests" / config.label, Path(config.path) / "tests"):
        if folder.is_dir():
            return folder
    return Path(config.path)


# --- Texts -----------------------------------------------------------------------------------------


def _sentence(function: str) -> str:
    return f"{function.replace('_', ' ').capitalize()}."


def _queue() -> str:
    return "default" if not conf.TASK_QUEUES or "default" in conf.TASK_QUEUES else next(iter(conf.TASK_QUEUES))


def _actor_text(config: AppConfig, function: str, model: type[Model] | None, *, package: str) -> str:
    head = f'''@dramatiq.actor(
    actor_name="{config.label}.{function}",
    queue_name="{_queue()}",
    max_retries=3,
    time_limit=20_000,  # Milliseconds.
'''
    if model is None:
        return f'''{head})
def {function}() -> dict[str, object]:
    """{_sentence(function)}"""
    from {package} import {function} as service

    return service.{function}()
'''
    name, argument = model.__name__, f"{_snake(model.__name__)}_id"
    imports = sorted([f"from {model.__module__} import {name}", f"from {package} import {function} as service"])
    return f'''{head}    related_to="{model._meta.label}",
)
def {function}({argument}: int) -> dict[str, object]:
    """{_sentence(function)}"""
    {imports[0]}
    {imports[1]}

    found = {name}.objects.filter(pk={argument}).first()
    if found is None:
        return {{"note": f"{name} {{{argument}}} no longer exists."}}
    return service.{function}(found)
'''


def _service_text(function: str, model: type[Model] | None) -> str:
    if model is None:
        return f'''"""{_sentence(function)}"""


def {function}() -> dict[str, object]:
    """{_sentence(function)} Return small JSON, which the task's row keeps."""
    return {{"done": True}}
'''
    name, argument = model.__name__, _snake(model.__name__)
    return f'''"""{_sentence(function)}"""

from {model.__module__} import {name}


def {function}({argument}: {name}) -> dict[str, object]:
    """{_sentence(function)} Return small JSON, which the task's row keeps."""
    return {{"{argument}_id": {argument}.pk}}
'''


def _test_text(config: AppConfig, function: str, model: type[Model] | None, *, package: str) -> str:
    imports = {
        "from workers.testing import assert_sent, run_due",
        f"from {config.name} import tasks",
        f"from {package} import {function} as service",
    }
    name = "".join(word.capitalize() for word in function.split("_"))
    if model is None:
        call, result, right, what, ended = "", '{"done": True}', "", "a_task_runs", '{"done": True}'
    else:
        one, argument = model.__name__, _snake(model.__name__)
        imports.add(f"from {model.__module__} import {one}")
        call, result, right = "0", f'{{"{argument}_id": 1}}', f"{one}(pk=1)"
        what, ended = f"a_{argument}_that_is_gone_is_a_note", f'{{"note": "{one} 0 no longer exists."}}'
    lines = "\n".join(sorted(imports, key=lambda line: (line.split()[1], line)))
    return f'''"""{_sentence(function)}"""

from django.test import TestCase

{lines}


class {name}Test(TestCase):
    def test_the_service_returns_small_json(self) -> None:
        assert service.{function}({right}) == {result}

    def test_{what}(self) -> None:
        tasks.{function}.send({call})
        assert_sent(tasks.{function}{", " if call else ""}{call})
        [task] = run_due()
        assert (task.status, task.result) == ("completed", {ended})
'''


def appended(before: str | None, actor: str, *, app: str) -> str:
    """Return the text of a `tasks.py` with an actor at its end."""
    if before is None:
        before = f'"""The actors of {app}. Each loads by id, calls one service and returns small JSON."""\n'
    tree = ast.parse(before)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    if "dramatiq" not in names:
        lines = before.splitlines(keepends=True)
        futures = [node for node in imports if getattr(node, "module", "") == "__future__"]
        first = next((node for node in imports if node not in futures), None)
        # These must stay the first statements of all.
        head = futures or ([] if ast.get_docstring(tree, clean=False) is None else tree.body[:1])
        place = (first.lineno - 1) if first else ((head[-1].end_lineno or 0) if head else 0)
        lines.insert(place, "import dramatiq\n" if first else "\nimport dramatiq\n")
        before = "".join(lines).lstrip("\n")
    return f"{before.rstrip()}\n\n\n{actor}"

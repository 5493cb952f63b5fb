"""The table of the site's addresses: for each, the methods that it takes and the roles that get in.

An address without an entry fails the test. Methods that an entry does not name are answered with 405.
"""

from dataclasses import dataclass, field

#: Users of the test. The writer owns the project. Staff have no permission, those to view, or all of them.
ROLES = (
    "anonymous", "other writer", "writer", "editor", "reader", "staff without", "read-only staff", "staff", "superuser",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STAFF = ROLES[5:]

#: Kinds of answers. In: the view did its work, or refused an empty form.
IN, SIGN_IN, FORBIDDEN, MISSING, NOT_ALLOWED = "in", "sign in", "403", "404", "405"

Audience = dict[str, str]


def audience(default: str, **kinds: str) -> Audience:
    """Return the kind of answer for each role. Underscores in keywords are spaces."""
    named = {name.replace("_", " "): kind for name, kind in kinds.items()}
    return {role: named.get(role, default) for role in ROLES}


EVERYONE = audience(IN)
NOTHING = audience(MISSING)
SIGNED_IN = audience(IN, anonymous=SIGN_IN)
#: Those in the project, by role. To all others it does not exist, staff included: they have the admin.
READERS = audience(MISSING, anonymous=SIGN_IN, writer=IN, editor=IN, reader=IN)
EDITORS = READERS | {"reader": FORBIDDEN}
OWNERS = EDITORS | {"editor": FORBIDDEN}
#: As readers, and staff who may see all rows of the model.
VIEWERS = READERS | {"read-only staff": IN, "staff": IN, "superuser": IN}

#: Those who may cancel a task, of those who see it.
CANCELLERS = VIEWERS | {"reader": FORBIDDEN, "read-only staff": FORBIDDEN}


@dataclass(frozen=True)
class Entry:
    """Answers of an address.

    Parameters:
      answers: Audience by methods, such as `"GET HEAD"`.
      otherwise: Audience of all other methods.
    """

    answers: dict[str, Audience]
    otherwise: Audience = field(default_factory=lambda: audience(NOT_ALLOWED, anonymous=SIGN_IN))

    def expected(self, method: str, role: str) -> str:
        for methods, found in self.answers.items():
            if method in methods.split():
                return found[role]
        return self.otherwise[role]


def page(**answers: Audience) -> Entry:
    """Return the entry of a page or of the API. `GET_POST=...` names methods; those that take GET take HEAD."""
    return Entry({name.replace("GET", "GET HEAD").replace("_", " "): found for name, found in answers.items()})


OPEN = audience(NOT_ALLOWED)

#: Whoever is signed in, and for the admin is staff, is led on.
SIGN_IN_PAGE = Entry({"GET HEAD POST PUT OPTIONS": EVERYONE}, audience(IN, anonymous=NOT_ALLOWED))

SITE: dict[str, Entry] = {
    "healthz": Entry({}, EVERYONE),
    "readyz": Entry({}, EVERYONE),
    "metrics": Entry({}, NOTHING),
    "scale": Entry({}, NOTHING),
    "llms": Entry({"GET HEAD": EVERYONE}, OPEN),
    "api/any": Entry({}, NOTHING),
    "api-root": page(GET=SIGNED_IN),
    "api-schema": Entry({"GET HEAD": EVERYONE}, OPEN),
    "token": Entry({"POST": EVERYONE}, OPEN),
    "project-list": page(GET_POST=SIGNED_IN),
    "project-detail": page(GET=READERS, PATCH_DELETE=OWNERS),
    "project-report": page(GET=READERS, POST=EDITORS),
    "document-list": page(GET_POST=SIGNED_IN),
    "document-detail": page(GET=READERS, PATCH_DELETE=EDITORS),
    "document-chapters": page(GET=READERS),
    "document-file": page(GET=READERS),
    "document-process": page(POST=EDITORS),
    "document-move": page(POST=EDITORS),
    "document-encoding": page(GET=READERS, POST=EDITORS),
    "task-list": page(GET=SIGNED_IN),
    "task-detail": page(GET=VIEWERS),
    "task-events": page(GET=VIEWERS),
    "task-cancel": page(POST=CANCELLERS),
    "report-file": page(GET=VIEWERS),
    "pages:home": page(GET_POST=SIGNED_IN),
    "pages:sign-in": SIGN_IN_PAGE,
    "pages:sign-out": Entry({"POST OPTIONS": EVERYONE}, OPEN),
    "pages:project": page(GET=READERS),
    "pages:rename-project": page(GET_POST=OWNERS),
    "pages:delete-project": page(GET_POST=OWNERS),
    "pages:order": page(GET=EDITORS),
    "pages:upload": page(GET_POST=EDITORS),
    "pages:paste": page(GET_POST=EDITORS),
    "pages:process-project": page(GET_POST=EDITORS),
    "pages:report": page(GET_POST=EDITORS),
    "pages:members": page(GET=READERS),
    "pages:invite": page(GET_POST=OWNERS),
    "pages:member-role": page(GET_POST=OWNERS),
    "pages:remove-member": page(GET_POST=OWNERS | {"reader": IN}),  # The reader is the one who leaves.
    "pages:hand-over": page(GET_POST=OWNERS),
    "pages:withdraw-invitation": page(GET_POST=OWNERS),
    # A link of a mail leads everyone to the same page without its token, which asks for a user.
    "pages:invitation": page(GET=EVERYONE, POST=SIGNED_IN),
    "pages:second-step": Entry({}, EVERYONE),
    "pages:forgotten": Entry({}, EVERYONE),
    "pages:new-password": Entry({}, EVERYONE),
    **{f"pages:{name}": Entry({}, SIGNED_IN) for name in ("account", "address", "confirm", "password", "two-factor")},
    "pages:tokens": Entry({}, SIGNED_IN),
    "pages:revoke-token": page(GET_POST=audience(MISSING, anonymous=SIGN_IN, writer=IN)),
    "pages:end-sessions": page(GET_POST=SIGNED_IN),
    "pages:end-session": page(GET_POST=SIGNED_IN),
    "pages:recovery-codes": page(GET_POST=SIGNED_IN),
    "pages:remove-two-factor": page(GET_POST=SIGNED_IN),
    "pages:tasks": page(GET=SIGNED_IN),
    "pages:cancel-task": page(GET_POST=EDITORS),
    "pages:document": page(GET=READERS),
    "pages:rename-document": page(GET_POST=EDITORS),
    "pages:move-document": page(GET_POST=EDITORS),
    "pages:document-encoding": page(GET_POST=EDITORS),
    "pages:delete-document": page(GET_POST=EDITORS),
    "pages:process-document": page(GET_POST=EDITORS),
}


def allowed(*roles: str) -> Audience:
    """Return the audience of an address of the admin that lets these roles in and forbids it to other staff."""
    return {role: (IN if role in roles else FORBIDDEN) if role in STAFF else SIGN_IN for role in ROLES}


ANY_STAFF = allowed(*STAFF)
VIEW = allowed("read-only staff", "staff", "superuser")
CHANGE = allowed("staff", "superuser")
SUPERUSER = allowed("superuser")
NO_STAFF = allowed()
#: Checked before the permission.
STAFF_NOT_ALLOWED = {role: NOT_ALLOWED if role in STAFF else SIGN_IN for role in ROLES}
STAFF_MISSING = {role: MISSING if role in STAFF else SIGN_IN for role in ROLES}


def form(view: Audience, change: Audience) -> Entry:
    """Return the entry of a form in the admin, which Django shows for every method but POST."""
    return Entry({"POST": change}, view)


STAFF_SIGN_IN = Entry(
    {"GET HEAD POST PUT OPTIONS": EVERYONE}, {role: IN if role in STAFF else NOT_ALLOWED for role in ROLES}
)
ACTION = Entry({"POST": SUPERUSER}, STAFF_NOT_ALLOWED)
OPERATION = Entry({"GET HEAD POST": CHANGE}, STAFF_NOT_ALLOWED)

#: Pages that each model has in the admin, by the end of their names.
MODEL: dict[str, Entry] = {
    "changelist": form(VIEW, VIEW),
    "add": form(CHANGE, CHANGE),
    "history": form(VIEW, VIEW),
    "delete": form(CHANGE, CHANGE),
    "change": form(VIEW, CHANGE),
}
#: Rows that the ledger and the workers write. They are not edited.
READ_ONLY = {"add": form(NO_STAFF, NO_STAFF), "delete": form(NO_STAFF, NO_STAFF), "change": form(VIEW, NO_STAFF)}

ADMIN: dict[str, Entry] = {
    **dict.fromkeys(("admin/", "admin:index"), form(ANY_STAFF, ANY_STAFF)),
    **dict.fromkeys(("admin:tasks_failures", "admin:tasks_deploy"), Entry({"GET HEAD": VIEW}, STAFF_NOT_ALLOWED)),
    "admin:tasks_now": Entry({"GET HEAD": VIEW}, STAFF_NOT_ALLOWED),
    "admin:tasks_cause_retry": OPERATION,
    **{
        f"admin:tasks_pause_{name}": Entry({"GET HEAD": VIEW}, STAFF_NOT_ALLOWED)
        for name in ("changelist", "queues", "actors", "actor")
    },
    **{f"admin:tasks_pause_{name}": OPERATION for name in ("pause", "resume", "purge")},
    "admin:search": form(ANY_STAFF, ANY_STAFF),
    **dict.fromkeys(("admin/login/", "admin:login"), STAFF_SIGN_IN),
    **{name: Entry({"POST OPTIONS": EVERYONE}, OPEN) for name in ("admin/logout/", "admin:logout")},
    **{name: Entry({}, SIGNED_IN) for name in ("admin/password_change/", "admin:password_change")},
    "admin:password_change_done": Entry({"GET HEAD OPTIONS": ANY_STAFF}, STAFF_NOT_ALLOWED),
    # Without the field that asks, it refuses.
    "admin:autocomplete": Entry({"GET HEAD": NO_STAFF, "OPTIONS": ANY_STAFF}, STAFF_NOT_ALLOWED),
    "admin:jsi18n": Entry({"GET HEAD OPTIONS": ANY_STAFF}, STAFF_NOT_ALLOWED),
    "admin:view_on_site": form(STAFF_MISSING, STAFF_MISSING),
    "admin/r/<path:url>": form(STAFF_MISSING, STAFF_MISSING),
    "admin:app_list": form(VIEW | {"staff without": MISSING}, VIEW | {"staff without": MISSING}),
    "admin:": form(ANY_STAFF, ANY_STAFF),  # Leads to the page of the row.
    "admin/any": form(STAFF_MISSING, STAFF_MISSING),
    "admin:auth_user_password_change": form(CHANGE, CHANGE),
    # Permissions are given by superusers alone.
    **{f"admin:auth_group_{name}": form(SUPERUSER, SUPERUSER) for name in ("add", "delete")},
    "admin:auth_group_change": form(VIEW, SUPERUSER),
    "admin:accounts_apitoken_add": form(NO_STAFF, NO_STAFF),
    "admin:accounts_apitoken_change": form(VIEW, NO_STAFF),
    # Counters are only deleted.
    "admin:accounts_throttle_add": form(NO_STAFF, NO_STAFF),
    "admin:accounts_throttle_change": form(VIEW, NO_STAFF),
    # The actor of the schedule is not offered to staff.
    "admin:tasks_schedule_change": form(VIEW, SUPERUSER),
    "admin:tasks_schedule_delete": form(SUPERUSER, SUPERUSER),
    "admin:tasks_schedule_preview": form(CHANGE, CHANGE),
    **{f"admin:tasks_schedule_{name}": ACTION for name in ("run", "pause", "resume", "undo")},
    "admin:tasks_alert_silence": OPERATION,
    "admin:tasks_alert_unsilence": Entry({"POST": CHANGE}, STAFF_NOT_ALLOWED),
    "admin:tasks_alertrule_test": Entry({"POST": CHANGE}, STAFF_NOT_ALLOWED),
    **{f"admin:tasks_workerprocess_{name}": OPERATION for name in ("quiet", "resume", "stop")},
    # Limits are declared in the code. One of code that is not there may be deleted.
    "admin:tasks_limit_add": form(NO_STAFF, NO_STAFF),
    "admin:tasks_taskstatus_views": Entry({"POST": VIEW}, STAFF_NOT_ALLOWED),
    "admin:tasks_taskstatus_part": Entry({"GET HEAD": VIEW}, STAFF_NOT_ALLOWED),
    "admin:tasks_taskstatus_log": Entry({"GET HEAD": VIEW}, STAFF_NOT_ALLOWED),
    "admin:tasks_taskstatus_stack": Entry({"POST": VIEW}, STAFF_NOT_ALLOWED),
    **{
        f"admin:tasks_{model}_{end}": entry
        for model in ("taskgroup", "taskstatus", "workerprocess", "alert", "auditentry")
        for end, entry in READ_ONLY.items()
    },
    **{
        f"admin:tasks_taskstatus_{name}": OPERATION
        for name in ("cancel", "retry", "run_now", "priority", "queue", "delete")
    },
    # Without the name of an action it leads back, and says so.
    "admin:tasks_taskstatus_all": Entry({"GET HEAD POST": VIEW}, STAFF_NOT_ALLOWED),
}


def entry_of(name: str) -> Entry | None:
    """Return the entry of an address. None: it has none."""
    found = SITE.get(name) or ADMIN.get(name)
    if found is None and name.startswith("admin:"):
        found = MODEL.get(name.rpartition("_")[2])
    return found

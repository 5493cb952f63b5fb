"""The actors of accounts, and a task of Django's Tasks API. Each loads by id, calls one service and returns small JSON.

Every process imports this module at its start, so services are imported on use.
"""

from typing import Any

import dramatiq
from django_tasks import task

from apps.core.mail import MailRefusedError

MINUTE_MS = 60 * 1_000


@task(
    queue_name="mail",
    # An hour for a mail server that is down or defers the mail. The link is made anew for each attempt.
    max_retries=6,
    time_limit=5 * MINUTE_MS,
    idempotent=True,  # A second mail has the same address, and a link that works.
    min_backoff=MINUTE_MS // 2,
    max_backoff=30 * MINUTE_MS,
    throws=(MailRefusedError,),
)
def send_password_mail(user_ids: list[int], origin: str) -> dict[str, Any]:
    """Mail the users of one address a link for a new password. Without users it does nothing, in the same time."""
    from apps.accounts.sign_in import reset

    return {"mailed": reset.mail_link(user_ids, origin=origin)}


@dramatiq.actor(
    actor_name="accounts.send_address_mail",
    queue_name="mail",
    max_retries=6,
    time_limit=5 * MINUTE_MS,
    idempotent=True,  # A second mail has the same address, and a link that works.
    min_backoff=MINUTE_MS // 2,
    max_backoff=30 * MINUTE_MS,
    related_to="accounts.User",
    throws=(MailRefusedError,),
)
def send_address_mail(user_id: int, origin: str) -> dict[str, Any]:
    """Mail a user a link to the address that the user asked for."""
    from apps.accounts.sign_in import address

    return {"mailed": address.mail_link(user_id, origin=origin)}

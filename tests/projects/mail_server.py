"""A real SMTP server on its own port, which refuses mails as a test says."""

import email
import email.policy
import threading
from asyncio import new_event_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP


class Handler:
    """Takes mails and refuses some.

    Parameters:
      taken: The mails in the order in which they came.
      answers: Answers to each address, such as "550 No such user". Each is given once; then the address is accepted.
      data_answers: Answers to the mail itself, each given once.
      asked: The addresses that clients named, one for each time.
    """

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answers: dict[str, list[str]] = {}
        self.data_answers: list[str] = []
        #: Called when a mail was taken, before the server answers.
        self.on_taken: Callable[[], None] = lambda: None
        self.asked: list[str] = []

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        answers = self.answers.get(address)
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data_answers:
            return self.data_answers.pop(0)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.on_taken()
        return "250 Taken"


@contextmanager
def mail_server(*, port: int = 0) -> Iterator[tuple[Handler, int]]:
    """Run a server in a thread as long as the block lasts. Yields its handler and its port."""
    handler, loop = Handler(), new_event_loop()
    controller = UnthreadedController(handler, hostname="127.0.0.1", port=port, loop=loop)
    controller.begin()
    thread = threading.Thread(target=loop.run_forever, name="mail server")
    thread.start()
    try:
        server: Any = controller.server
        yield handler, server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        controller.end()
        loop.close()

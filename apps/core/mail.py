"""Send a mail, and tell a refusal for good from one for now."""

import re
import smtplib

from django.core.mail import EmailMessage

_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


class MailRefusedError(Exception):
    """The mail server refused the mail to jane@example.com for good: 550 No such user"""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The mail server refused the mail to {address} for good: {reason}")


def in_one_line(text: str) -> str:
    """Return a text of a user for a mail to another one: in one line, and without a character that turns what follows.

    Those are Unicode's embeddings, overrides and isolates of the direction of text.
    """
    return " ".join(_TURNS.sub("", text).split())


def send(message: EmailMessage) -> bool:
    """Hand a mail with one recipient to the server. Return whether it went out.

    Raises:
      MailRefusedError: The mail server refused it for good.
      OSError: The mail server did not take it; try again later.
    """
    address = message.to[0]
    try:
        return bool(message.send())
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        if _is_for_good(code):
            raise MailRefusedError(address, _reason(code, reply)) from error
        raise
    except smtplib.SMTPDataError as error:
        if _is_for_good(error.smtp_code):
            raise MailRefusedError(address, _reason(error.smtp_code, error.smtp_error)) from error
        raise
    except ValueError as error:
        # Django and smtplib refuse an address that is none before they speak to the server.
        raise MailRefusedError(address, f"it is no address that a mail can have ({error})") from error


def _is_for_good(code: int) -> bool:
    """Return whether the server's code says that another attempt is in vain. Those from 400 on say "try later"."""
    return 500 <= code < 600


def _reason(code: int, reply: bytes | str) -> str:
    said = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"{code} {said}"

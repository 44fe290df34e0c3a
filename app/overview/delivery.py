"""How an alert reaches staff who look at no page: a signed webhook, and mail.

Nothing here logs an address, a secret or what a receiver answered.
"""

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2

from app.errors import BadInput, Unavailable
from app.models import AlertReceiver, AlertTurn
from app.settings import Settings

TIMEOUT_S: Final = 15.0
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of Standard Webhooks; what follows is base 64


@dataclass(frozen=True, slots=True)
class Message:
    """What is told.

    id : the same whenever it is sent again, so that a receiver knows it
    """

    id: str
    turn: AlertTurn
    kind: str
    study: str
    title: str
    text: str
    at: str
    url: str


def receivers(config: Settings, turn: AlertTurn) -> Sequence[AlertReceiver]:
    """Where something is told. Mail says only what begins; a program is also told that it is over."""
    found: list[AlertReceiver] = []
    if config.alert_webhook_url.get_secret_value():
        found.append(AlertReceiver.WEBHOOK)
    if config.alert_mail_to and turn is AlertTurn.BEGAN:
        found.append(AlertReceiver.MAIL)
    return found


def place_of(config: Settings, receiver: AlertReceiver) -> str:
    """The server behind a receiver: no path, name or password, which may be secrets."""
    if receiver is AlertReceiver.WEBHOOK:
        return urlsplit(config.alert_webhook_url.get_secret_value()).hostname or ""
    return ", ".join(sorted({address.rpartition("@")[2] for address in config.alert_mail_to.split()}))


def deliver(config: Settings, message: Message, receiver: AlertReceiver) -> None:
    """`Unavailable` when it did not arrive; it may be sent again."""
    if receiver is AlertReceiver.WEBHOOK:
        _post(config, message)
    else:
        _mail(config, message)


def _post(config: Settings, message: Message) -> None:
    body = json.dumps(
        {
            "type": f"alert.{message.turn}",
            "timestamp": message.at,
            "data": {
                name: getattr(message, name) for name in ("id", "kind", "study", "title", "text", "url")
            },
        },
        ensure_ascii=False,
    ).encode()
    headers = signed_headers(
        config.alert_webhook_secret.get_secret_value(), message.id, body, at=int(time.time())
    )
    try:
        answer = httpx2.post(
            config.alert_webhook_url.get_secret_value(),
            content=body,
            headers=headers | {"Content-Type": "application/json"},
            timeout=TIMEOUT_S,
        )
    except httpx2.HTTPError as error:
        raise Unavailable(f"The webhook of alerts does not answer: {type(error).__name__}.") from None
    if not answer.is_success:
        raise Unavailable(f"The webhook of alerts answered {answer.status_code}.")


def signed_headers(secret: str, identity: str, body: bytes, *, at: int) -> dict[str, str]:
    """As https://www.standardwebhooks.com says: HMAC-SHA256 over id, seconds since 1970 and body."""
    if secret.startswith(SECRET_PREFIX):
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    else:
        key = secret.encode()
    content = f"{identity}.{at}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }


def _mail(config: Settings, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"] = f"Cyborg: {message.title}: {message.kind.replace('_', ' ')}"
    mail["From"] = config.alert_mail_from or config.alert_mail_to.split()[0]
    mail["To"] = ", ".join(config.alert_mail_to.split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.id}@{urlsplit(config.public_url).hostname}>"
    mail.set_content(f"{message.text}\n\n{message.url}\n")
    try:
        with _mail_server(config.smtp_url.get_secret_value()) as server:
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"The mail server took no alert: {type(error).__name__}.") from None


@contextmanager
def _mail_server(url: str) -> Iterator[smtplib.SMTP]:
    """Of `smtp://user:password@host:587`, encrypted before anybody logs in, or `smtps://` from the start."""
    parts = urlsplit(url)
    host, context = parts.hostname or "", ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=context)
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_S)
    ) as server:
        server.ehlo()
        if parts.scheme == "smtp" and (server.has_extn("starttls") or parts.username):
            server.starttls(context=context)  # refused where the server cannot: no password in the clear
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server


def try_out(config: Settings) -> list[AlertReceiver]:
    """Send a message by every receiver that is set up; `BadInput` when there is none."""
    message = Message(
        id=f"trial-{int(time.time())}",
        turn=AlertTurn.BEGAN,
        kind="trial",
        study="none",
        title="trial",
        text="Somebody asked whether alerts arrive. This one did.",
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        url=config.public_url,
    )
    found = list(receivers(config, AlertTurn.BEGAN))
    if not found:
        raise BadInput("Alerts go nowhere: set CYBORG_ALERT_WEBHOOK_URL or CYBORG_ALERT_MAIL_TO.")
    for receiver in found:
        deliver(config, message, receiver)
    return found

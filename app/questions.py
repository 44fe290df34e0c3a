"""A form that asks before it acts.

Its question travels with it, as the field `asks`, until somebody has answered: a script asks in a dialog and
sends the form without that field. Where no script has run yet, or none does, the form arrives with its
question, and the answer is a page that asks. So a press never acts unasked, in whatever browser.
"""

from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.web import SAFE_METHODS, page

QUESTION: Final = "asks"
YES: Final = "asks_yes"
"""Field with what the button says that agrees."""
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class Unanswered(Exception):
    """A form came with its question; `fields` is what else it says."""

    def __init__(self, question: str, yes: str, fields: list[tuple[str, str]]) -> None:
        super().__init__(question)
        self.question, self.yes, self.fields = question, yes, fields


async def ask_first(request: Request) -> None:
    """Let nothing through that still carries its question: `Unanswered`."""
    is_form = request.headers.get("content-type", "").lower().startswith(FORMS)
    if request.method in SAFE_METHODS or not is_form:
        return
    sent = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    said = dict(sent)
    if question := said.get(QUESTION):
        others = [field for field in sent if field[0] not in (QUESTION, YES)]
        raise Unanswered(question, said.get(YES) or "Yes", others)


def question_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unanswered)  # noqa: S101 - the type that it is registered for
    return page(
        request,
        "staff/question.html",
        question=error.question,
        yes=error.yes,
        fields=error.fields,
        back=_came_from(request),
    )


def _came_from(request: Request) -> str:
    """The page of this site on which the form was."""
    page_before = urlsplit(request.headers.get("referer", ""))
    if page_before.netloc != request.headers.get("host") or not page_before.path.startswith("/staff"):
        return "/staff"
    return page_before._replace(scheme="", netloc="").geturl()


def add_question_page(app: FastAPI) -> None:
    app.add_exception_handler(Unanswered, question_page)

"""A browser without a screen: it follows every link and sends every form as they stand on the pages."""

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import lxml.html
from fastapi.testclient import TestClient

from app.questions import QUESTION

NAVIGATION = {"accept": "text/html,*/*;q=0.8", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}

TYPED = {
    "email": "somebody@lab.example",
    "password": "correct horse battery",
    "number": "1",
    "url": "https://lab.example/done",
}
"""What somebody types into a required field of that type; any other gets its own name."""

OF_A_SHAPE = 3
"""Addresses, and forms that change nothing, which differ in nothing but values: so many are tried."""
IDENTIFIER = re.compile(r"(?<=/)(?:\d+|[0-9a-f]{8}[0-9a-f-]*)(?=[/.]|$)")
"""What names one row of a list in a path: a number, a digest or a UUID."""

Files = dict[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Submission:
    """A form as a press of one of its buttons sends it."""

    page: str = field(compare=False)
    method: str
    address: str
    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, tuple[str, bytes]], ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it still carries the question that it asks before it acts."""
        return QUESTION in dict(self.fields)

    def answered(self) -> "Submission":
        """As a script sends it once somebody has agreed."""
        return replace(self, fields=tuple(one for one in self.fields if one[0] != QUESTION))

    @property
    def data(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return found

    def __str__(self) -> str:
        return f"{self.method} {self.address} {urlencode(self.fields)[:200]} on {self.page}"


@dataclass
class Crawler:
    """Reads pages of one site, starting anywhere.

    typed : what goes into required fields that are blank, by name of the field
    chosen : what goes into required file fields, by name of the field
    thorough : choose every option of every list of what only looks, and read and change every row of every
        list; else of pages and forms that differ only in the row, the first ones
    """

    client: TestClient
    typed: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    thorough: bool = True
    pages: dict[str, lxml.html.HtmlElement] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def read(self, *starts: str) -> None:
        """Follow every link from here on; each address is read once, and of endless lists the first ones."""
        waiting, seen = deque((start, "") for start in starts), set(starts)
        shapes: Counter[tuple[str, ...]] = Counter()
        while waiting:
            address, found_on = waiting.popleft()
            response = self.open(address, found_on=found_on)
            if "text/html" not in response.headers.get("content-type", ""):
                continue
            self.pages[address] = page = lxml.html.fromstring(response.text)
            for link in self._links(page, address):
                if link not in seen and shapes[self.shape(link)] < OF_A_SHAPE:
                    shapes[self.shape(link)] += 1
                    seen.add(link)
                    waiting.append((link, address))

    def open(self, address: str, *, found_on: str = "") -> Any:
        """GET an address as a click on a link does, wherever that leads."""
        response = self.client.get(address, headers=NAVIGATION, follow_redirects=True)
        self.note(response.status_code, f"GET {address} on {found_on or 'no page'}")
        return response

    def send(self, one: Submission) -> None:
        """Submit a form; then load the address anew where that leaves the browser."""
        files = list(one.files) or None
        if one.method == "GET":
            bare = one.address.partition("?")[0]
            self.open(f"{bare}?{urlencode(one.fields)}", found_on=one.page)
            return
        response = self.client.post(one.address, data=one.data, files=files, headers=NAVIGATION)
        self.note(response.status_code, str(one))
        left_at = response.headers["location"] if response.is_redirect else one.address
        self.open(urljoin(one.address, left_at), found_on=f"reload after {one}")

    def note(self, status: int, what: str) -> None:
        if status >= 400:
            self.troubles.append(f"{status}: {what}")

    def forms(self) -> Iterator[Submission]:
        """Each way of sending each form of the pages read, once; of what only looks, the first ones."""
        seen: set[Submission] = set()
        shapes: Counter[tuple[str, ...]] = Counter()
        for address, page in self.pages.items():
            for form in page.xpath("//form[not(ancestor-or-self::*[@hidden])]"):
                for one in self._ways(form, address):
                    shape = self.shape_of(one)
                    has_limit = one.method == "GET" or not self.thorough
                    if one in seen or (has_limit and shapes[shape] == OF_A_SHAPE):
                        continue
                    if self.thorough and one.method == "GET" and not shapes[shape]:
                        yield from choices(form, one)
                    shapes[shape] += 1
                    seen.add(one)
                    yield one

    def shape(self, address: str) -> tuple[str, ...]:
        """Path and names of an address."""
        path, _, query = address.partition("?")
        names = sorted({name for name, _ in parse_qsl(query, keep_blank_values=True)})
        return (path if self.thorough else IDENTIFIER.sub("#", path), *names)

    def shape_of(self, one: Submission) -> tuple[str, ...]:
        """What a form has in common with the same form of another page of a list."""
        path, *_ = self.shape(one.address)
        return one.method, path, *(name for name, _ in one.fields)

    def _ways(self, form: Any, address: str) -> Iterator[Submission]:
        method = (form.get("method") or "get").upper()
        if method not in ("GET", "POST"):
            return  # a dialog's
        fields, files = self._fields(form)
        for button in form.xpath(".//button[not(@type) or @type='submit']"):
            pressed = [(button.get("name"), button.get("value", ""))] if button.get("name") else []
            action = button.get("formaction") or form.get("action") or address
            target = self._local(urljoin(address, action))
            if target is not None:
                one = Submission(address, method, target, (*fields, *pressed), tuple(files.items()))
                yield one
                if one.asks:
                    yield one.answered()

    def _fields(self, form: Any) -> tuple[list[tuple[str, str]], Files]:
        """What a browser sends of a form as it stands; what it insists on is filled in."""
        fields: list[tuple[str, str]] = []
        files: Files = {}
        for control in form.inputs:
            if not control.name or control.get("disabled") is not None:
                continue
            kind = control.get("type", "text") if control.tag == "input" else control.tag
            if kind == "file":
                required = control.get("required") is not None
                files[control.name] = self.chosen[control.name] if required else ("", b"")
            elif kind in ("checkbox", "radio"):
                fields += [(control.name, control.get("value", "on"))] if control.checked else []
            elif kind not in ("submit", "button", "reset", "image"):
                fields.append((control.name, self._value(control, kind)))
        return fields, files

    def _value(self, control: Any, kind: str) -> str:
        value = control.value or ""
        if kind == "textarea":
            value = value.removeprefix("\n").replace("\n", "\r\n")
        if value or control.get("required") is None:
            return value
        return self.typed.get(control.name, TYPED.get(kind, control.name))

    def _links(self, page: lxml.html.HtmlElement, address: str) -> Iterator[str]:
        """Every address that a page names, in whatever attribute; but for those that its forms send to."""
        for element in page.iter(lxml.html.etree.Element):
            for name, value in element.attrib.items():
                if name in ("action", "formaction"):
                    continue
                is_link = element.tag == "a" and name == "href"
                if is_link or value.startswith(("/", str(self.client.base_url))):
                    local = self._local(urljoin(address, value))
                    if local is not None:
                        yield local

    def _local(self, address: str) -> str | None:
        """Path and query of an address of this site; None for any other."""
        parts = urlsplit(address)
        here = urlsplit(str(self.client.base_url))
        if parts.netloc not in ("", here.netloc) or parts.scheme not in ("", here.scheme):
            return None
        return parts._replace(scheme="", netloc="", fragment="").geturl() or None


def choices(form: Any, standing: Submission) -> Iterator[Submission]:
    """The same with every option of every list, one at a time."""
    for select in form.xpath(".//select[@name]"):
        for option in select.value_options:
            fields = tuple(
                (name, option if name == select.name else value) for name, value in standing.fields
            )
            yield replace(standing, fields=fields)

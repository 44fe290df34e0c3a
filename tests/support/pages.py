"""A page as a test looks at it: what stands in which element."""

from dataclasses import dataclass

import lxml.html
from httpx2 import Response
from lxml.html import HtmlElement


@dataclass(frozen=True)
class Page:
    """The elements of one page, found by CSS selectors.

    A selector that finds nothing, or more than one element where one is meant, fails the test and says so.
    """

    root: HtmlElement

    def all(self, css: str) -> list[HtmlElement]:
        """Every element, in the order of the page."""
        found: list[HtmlElement] = self.root.cssselect(css)
        return found

    def find(self, css: str) -> HtmlElement:
        """The only element."""
        found = self.all(css)
        assert len(found) == 1, f"{css} finds {len(found)} elements"
        return found[0]

    def has(self, css: str) -> bool:
        return bool(self.all(css))

    def text(self, css: str = "body") -> str:
        """What the only element says, with one space between words."""
        return plain(self.find(css))

    def texts(self, css: str) -> list[str]:
        """What each element says."""
        return [plain(one) for one in self.all(css)]

    def values(self, css: str, attribute: str) -> list[str]:
        """An attribute of each element that has it."""
        return [one.attrib[attribute] for one in self.all(css) if attribute in one.attrib]


def plain(element: HtmlElement) -> str:
    return " ".join(str(element.text_content()).split())


def read(response: Response) -> Page:
    """The page of an answer."""
    return Page(lxml.html.document_fromstring(response.text))

"""A spider's definition while it is edited: the same draft as a form, as YAML, and under the preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.http import QueryDict

from crawler.definitions import InvalidDefinitions, places, to_yaml
from crawler.definitions.places import Place
from crawler.definitions.reading import read, with_line
from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError, DefinitionProblem
from crawler.engine.messages import said
from crawler.engine.records import Json
from crawler.engine.spider import SpiderDefinition

from .form import Form
from .form_shape import in_order

NEW = """\
name: my-spider
start_urls: ["https://example.com/"]
follow:
  - css: "a[href]"
items:
  - type: page
    fields:
      title: {css: "title", required: true}
"""
"""What a new spider begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody has written so far; nothing of it is stored."""

    document: dict[str, Json]
    """Empty where the text cannot be read."""
    text: str
    """The document as `definitions.to_yaml` writes it, or the text as it was typed."""
    problems: tuple[DefinitionProblem, ...] = ()
    """Each with its place in the document, ``items[0].fields.price.css``; without one where the text cannot be read."""
    definition: SpiderDefinition | None = None
    """None where there are problems."""
    form: Form | None = None
    """The form as it was sent; None where the draft came as text or from the database."""
    is_whole: bool = True
    """False where the form held what no document can: it is to be shown again, or something is lost."""

    @classmethod
    def of_document(cls, document: Mapping[str, Json]) -> Draft:
        return _judged(dict(document), to_yaml(document))

    @classmethod
    def of_text(cls, text: str) -> Draft:
        """Of YAML or JSON; what was typed stays as it is."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        try:
            document = read(text).value
        except InvalidDefinitions as error:
            problems = tuple(DefinitionProblem(problem.place, with_line(problem)) for problem in error.problems)
            return cls(document={}, text=text, problems=problems)
        if not isinstance(document, dict):
            return cls(document={}, text=text, problems=(DefinitionProblem("", _ONE_SPIDER),))
        return _judged(document, text)

    @classmethod
    def of_post(cls, data: QueryDict) -> Draft:
        """Of the workshop's form, in whatever tab it was sent: `_view` says how it carries the draft."""
        if data.get("_view") == "form":
            return cls.of_form(Form.of_post(data))
        return cls.of_text(data.get("text", ""))

    @classmethod
    def of_form(cls, form: Form) -> Draft:
        """Of what stands in the form's inputs."""
        document, own = form.read()
        if form.is_too_large:
            return cls(document=document, text=to_yaml(document), problems=tuple(own), form=form)
        judged = _judged(document, to_yaml(document))
        return replace(
            judged,
            problems=(*own, *judged.problems),
            definition=None if own else judged.definition,
            form=form,
            is_whole=not own,
        )

    def as_form(self) -> Form:
        """The form as it was sent, else one that says what the document says."""
        return self.form or Form.of_document(self.document)

    @property
    def is_readable(self) -> bool:
        """Whether there is a document at all, be it right or wrong."""
        return bool(self.document) or not self.problems

    @property
    def start(self) -> str:
        """The first start page as it is written, be the rest of the draft right or wrong; empty where there is none, or
        a request with a body."""
        starts = self.document.get("start_urls")
        first = starts[0] if isinstance(starts, list) and starts else ""
        return first if isinstance(first, str) else ""

    def with_value(self, place: Place, value: Json) -> Draft:
        """A draft with one value put in; what is missing on the way to its place is made.

        Raises:
            NoSuchPlace: the way leads through a text or a number, or past the end of a list.
        """
        return Draft.of_document(in_order(places.with_value(self.document, place, value)))

    def without(self, place: Place) -> Draft:
        """A draft without what stands at a place; the same where nothing does."""
        return Draft.of_document(places.without(self.document, place))


_ONE_SPIDER = said('write one spider: keys and values, beginning with "name:"')


def _judged(document: dict[str, Json], text: str) -> Draft:
    try:
        return Draft(document=document, text=text, definition=parse(document))
    except DefinitionError as error:
        return Draft(document=document, text=text, problems=tuple(error.problems))

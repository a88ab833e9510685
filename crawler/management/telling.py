"""A crawl's account as lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.account.explanation import Explanation

TOP = 3
"""Causes that are told at the end of a crawl."""


def story(explanation: Explanation) -> Iterator[str]:
    """The whole account, a line each."""
    yield explanation.sentence
    if explanation.comparison is not None:
        yield from explanation.comparison.sentences
    for found in explanation.causes:
        yield ""
        yield f"{found.cause.title}: {found.amount}"
        yield f"  {found.cause.what}"
        yield from (f"  {detail}" for detail in found.details)
        yield f"  What to do: {found.cause.remedy}"
        for example in found.examples:
            status = "" if example.status_code is None else f" ({example.status_code})"
            yield f"  - {example.url}{status}" + (f": {example.detail}" if example.detail else "")


def closing(explanation: Explanation | None) -> Iterator[str]:
    """The causes that weigh most, in plain words."""
    if explanation is None:
        return
    causes = explanation.causes[:TOP]
    for found in causes:
        example = f" Example: {found.examples[0].url}" if found.examples else ""
        yield f"- {found.cause.title}, {found.amount}: {' '.join(found.details) or found.cause.what}{example}"
        yield f"  What to do: {found.cause.remedy}"
    if causes:
        more = len(explanation.causes) - len(causes)
        left = f" ({more} more {'cause' if more == 1 else 'causes'})" if more else ""
        yield f"All of it: manage.py explaincrawl {explanation.task_id}{left}"

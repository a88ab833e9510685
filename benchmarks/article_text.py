"""The main text of pages (`type: article`) beside trafilatura, judged by what people marked as the text.

    python -m benchmarks.article_text

Two corpora of $CORPORA: `articles` (scrapinghub's article-extraction-benchmark: shingles of four words of the whole
text) and `trafilatura-pages` (sentences that must, and that must not, be there). The parser's own `main_text` stands in
the table too: what there would be without an algorithm of our own. CPU seconds are of parsing and extraction together.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from turbohtml import parse

from benchmarks.measuring import PEERS, closing_line, peer_python
from crawler.engine.pages.article import ArticleReader
from crawler.engine.pages.page import PageTree
from crawler.engine.spider import FieldRule, FieldType
from tests.servers.corpora import find

_WORD = re.compile(r"\w+")
_SHINGLE = 4


class Score(NamedTuple):
    f1: float
    precision: float
    recall: float


def main() -> None:
    articles = find("articles")
    pages = find("trafilatura-pages")
    bodies = json.loads((articles / "truth" / "ground-truth.json").read_text(encoding="utf-8"))
    marks = json.loads((pages / "truth" / "evaldata.json").read_text(encoding="utf-8"))
    files = [articles / "site" / f"{name}.html" for name in bodies] + [pages / "site" / name for name in marks]
    results = []
    for subject, extract in (("lamplighter", _ours), ("turbohtml", _parsers), ("trafilatura", None)):
        texts, seconds = _peers(files) if extract is None else _timed(extract, files)
        by_text = score_texts(
            [(entry["articleBody"], text) for entry, text in zip(bodies.values(), texts, strict=False)]
        )
        by_mark = score_marks(list(zip(marks.values(), texts[len(bodies) :], strict=True)))
        results.append(
            {
                "subject": subject,
                "articles": by_text._asdict(),
                "trafilatura_pages": by_mark._asdict(),
                "cpu_seconds": round(seconds, 2),
                "pages": len(files),
            }
        )
        print(f"{subject:12} articles {_shown(by_text)}   trafilatura-pages {_shown(by_mark)}   {seconds:.2f} s")
    closing_line("article_text", peer="trafilatura", results=results)


def score_texts(pairs: Sequence[tuple[str, str]]) -> Score:
    """Means over the pages of the shares of shingles that are right (precision) and that were found (recall)."""
    precisions, recalls = [], []
    for expected, found in pairs:
        theirs, ours = _shingles(expected), _shingles(found)
        common = (theirs & ours).total()
        if ours:
            precisions.append(common / ours.total())
        if theirs:
            recalls.append(common / theirs.total())
    return _score(statistics.mean(precisions), statistics.mean(recalls))


def score_marks(pairs: Sequence[tuple[dict[str, list[str]], str]]) -> Score:
    """Over all marks: sentences of the text that were found, and sentences of the frame that were taken for it."""
    wanted = [mark in text for marks, text in pairs for mark in marks["with"]]
    unwanted = [mark in text for marks, text in pairs for mark in marks["without"]]
    found = sum(wanted)
    return _score(found / (found + sum(unwanted)), found / len(wanted))


def _score(precision: float, recall: float) -> Score:
    return Score(*(round(value, 4) for value in (2 * precision * recall / (precision + recall), precision, recall)))


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text)
    starts = range(max(1, len(words) - _SHINGLE + 1))
    return Counter(tuple(words[start : start + _SHINGLE]) for start in starts if words)


_READER = ArticleReader(FieldRule(name="text", type=FieldType.ARTICLE))


def _ours(body: bytes) -> str:
    page = PageTree("http://site.test/", body, "")
    return str(_READER.read(page.document, page).value or "")


def _parsers(body: bytes) -> str:
    return parse(body, positions=False).main_text()


def _timed(extract: Callable[[bytes], str], files: Sequence[Path]) -> tuple[list[str], float]:
    contents = [file.read_bytes() for file in files]
    begin = time.process_time()
    texts = [extract(content) for content in contents]
    return texts, time.process_time() - begin


def _peers(files: Sequence[Path]) -> tuple[list[str], float]:
    python = peer_python("trafilatura")
    command = [str(python), str(PEERS / "trafilatura_text.py")]
    paths = "\n".join(map(str, files))
    printed = subprocess.run(command, input=paths, capture_output=True, text=True, check=True).stdout
    *lines, last = printed.splitlines()
    return [json.loads(line) for line in lines], float(last)


def _shown(score: Score) -> str:
    return f"F1 {score.f1:.3f} (precision {score.precision:.3f}, recall {score.recall:.3f})"


if __name__ == "__main__":
    main()

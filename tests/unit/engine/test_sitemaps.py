"""Sitemaps as files: forms, codings, faults and attacks; and that no step takes long, whatever is fed."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.engine.errors import Reason
from crawler.engine.sitemap.reader import MAX_BYTES, Entry, SitemapReader, read_lastmod
from tests.servers.corpora import corpus

URL = "https://site.example/sitemap.xml"
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def read(
    body: str | bytes, *, step: int = 65_536, encoding: str = "", charset: str = ""
) -> tuple[list[Entry], tuple[Reason, str] | None]:
    data = body.encode() if isinstance(body, str) else body
    reader = SitemapReader(URL, content_encoding=encoding, charset=charset)
    entries: list[Entry] = []
    for start in range(0, len(data), step):
        for found in reader.feed(data[start : start + step]):
            entries += found
    for found in reader.close():
        entries += found
    return entries, reader.problem


def urlset(*addresses: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>', root: str = NAMESPACE) -> str:
    urls = "".join(f"<url><loc>{address}</loc></url>" for address in addresses)
    return f"{head}<urlset {root}>{urls}</urlset>"


def addresses(body: str | bytes, **options: str) -> list[str]:
    entries, problem = read(body, **options)  # type: ignore[arg-type]
    assert problem is None, problem
    return [entry.address for entry in entries]


A, B = "https://site.example/a", "https://site.example/b"

READ: dict[str, str | bytes] = {
    "usual": urlset(A, B),
    "no declaration": urlset(A, B, head=""),
    "no namespace": urlset(A, B, root=""),
    "wrong namespace": urlset(A, B, root='xmlns="http://www.google.com/schemas/sitemap/0.84"'),
    "prefixes": f"<s:urlset xmlns:s='x'><s:url><s:loc>{A}</s:loc></s:url><s:url><s:loc>{B}</s:loc></s:url></s:urlset>",
    "undeclared prefixes": urlset(A, B).replace("</url>", "<image:image><image:loc>/i</image:loc></image:image></url>"),
    "byte order mark": b"\xef\xbb\xbf" + urlset(A, B).encode(),
    "blank lines in front": "\n \n" + urlset(A, B),
    "UTF-16": urlset(A, B, head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
    "UTF-16 without a mark": urlset(A, B, head="").encode("utf-16-be"),
    "windows-1251": urlset(A, B, head='<?xml version="1.0" encoding="windows-1251"?><!-- я -->').encode("windows-1251"),
    "CDATA": urlset(f"<![CDATA[{A}]]>", B),
    "blanks around": urlset(f"\n\t{A}\n", f" {B} "),
    "capitals": urlset(A, B).replace("url>", "URL>").replace("loc>", "LOC>"),
    "comments": urlset(A, B).replace("<url>", "<!-- <url><loc>/c</loc></url> --><url>"),
    "other parts": urlset(A, B).replace("</loc>", "</loc><changefreq>daily</changefreq><priority>0.5</priority>"),
    "an entry without an address": urlset(A, "", B),
    "text": f"{A}\n{B}",
    "text with a mark and its line ends": f"\ufeff{A}\r\n\r\n{B}\r\n",
    "text with remarks": f"{A}\n# about us\n{B}\n",
    "RSS": f"<rss version='2.0'><channel><item><link>{A}</link></item><item><link>{B}</link></item></channel></rss>",
    "Atom": f"<feed><entry><link href='{A}'/></entry><entry><link rel='alternate' href='{B}'/></entry></feed>",
    "gzip file": gzip.compress(urlset(A, B).encode()),
    "gzip file of text": gzip.compress(f"{A}\n{B}".encode()),
    "gzip in several members": gzip.compress(urlset(A, B).encode()[:100]) + gzip.compress(urlset(A, B).encode()[100:]),
}


@pytest.mark.parametrize("step", [1, 7, 65_536])
@pytest.mark.parametrize("body", READ.values(), ids=READ.keys())
def test_every_form_is_read(body: str | bytes, step: int) -> None:
    entries, problem = read(body, step=step)
    assert ([entry.address for entry in entries], problem) == ([A, B], None)


def test_ampersands_are_read_escaped_and_bare() -> None:
    assert addresses(urlset("/a?x=1&amp;y=2", "/a?x=1&y=2", "/a?x=1&nbsp;y")) == [
        "/a?x=1&y=2",
        "/a?x=1&y=2",
        "/a?x=1&nbsp;y",
    ]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip"])
def test_content_codings_are_undone_also_around_a_gzip_file(coding: str) -> None:
    pack = zlib.compress if coding == "deflate" else gzip.compress
    for inner in (urlset(A, B).encode(), gzip.compress(urlset(A, B).encode())):
        assert addresses(pack(inner), encoding=coding) == [A, B]


def test_an_index_names_sitemaps_and_a_mixture_is_sorted_out() -> None:
    index = f"<sitemapindex {NAMESPACE}><sitemap><loc>{A}</loc><lastmod>2026-01-01</lastmod></sitemap></sitemapindex>"
    entries, _ = read(index)
    assert [(entry.address, entry.is_sitemap) for entry in entries] == [(A, True)]
    entries, _ = read(f"<urlset><sitemap><loc>{A}</loc></sitemap><url><loc>{B}</loc></url></urlset>")
    assert [(entry.address, entry.is_sitemap) for entry in entries] == [(A, True), (B, False)]


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]  # year, month, day, …


@pytest.mark.parametrize(
    ("written", "latest"),
    [
        ("2026-01-31", moment(2026, 2, 1, 12)),
        ("2026-12-31", moment(2027, 1, 1, 12)),
        ("2026-01-31T10:00:00Z", moment(2026, 1, 31, 10)),
        ("2026-01-31T10:00:00.5+02:00", moment(2026, 1, 31, 8) + 0.5),
        ("2026-01-31T10:00+00:00", moment(2026, 1, 31, 10)),
        ("2026-01-31T10:00:00", moment(2026, 1, 31, 22)),
        ("2026-01", None),
        ("2026", None),
        ("Sat, 31 Jan 2026 10:00:00 GMT", None),
        ("2026-13-01", None),
        ("0000-00-00", None),
        ("9999-12-31", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_ends_where_it_ends_last(written: str, latest: float | None) -> None:
    assert read_lastmod(written) == latest


def test_lastmod_comes_with_its_page() -> None:
    body = urlset(A, B).replace("</loc>", "</loc><lastmod> 2026-01-31T10:00:00Z </lastmod>", 1)
    assert [entry.lastmod for entry in read(body)[0]] == [moment(2026, 1, 31, 10), None]


BROKEN: dict[str, tuple[str | bytes, list[str], Reason, str]] = {
    "empty": (b"", [], Reason.SITEMAP_INVALID, "empty"),
    "cut off": (urlset(A, B)[:-40], [A], Reason.SITEMAP_INVALID, "no element found"),
    "wrongly nested": (urlset(A) + "<x>", [A], Reason.SITEMAP_INVALID, "junk"),
    "broken in the middle": (
        urlset(A, B).replace("<url>", "<a></b><url>", 2),
        [],
        Reason.SITEMAP_INVALID,
        "mismatched",
    ),
    "a page": ("<!doctype html><html><p>not found", [], Reason.SITEMAP_INVALID, "it is an HTML page"),
    "a page without a doctype": ("<html><body>x</body></html>", [], Reason.SITEMAP_INVALID, "it is an HTML page"),
    "another document": ("<kml><url><loc>/a</loc></url></kml>", [], Reason.SITEMAP_INVALID, "its root is <kml>"),
    "prose": ("Not found", [], Reason.SITEMAP_INVALID, "neither XML nor a list"),
    "one endless line": ("x" * 100_000, [], Reason.SITEMAP_INVALID, "neither XML nor a list"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, [], Reason.SITEMAP_INVALID, "neither XML"),
    "gzip cut off": (gzip.compress(urlset(A, B).encode())[:-10], [A, B], Reason.BODY_TRUNCATED, "gzip"),
    "gzip spoilt": (b"\x1f\x8b" + b"x" * 500, [], Reason.BODY_UNDECODABLE, "gzip"),
    "gzip in gzip": (gzip.compress(gzip.compress(urlset(A).encode())), [], Reason.SITEMAP_INVALID, "neither XML"),
    "deep": ("<urlset>" + "<a>" * 100_000, [], Reason.SITEMAP_INVALID, "nested more than"),
    "one huge comment": ("<urlset><!--" + "x" * 3_000_000, [], Reason.SITEMAP_INVALID, "one tag or comment"),
    "one huge attribute": ("<urlset a='" + "x" * 3_000_000, [], Reason.SITEMAP_INVALID, "one tag or comment"),
}


@pytest.mark.parametrize(("body", "expected", "reason", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_gives_what_came_before_and_says_so(
    body: str | bytes, expected: list[str], reason: Reason, words: str
) -> None:
    entries, problem = read(body)
    assert [entry.address for entry in entries] == expected
    assert problem is not None
    assert problem[0] == reason
    assert words in problem[1]


def test_an_unknown_coding_is_refused() -> None:
    assert read(urlset(A), encoding="rot13")[1] == (
        Reason.BODY_UNDECODABLE,
        'content coding "rot13" is unknown; we asked for gzip, deflate, br, zstd',
    )


def test_addresses_without_measure_are_dropped_and_the_others_kept() -> None:
    assert addresses(urlset(A, "x" * 1_000_000, B)) == [A, B]
    assert addresses(f"{A}\n{'x' * 1_000_000}http://no/\n{B}") == [A, B]


ENTITIES = {
    "internal": '<!DOCTYPE urlset [<!ENTITY a "expanded">]><urlset><url><loc>http://x/&a;</loc></url></urlset>',
    "external": '<!DOCTYPE urlset SYSTEM "http://127.0.0.1:9/x.dtd"><urlset><url><loc>&a;</loc></url></urlset>',
    "parameter": '<!DOCTYPE u [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><urlset></urlset>',
    "laughs": "<!DOCTYPE u [<!ENTITY a 'lol'>"
    + "".join(f"<!ENTITY a{n} '{'&a;' if not n else f'&a{n - 1};' * 10}'>" for n in range(20))
    + "]><urlset><url><loc>&a19;</loc></url></urlset>",
    "quadratic": f"<!DOCTYPE u [<!ENTITY a '{'x' * 100_000}'>]><urlset><url><loc>{'&a;' * 10_000}</loc></url></urlset>",
}


@pytest.mark.parametrize("body", ENTITIES.values(), ids=ENTITIES.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_dtd_is_read_and_no_entity_expanded(body: str, encoding: str) -> None:
    entries, problem = read(body.encode(encoding))
    assert (entries, problem and problem[0]) == ([], Reason.SITEMAP_INVALID)
    assert problem is not None
    assert "DTD" in problem[1]


@pytest.mark.corpora
def test_documents_made_to_attack_parsers_expand_nothing() -> None:
    cases = json.loads((corpus("cases") / "xxe.json").read_text(encoding="utf-8"))
    assert len(cases) >= 50
    for case in cases:
        document = case["input"]["xml"]
        entries, problem = read(document)
        assert (entries, problem is not None) == ([], True), case["id"]
        entries, problem = read(document + f"<urlset><url><loc>{A}&file;&xxe;</loc></url></urlset>")
        assert all(entry.address == f"{A}&file;&xxe;" for entry in entries), case["id"]


@pytest.mark.parametrize(
    ("head", "filling"),
    [(b"<urlset>", b" "), (b"<urlset><url><loc>", b"x"), (b"", b"x")],
    ids=["blanks", "one address", "no sitemap"],
)
def test_bombs_end_at_the_limit_in_little_memory_and_short_steps(head: bytes, filling: bytes) -> None:
    bomb = gzip.compress(head + filling * (2 * MAX_BYTES), 1)
    reader = SitemapReader(URL)
    tracemalloc.start()
    steps = 0
    begin = time.process_time()
    for _ in reader.feed(bomb):
        steps += 1
    for _ in reader.close():
        steps += 1
    spent = time.process_time() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reader.problem is not None
    assert reader.problem[0] in (Reason.SITEMAP_LIMIT, Reason.SITEMAP_INVALID)
    assert peak < 8 * 1024 * 1024
    assert steps == 1 or spent / steps < 0.1


def test_a_big_sitemap_is_read_whole_in_little_memory() -> None:
    one = "<url><loc>https://site.example/product/{}</loc><lastmod>2026-01-{:02}</lastmod></url>\n"
    count = 100_000
    body = gzip.compress(
        ("<urlset>" + "".join(one.format(n, n % 28 + 1) for n in range(count)) + "</urlset>").encode(), 1
    )
    reader = SitemapReader(URL)
    found = most = 0
    tracemalloc.start()
    for start in range(0, len(body), 65_536):
        for entries in reader.feed(body[start : start + 65_536]):
            found += len(entries)
            most = max(most, len(entries))
    found += sum(map(len, reader.close()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found, reader.problem) == (count, None)
    assert most < 2_000
    assert peak < 8 * 1024 * 1024


@given(st.binary(max_size=3_000), st.sampled_from(["", "gzip", "br", "zstd"]), st.integers(1, 3_000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes, encoding: str, step: int) -> None:
    read(body, encoding=encoding, step=step)
    read(b"<urlset>" + body, step=step)
    read(f"{A}\n".encode() + body, step=step)

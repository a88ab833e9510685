from __future__ import annotations

from crawlproject import demo

NOON = 1_800_000_000.0


def _call(path: str, **environ: object) -> tuple[str, dict[str, str], bytes]:
    seen: list[tuple[str, dict[str, str]]] = []
    body = b"".join(
        demo.application({"PATH_INFO": path, **environ}, lambda status, headers: seen.append((status, dict(headers))))
    )
    return *seen[0], body


def test_about_a_tenth_of_the_prices_changes_each_minute_and_no_other() -> None:
    def changed(later: float) -> int:
        return sum(product.price(NOON) != product.price(NOON + later) for product in demo.CATALOGUE)

    assert changed(0.0) == 0
    assert 3 <= changed(demo.CHANGES_EVERY) <= 6


def test_every_product_is_linked_from_the_lists() -> None:
    pages = b"".join(demo.respond(f"/page/{n}", NOON)[1] for n in range(1, demo.PRODUCTS // demo.PER_PAGE + 1))
    assert all(f'href="/product/{number}"'.encode() in pages for number in range(demo.PRODUCTS))


def test_a_page_that_the_reader_has_is_answered_304() -> None:
    _status, headers, body = _call("/")
    assert body
    assert _call("/", HTTP_IF_NONE_MATCH=headers["ETag"])[::2] == ("304 Not Modified", b"")


def test_the_broken_page_is_broken_and_an_unknown_one_unknown() -> None:
    assert _call("/broken")[0].startswith("500")
    assert _call("/product/999")[0].startswith("404")

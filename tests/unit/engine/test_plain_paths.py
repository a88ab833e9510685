"""XPaths that are read as CSS, and lists of tags, find what the engines find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turbohtml import XPath, parse

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.plainpaths import HTML_TAGS, plain_path
from crawler.engine.pages.selectors import compile_css

PAGE = """
<div class="a" id=x><p class="a b">1<span class="A">2</span>
<span class="a" data-n="1">3<span class=a>4</span></span></p>
<p title>5</p><table class="a"><tr><td class="a" type="Text">6<td class=""><a href="/q?x=1&amp;y=2" rel="Next">7</a>
</table></div><svg class="a"><a class="a"><title class="a">8</title></a><td class=a></svg><a name=a>9</a>
<math><mi class="a"><span class="a">x</span></math><template><p class="a">10</template><input type="TEXT" value="a b">
"""

TAGS = st.sampled_from(["div", "p", "span", "td", "a", "title", "table", "input"])
WORDS = """
    [@class] [@id] [@title] [@class='a'] [@data-n='1'] [@type='text'] [@type='Text'] [@href='/q?x=1&y=2'] [@rel='next']
    [@name="a"]
"""
CONDITIONS = st.sampled_from([*WORDS.split(), '[@class="a b"]', "[@value='a b']", ""])
STEPS = st.builds(lambda axis, tag, condition: axis + tag + condition, st.sampled_from(["/", "//"]), TAGS, CONDITIONS)


@given(TAGS, CONDITIONS.filter(bool), st.lists(STEPS, max_size=3), st.booleans())
def test_plain_paths_find_the_same_in_the_same_order(tag: str, condition: str, steps: list[str], counts: bool) -> None:
    xpath = f"//{tag}{condition}{''.join(steps)}"
    document = parse(PAGE, positions=False)
    expected = XPath(xpath)(document)
    plain = plain_path(f"count({xpath})" if counts else xpath)

    assert plain is not None
    assert plain.is_counted == counts
    assert document.select(plain.css) == expected


@pytest.mark.parametrize(
    "xpath",
    [
        "//p",  # the engine is fast enough
        "//p[1]",
        "//p[@class='a'][1]",
        "//p[@class!='a']",
        "//p[@class='']",
        "//p[@class='a']/@id",
        "//p[@class='a']/text()",
        "//p[@class='a'] | //p[@id]",
        "//p[contains(@class, 'a')]",
        "//p[@class='it''s']",
        "//p[@xml:lang='a']",
        "//p[@viewbox='a']",
        "//P[@class='a']",
        "//lineargradient[@id='a']",
        ".//p[@class='a']",
        "p[@class='a']",
        "string(//p[@class='a'])",
        "count(//p[@class='a']) > 1",
    ],
)
def test_other_paths_are_left_to_the_engine(xpath: str) -> None:
    assert plain_path(xpath) is None


@given(st.lists(st.sampled_from([*sorted(HTML_TAGS), "svg", "x-y"]), min_size=2, max_size=4, unique=True))
def test_lists_of_tags_find_what_the_css_engine_finds(tags: list[str]) -> None:
    page = PageTree("http://shop.example/", PAGE.encode(), "")
    whole = ", ".join(tags)

    assert compile_css(whole).find(page.document, page) == page.document.select(whole)

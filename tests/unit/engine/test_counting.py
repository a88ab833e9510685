"""Selectors with several places among siblings find what they found, and are so written that the tree counts once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turbohtml import parse

from crawler.engine.pages.counting import counted_once
from crawler.engine.pages.selectors import compile_css

PAGE = parse(
    "<div id=top><p>1</p><ul class=a><li><p>2</p><b>3</b><p class=a>4</p></li><li class=a><p>5</p><ul><li>6</li>"
    "<li><p class=a>7</p></li></ul></li><li><b>8</b><p>9</p><p>10</p></li></ul><p class=a>11</p></div>"
    "<ul><li><p>12</p></li><li><p>13</p><p>14</p></li></ul>",
    positions=False,
)
COMPOUNDS = st.builds(
    lambda name, place, number: name + place.format(number) if name + place else "*",
    st.sampled_from(["", "p", "li", "ul", ".a", "div", 'li[class="a"]', "#top", "*"]),
    st.sampled_from(["", ":nth-of-type({})", ":nth-child({})"]),
    st.integers(1, 4),
)
SELECTORS = st.lists(COMPOUNDS, min_size=1, max_size=4).flatmap(
    lambda parts: st.builds(
        lambda gaps: parts[0] + "".join(gap + part for gap, part in zip(gaps, parts[1:], strict=True)),
        st.lists(st.sampled_from([" ", " > ", ">"]), min_size=len(parts) - 1, max_size=len(parts) - 1),
    )
)


@given(SELECTORS, st.integers(1, 4))
def test_what_is_found_is_the_same_on_the_page_and_inside_of_it(css: str, far: int) -> None:
    counted = counted_once(css, far=far)
    for context in (PAGE, *PAGE.select("ul, li")):
        assert context.select(counted) == context.select(css)


@pytest.mark.parametrize(
    ("css", "counted"),
    [
        ("tr:nth-of-type(3001) > td:nth-of-type(2)", "td:is(tr:nth-of-type(3001) > *):nth-of-type(2)"),
        ("#a tr:nth-child(300) .b:nth-child(2)", ":is(#a tr:nth-child(300) *).b:nth-child(2)"),
        (
            "li:nth-of-type(300) > div > p:nth-of-type(2) > b:nth-of-type(1)",
            "b:is(p:is(li:nth-of-type(300) > div > *):nth-of-type(2) > *):nth-of-type(1)",
        ),
    ],
)
def test_far_places_are_counted_before_nearer_ones(css: str, counted: str) -> None:
    assert counted_once(css) == counted
    assert compile_css(f"{css}::text").base == counted


@pytest.mark.parametrize(
    "css",
    [
        "tr:nth-of-type(3001) td",
        "tr:nth-of-type(30) > td:nth-of-type(2)",  # few rows are counted in no time
        "table:nth-of-type(1) > tr:nth-of-type(3001)",  # the rows are counted one after the other as it is
        "tr:nth-of-type(2n+300) > td:nth-of-type(1)",
        "tr:nth-of-type(300) + tr > td:nth-of-type(1)",
        "tr:nth-of-type(300) > td:nth-of-type(1), b",
        "tr:not(tr:nth-of-type(300)) > td:nth-of-type(1)",
        "tr:nth-of-type(300) > td:nth-of-type(1):not(.a)",
        "tr:nth-of-type(300) > td:nth-of-type(1)  >",
        '[a=":nth-"] > [b=":nth-',
    ],
)
def test_all_else_stays_as_it_is_written(css: str) -> None:
    assert counted_once(css) == css

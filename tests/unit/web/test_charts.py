"""The drawings: well-formed, to scale, harmless, and readable without seeing them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from crawlproject.web.charts import (
    Band,
    Block,
    HeatRow,
    Lamp,
    Series,
    Step,
    Tick,
    bars,
    heat,
    heat_map,
    mark,
    short,
    steps,
    street,
    week,
)

HOSTILE = '"><script>alert(1)</script>'


def parse(drawing: str) -> ElementTree.Element:
    """The tree of a drawing; it has no part that the policy forbids."""
    root = ElementTree.fromstring(drawing)
    for element in root.iter():
        assert element.tag != "script"
        assert not {name for name in element.attrib if name == "style" or name.startswith("on")}
    return root


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def test_bars_stand_on_each_other_to_scale() -> None:
    series = [
        Series(tone="ok", label="succeeded", values=[30, 0, 100]),
        Series(tone="bad", label="failed", values=[10, 0, 0]),
    ]
    root = parse(bars("Runs per day", "Three days.", ["1 Nov", "2 Nov", "3 Nov"], series))
    good, bad = of_class(root, "is-ok"), of_class(root, "is-bad")
    assert (len(good), len(bad)) == (2, 1)
    # 100 of 100 fill the plot, 30 three tenths of it, and the next layer ends where the one below begins.
    tallest, low = float(good[1].attrib["height"]), float(good[0].attrib["height"])
    assert low / tallest == pytest.approx(0.3, abs=0.01)
    assert float(bad[0].attrib["y"]) + float(bad[0].attrib["height"]) + 1 == pytest.approx(
        float(good[0].attrib["y"]), abs=0.02
    )
    titles = [title.text for title in root.iter("title")]
    assert titles == ["Runs per day", "1 Nov: 30 succeeded, 10 failed", "2 Nov: 0 succeeded, 0 failed",
                      "3 Nov: 100 succeeded, 0 failed"]  # fmt: skip
    assert [text.text for text in of_class(root, "ax")][:5] == ["0", "50", "100", "1 Nov", "2 Nov"]


@pytest.mark.parametrize("most", [0, 1, 3, 7, 99, 1_234_567, 10**12])
def test_a_scale_holds_what_is_drawn_with_at_most_five_lines(most: int) -> None:
    root = parse(bars("t", "d", ["a"], [Series(tone="ok", label="x", values=[most])]))
    assert 2 <= len(of_class(root, "grid")) <= 5
    for rect in of_class(root, "is-ok"):
        assert float(rect.attrib["y"]) >= 0


def test_columns_with_addresses_are_links_in_a_group() -> None:
    one = Series(tone="ok", label="x", values=[1, 2])
    root = parse(bars("t", "d", ["a", "b"], [one], urls=["?day=1", "?day=2"]))
    assert root.attrib["role"] == "group"
    assert [link.attrib["href"] for link in root.iter("a")] == ["?day=1", "?day=2"]
    assert all(link.attrib["aria-label"] for link in root.iter("a"))
    assert parse(bars("t", "d", ["a", "b"], [one])).attrib["role"] == "img"


def test_a_crowd_is_one_lamp_with_its_number() -> None:
    lamps = [
        Lamp(at=0.1, height=0.2, title="books 02:00", url="/b"),
        Lamp(at=0.5, height=1, title="three at 03:00", url="/c", count=3),
    ]
    root = parse(street("The next 24 hours", "d", lamps, nights=[(0, 0.25)], ticks=[Tick(at=0.5, text="12:00")]))
    assert [link.attrib["class"] for link in root.iter("a")] == ["a", "b"]
    assert [text.text for text in root.iter("text")] == ["12:00", "3"]
    low, high = (float(bulb.attrib["cy"]) for bulb in of_class(root, "bulb"))
    assert high < low


def test_a_week_has_its_blocks_side_by_side_and_as_many_lines_as_fit() -> None:
    blocks = [
        Block(day=0, start=2, hours=4, tone="info", title="a", time="02:00", lines=["4 h"], url="/a", lanes=2),
        Block(day=0, start=2, hours=0.1, tone="bad", title="b", time="02:00", lines=[], url="/b", lane=1, lanes=2),
    ]
    days = [(f"day {index}", index == 2) for index in range(7)]
    root = parse(week("A week", "d", days, blocks, now=(2, 22.5)))
    first, second = root.iter("a")
    boxes = [next(link.iter("svg")) for link in (first, second)]
    left, right = (float(box.attrib["x"].rstrip("%")) for box in boxes)
    assert left + float(boxes[0].attrib["width"].rstrip("%")) <= right
    assert ["".join(words.itertext()) for words in root.iter("div")] == ["a 02:00 4 h", "b 02:00 "]
    assert [words.attrib["class"] for words in root.iter("div")] == ["r6", "r1"]
    assert "02:00" in second.attrib["aria-label"]
    assert len(of_class(root, "nowline")) == 1


@pytest.mark.parametrize(
    ("title", "lines", "lanes", "room", "tall"),
    [
        ("weather", [], 1, 9, 17),
        ("weather in the mountains", [], 1, 9, 30),
        ("gov-tenders", [], 2, 9, 30),
        ("山区的天气预报和雪况", [], 1, 9, 30),
        ("3 at 02:00", ["books", "jobs-board", "recipes"], 1, 9, 43),
        ("3 at 02:00", ["books", "jobs-board", "recipes"], 1, 1, 22),
        ("3 at 02:00", ["books", "jobs-board", "recipes"], 1, 0, 17),
    ],
    ids=["short", "long", "half as wide", "Chinese", "several", "no room for all", "no room"],
)
def test_a_block_grows_for_its_name_and_its_edge_tells_how_long_it_takes(
    title: str, lines: list[str], lanes: int, room: float, tall: float
) -> None:
    time = "" if lines else "02:00"
    block = Block(
        day=0, start=2, hours=0.1, tone="info", title=title, time=time, lines=lines, url="/a", lanes=lanes, room=room
    )
    root = parse(week("A week", "d", [("day", False)] * 7, [block]))
    [box], [edge] = [list(link.iter("svg")) for link in root.iter("a")], of_class(root, "edge")
    assert box[0].attrib["height"] == f"{tall}"
    assert edge.attrib["height"] == "17"


def test_heat_names_what_is_over_capacity() -> None:
    root = parse(heat("By hour", [("00:00", 0), ("01:00", 1), ("02:00", 4), ("03:00", 5)], 4))
    assert [rect.attrib["class"] for rect in root.iter("rect")] == ["h0", "h1", "h3", "is-bad"]
    assert [text.text for text in root.iter("text")] == ["5"]
    assert [title.text for title in root.iter("title")][3] == "02:00 – 4/4"


def test_steps_hold_until_the_next_value() -> None:
    points = [Step(at=0, value=8.4, text="8.40", label="1 Nov"), Step(at=0.5, value=8.9, text="8.90", label="9 Nov")]
    root = parse(steps("price", points))
    level, rise, last = of_class(root, "st")
    assert (level.attrib["x1"], level.attrib["x2"]) == ("0%", "50%")
    assert rise.attrib["x1"] == rise.attrib["x2"] == "50%"
    assert (last.attrib["x1"], last.attrib["x2"]) == ("50%", "100%")
    assert parse(steps("price", points[:1])) is not None


def test_the_last_words_of_steps_end_with_the_drawing_where_they_might_be_cut() -> None:
    points = [Step(at=at, value=at, text=f"{at}", label=f"day {at}") for at in (0.0, 0.5, 0.92)]
    drawn = {
        (text.text, text.attrib["x"], text.attrib["text-anchor"]) for text in parse(steps("price", points)).iter("text")
    }
    assert {("0.5", "51.6%", "start"), ("0.92", "100%", "end"), ("day 0.92", "100%", "end")} <= drawn
    [only] = of_class(parse(steps("price", points[1:2])), "lb")
    assert only.attrib["text-anchor"] == "start"


def test_the_last_label_of_bars_ends_with_the_drawing() -> None:
    columns, series = [f"day {number}" for number in range(8)], [Series(tone="ok", label="x", values=[1] * 8)]
    root = parse(bars("t", "d", columns, series))
    last = next(text for text in root.iter("text") if text.text == "day 7")
    assert (last.attrib["x"], last.attrib["text-anchor"]) == ("100%", "end")


def test_no_text_of_others_is_markup() -> None:
    drawings = [
        bars(HOSTILE, HOSTILE, [HOSTILE], [Series(tone="ok", label=HOSTILE, values=[1])], urls=[HOSTILE]),
        street(HOSTILE, HOSTILE, [Lamp(at=0, height=0, title=HOSTILE, url=HOSTILE)], nights=[], ticks=[]),
        week(HOSTILE, HOSTILE, [(HOSTILE, True)] * 7,
             [Block(day=0, start=0, hours=5, tone="ok", title=HOSTILE, lines=[HOSTILE], url=HOSTILE)]),
        heat(HOSTILE, [(HOSTILE, 1)], 2),
        steps(HOSTILE, [Step(at=0, value=1, text=HOSTILE, label=HOSTILE)]),
    ]  # fmt: skip
    for drawing in drawings:
        assert "<script" not in drawing
        assert HOSTILE in "".join(parse(drawing).itertext())


def test_numbers_of_axes_are_short() -> None:
    assert [short(value) for value in (0, 950, 1_000, 1_500, 2_000_000)] == ["0", "950", "1k", "1.5k", "2M"]


def test_a_heat_map_leads_by_its_rows_leaves_out_what_there_is_not_and_tells_what_is_too_much() -> None:
    rows = [HeatRow(label="Mon 1", told="Mon 1 Feb", url="/?a=1&b=2", cells=[("<one>", 1.0), None, ("three", 5.0)])]

    text = heat_map("Title", "In words", rows, ["00", "", ""], 4.0)

    assert text.count("<title>") == 3
    assert "&lt;one&gt;" in text
    assert 'href="/?a=1&amp;b=2" aria-label="Mon 1 Feb"' in text
    assert 'class="is-bad"' in text
    assert ">5</text>" in text


def test_a_block_that_is_over_has_a_shape_and_one_that_is_held_is_dashed() -> None:
    over = Block(day=0, start=2, hours=1, tone="bad", title="a", lines=(), url="/", mark="f")
    held = Block(day=1, start=2, hours=1, tone="mute", title="b", lines=(), url="/", is_dashed=True)
    bands = [Band(day=6, start=2, hours=1, title="left out")]

    text = week("Week", "", [(str(day), False) for day in range(7)], [over, held], bands=bands)

    assert text.count('<rect class="is-bad" ') == 2
    assert 'class="ev is-mute dashed"' in text
    assert "<title>left out</title>" in text
    assert mark("", 0, 0) == ""
    assert len({mark(letter, 0, 0) for letter in "sfmkr"}) == 5

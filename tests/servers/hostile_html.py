"""Pages that are made to break a reader, by name."""

from __future__ import annotations

from collections.abc import Callable

N = 100_000
BLOWN_UP = b"<p>" + b"".join(b"<b a=%d>" % n for n in range(400)) + b"</p>" + b"<p>x" * 1_000
"""7 KB: each paragraph opens all the elements anew, 400,000 in all."""
PAGES: dict[str, Callable[[], bytes]] = {
    "nested divs": lambda: b"<div>" * N + b"x",
    "nested spans with a block at the bottom": lambda: b"<span>" * N + b"<p>x<br>y",
    "nested tables": lambda: b"<table><tr><td>" * (N // 10) + b"x",
    "nested templates": lambda: b"<template><p>" * N,
    "nested lists": lambda: b"<ul><li>x" * N,
    "nested SVG": lambda: b"<svg><g>" * (N // 2),
    "formatting that is never closed": lambda: b"<b><i><u>" * 10_000 + b"<p>x" * 10_000,
    "adoption": lambda: b"<a href=x><b><table>" * 10_000,
    "one line": lambda: b"<p>" + b"x" * 5_000_000,
    "one line without a tag": lambda: b"x" * 5_000_000,
    "one attribute": lambda: b"<a href='" + b"x" * 5_000_000 + b"'>y",
    "many attributes": lambda: b"<p " + b" ".join(b"a%d=1" % number for number in range(N)) + b">x",
    "many links": lambda: b"".join(b"<a href='%d?%d'>x</a>" % (number, number) for number in range(20_000)),
    "open tags": lambda: b"<a <" * N,
    "open comment": lambda: b"<!--" * N,
    "open script": lambda: b"<script>" + b"[" * N,
    "entities": lambda: b"<p>" + b"&amp" * N + b"&#x110000;&#0;&#xd800;",
    "NUL": lambda: b"\0<p\0>\0a\0</p>\0<a href='\0b'>\0<!--\0--><script>\"\\u0000\"</script><svg>\0",
    "half surrogate pairs": lambda: b"<p>\xed\xa0\x80\xed\xb0\x80<a href='\xed\xa0\x80'><script>\"\\ud800\"</script>",
    "nothing": lambda: b"",
    "a byte-order mark": lambda: b"\xff\xfe",
    "frames": lambda: b"<frameset><frame src=a></frameset>",
    "plain text for ever": lambda: b"<plaintext>" + b"<p>x" * N,
    "a line of 9 MB": lambda: b"<p>" + b"x" * 9_000_000,
    "elements blown up": lambda: BLOWN_UP,
    "elements blown up to millions": lambda: b"<p>" + b"".join(b"<b a=%d>" % n for n in range(500)) + b"<p>x" * N,
    "attributes of one body": lambda: b"".join(b"<body a%d=1>" % number for number in range(30_000)),
    "styles that never end": lambda: b"<style>" + b"@font-face{" * (3 * N) + b"</style><p>x",
    "wide table": lambda: b"<table><tr>" + b"<td>a" * 5_000 + b"<tr><td>b" * 5_000,
}

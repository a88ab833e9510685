"""trafilatura's side of `benchmarks/article_text.py`: paths in; out a line of JSON for each text, CPU seconds last."""

import json
import sys
import time
from pathlib import Path

import trafilatura


def main() -> None:
    contents = [Path(line.strip()).read_bytes() for line in sys.stdin]
    trafilatura.extract("<p>" + "Nothing is measured of what is loaded at first. " * 20)
    begin = time.process_time()
    texts = [trafilatura.extract(content, include_comments=False) or "" for content in contents]
    seconds = time.process_time() - begin
    for text in texts:
        print(json.dumps(text))
    print(seconds)


if __name__ == "__main__":
    main()

"""A week or a month of firings, and who gets into whose way. Nothing is written, and nothing of it knows of crawling.

`spans.py` says which days; `schedules.py` reads the schedules, `past.py` the runs, `reach.py` what other apps know of
their work; from these `firings.py` makes the plan, `load.py` the worker places, `collisions.py` with `free.py` who
meets whom and which moment would be free, `clocks.py` what a change of the clock does to whom. All is bounded, and
what is left out is told.
"""

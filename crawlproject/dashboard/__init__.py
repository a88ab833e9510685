"""The admin's first page: is all well? If not: what, since when, why, and what to do.

`page.py` puts together what a user may see; `pulse.py`, `schedules.py`, `spiders.py`, `numbers.py`, `running.py` and
`causes.py` ask one question each of the database, bounded whatever there is; the others make words and drawings of
their answers. `live.py` answers the parts that are asked for again and again while the page is seen.
"""

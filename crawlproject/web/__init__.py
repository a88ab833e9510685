"""What admin and API share. Importing it makes Django's classes generic at run time, as the type checker knows them.

Not in the settings: commands that show no pages would load all forms, and psycopg with them.
"""

from __future__ import annotations

import django_stubs_ext

django_stubs_ext.monkeypatch()

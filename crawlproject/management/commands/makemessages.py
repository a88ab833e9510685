"""`manage.py makemessages`: also what the engine says, which knows no gettext (`crawler.engine.messages`)."""

from __future__ import annotations

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=said"]

"""Answers as JSON whose times have one form."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder


class UtcJSONEncoder(JSONEncoder):
    """Moments in UTC with a `Z`, whoever made them: programs compare them as texts."""

    def default(self, obj: object) -> object:
        if isinstance(obj, datetime) and timezone.is_aware(obj):
            obj = obj.astimezone(UTC)
        return super().default(obj)


class UtcJSONRenderer(JSONRenderer):
    """JSON by `UtcJSONEncoder`. Serializers leave moments as they are (`DATETIME_FORMAT` is None)."""

    encoder_class = UtcJSONEncoder

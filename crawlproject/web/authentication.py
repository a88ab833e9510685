"""Who asks: a token that the admin made."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed


class PlainTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # comes without types
    """As knox's, which fails itself on a token that is not text, or that no database can look for."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        if not token.isalnum():
            raise AuthenticationFailed(_("Invalid token."))
        found: tuple[User, AuthToken] = super().authenticate_credentials(token)
        return found

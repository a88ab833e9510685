from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from .making import make_user


@pytest.fixture
def root(db: None) -> User:
    return make_user("root", superuser=True)


@pytest.fixture
def api(root: User) -> APIClient:
    """A program with all rights."""
    client = APIClient()
    client.force_authenticate(root)
    return client

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from crawlproject import firstrun

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

GOOD = {"username": "ada", "email": "", "password1": "a-long-enough-pass", "password2": "a-long-enough-pass"}


def _path() -> str:
    path = firstrun.setup_path()
    assert path is not None
    return path


def test_the_link_makes_the_first_administrator_and_logs_them_in(client: Client) -> None:
    answer = client.post(_path(), GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == ("ada", True, True)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.get("/admin/").status_code == 200, "and the site knows them by it"


def test_the_link_is_dead_once_a_superuser_exists(client: Client) -> None:
    path = _path()
    User.objects.create_superuser("root", password="x")
    assert firstrun.setup_path() is None
    answer = client.post(path, GOOD)
    assert answer.status_code == 410
    assert User.objects.count() == 1


def test_a_forged_link_makes_nobody(client: Client) -> None:
    answer = client.post("/setup/forged:token/", GOOD)
    assert answer.status_code == 410
    assert not User.objects.exists()


def test_an_old_link_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _path()
    monkeypatch.setattr(firstrun, "MAX_AGE", -1)
    answer = client.get(path)
    assert answer.status_code == 410
    assert "older than an hour" in answer.content.decode()


def test_a_weak_password_is_refused(client: Client) -> None:
    answer = client.post(_path(), GOOD | {"password1": "12345", "password2": "12345"})
    assert answer.status_code == 200
    assert not User.objects.exists()
    assert "too short" in answer.content.decode()


def test_pages_carry_a_strict_policy_and_keep_it(client: Client) -> None:
    answer = client.get(_path())
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    page = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    assert " style=" not in page

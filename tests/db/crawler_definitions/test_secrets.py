"""Secrets are stored encrypted, found by name, and survive a change of the keys."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from pytest_django import DjangoAssertNumQueries, Settings

from crawler import secrets
from crawler.engine.documents.definition import Manners, SecretRef, SpiderDefinition
from crawler.models import Secret

pytestmark = pytest.mark.django_db


def make_definition(**headers: str | SecretRef) -> SpiderDefinition:
    return SpiderDefinition(name="s", start_urls=("https://shop.example/",), manners=Manners(headers=headers))


def test_what_is_stored_does_not_hold_the_value() -> None:
    secrets.set_secret("token", "Bearer abc123")
    stored = bytes(Secret.objects.get(name="token").ciphertext)
    assert b"abc123" not in stored
    assert secrets.reveal("token") == "Bearer abc123"


def test_setting_a_secret_again_replaces_it() -> None:
    secrets.set_secret("token", "one")
    secrets.set_secret("token", "two")
    assert secrets.reveal("token") == "two"
    assert Secret.objects.count() == 1


def test_headers_are_resolved_for_the_crawl() -> None:
    secrets.set_secret("token", "abc")
    definition = make_definition(Accept="text/html", Authorization=SecretRef(name="token"))
    assert secrets.resolve_headers(definition) == {"Accept": "text/html", "Authorization": "abc"}


def test_a_spider_without_secrets_asks_no_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert secrets.resolve_headers(make_definition(Accept="*/*")) == {"Accept": "*/*"}


def test_all_missing_secrets_are_named() -> None:
    secrets.set_secret("b", "x")
    definition = make_definition(A=SecretRef(name="c"), B=SecretRef(name="b"), C=SecretRef(name="a"))
    with pytest.raises(secrets.SecretMissing, match='under "a", "c"; set it'):
        secrets.resolve_headers(definition)


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nX: y", "é", "x" * 8193])
def test_what_no_header_carries_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(secrets.SecretError) as caught:
        secrets.set_secret("token", value)
    assert not value.strip() or value not in str(caught.value)
    assert not Secret.objects.exists()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 101, "_a"])
def test_a_name_that_no_document_can_give_is_refused(name: str) -> None:
    with pytest.raises(secrets.SecretError):
        secrets.set_secret(name, "x")


def test_rotation_moves_every_secret_to_the_newest_key(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_KEY = old
    secrets.set_secret("token", "abc")
    settings.FIELD_KEY = f"{new}, {old}"
    assert secrets.reveal("token") == "abc"
    assert secrets.rotate() == 1
    settings.FIELD_KEY = new
    assert secrets.reveal("token") == "abc"
    settings.FIELD_KEY = old
    with pytest.raises(secrets.SecretError, match="FIELD_KEY"):
        secrets.reveal("token")
    with pytest.raises(secrets.SecretError, match="token"):
        secrets.rotate()


def test_a_first_field_key_and_a_new_secret_key_lose_nothing(settings: Settings) -> None:
    secrets.set_secret("token", "abc")
    settings.FIELD_KEY = Fernet.generate_key().decode()
    assert secrets.reveal("token") == "abc"
    settings.FIELD_KEY = ""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    assert secrets.reveal("token") == "abc"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(secrets.SecretError):
        secrets.reveal("token")


def test_a_key_that_is_none_is_named_by_its_setting(settings: Settings) -> None:
    settings.FIELD_KEY = "too-short"
    with pytest.raises(ImproperlyConfigured, match="FIELD_KEY") as caught:
        secrets.encrypt("x")
    assert "too-short" not in str(caught.value)

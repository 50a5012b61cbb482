"""What a token is worth, and for how long."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.core.signing import TimestampSigner

from querybudget import tokens
from querybudget.errors import UsageError
from querybudget.tokens import BadTokenError, check, issued


@pytest.fixture
def later(monkeypatch):
    """`later(60)`: the clock that signatures are made and read by is a minute ahead."""
    import time

    def later(seconds):
        now = time.time()
        monkeypatch.setattr("django.core.signing.time.time", lambda: now + seconds)

    return later


def command(*arguments):
    out = io.StringIO()
    call_command("querybudget", "token", *arguments, stdout=out)
    return out.getvalue().strip()


def test_a_token_of_the_command_is_good_for_15_minutes(later):
    token = command()
    check(token)
    later(15 * 60 - 5)
    check(token)
    later(15 * 60 + 5)
    with pytest.raises(BadTokenError, match="has expired"):
        check(token)


@pytest.mark.parametrize(("given", "seconds"), [("90s", 90), ("2h", 7200), ("24h", 86400)])
def test_it_lives_as_long_as_it_is_told_to(later, given, seconds):
    token = command("--expires", given)
    later(seconds - 5)
    check(token)
    later(seconds + 5)
    with pytest.raises(BadTokenError):
        check(token)


@pytest.mark.parametrize("given", ["0s", "25h", "15", "m", "-1m", "1.5h", "٣m"])
def test_a_lifetime_that_is_none_is_said_in_a_line(given):
    with pytest.raises(CommandError) as error:
        command(f"--expires={given}")
    assert error.value.returncode == 2
    assert "\n" not in str(error.value)


FORGED = {
    "nothing": lambda: "",
    "no signature": lambda: "900",
    "made up": lambda: "900:1wNCxa:made-up",
    "no text": lambda: "\x00\udcff" * 3,
    "long": lambda: "x" * 100_000,
    "of another purpose": lambda: TimestampSigner(salt="something else").sign("900"),
    "of no purpose": lambda: TimestampSigner().sign("900"),
    "of another key": lambda: TimestampSigner(salt=tokens._SALT, key="another key").sign("900"),
    "no lifetime": lambda: TimestampSigner(salt=tokens._SALT).sign("soon"),
    "stretched": lambda: issued(900).replace("900", "86400", 1),
    "cut": lambda: issued(900)[:-1],
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_not_ours_is_none(name):
    token = FORGED[name]()
    with pytest.raises(BadTokenError, match="is not ours") as error:
        check(token)
    assert not token or token not in str(error.value)


def test_a_key_that_is_rotated_out_is_still_good(settings):
    token = issued(60)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [settings.SECRET_KEY]
    check(token)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadTokenError):
        check(token)


def test_no_token_lives_for_ever():
    with pytest.raises(UsageError):
        issued(24 * 3600 + 1)

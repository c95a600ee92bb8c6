"""Who may come in, how often they may try, and how long they stay."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text

from leukodiff.core.errors import InputError
from leukodiff.pipeline.review.record import LockedOut, Record, User
from leukodiff.pipeline.review.record import tables as t

GOOD = "correct horse battery"
OTHER = "staple and so on"


@pytest.fixture
def people(record: Record) -> Any:
    """People whose hashes are quick to make."""
    made = record.people
    made.hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    return made


@pytest.fixture
def anna(people: Any) -> User:
    user: User = people.add_user("Anna", GOOD, "administrator")
    return user


def test_a_password_is_kept_as_argon2_alone(people: Any, anna: User, record: Record) -> None:
    with record.database.reading() as connection:
        kept = connection.execute(select(t.users.c.password)).scalar_one()
    assert kept.startswith("$argon2id$")
    assert GOOD not in str(record.events())


def test_the_name_s_case_does_not_matter(people: Any, anna: User) -> None:
    assert people.check_password(" aNNA ", GOOD) == anna
    assert people.check_password("Anna", GOOD.upper()) is None
    with pytest.raises(InputError, match="a user of this name already"):
        people.add_user("ANNA", GOOD, "technologist")


BAD_USERS = {
    "no name": ("", GOOD, "pathologist", "1 to 64"),
    "spaces": ("  ", GOOD, "pathologist", "1 to 64"),
    "long": ("x" * 65, GOOD, "pathologist", "1 to 64"),
    "two lines": ("a\nb", GOOD, "pathologist", "printable"),
    "ours": ("Operator", GOOD, "pathologist", "the record itself uses"),
    "no role": ("ben", GOOD, "root", "one of technologist"),
    "short": ("ben", "short", "pathologist", "12 characters or more"),
    "monotonous": ("ben", "aaaaaaaaaaaaab", "pathologist", "5 different"),
    "the name": ("benjamin franklin", "Benjamin Franklin", "pathologist", "not the name"),
    "endless": ("ben", "abcdef" * 200, "pathologist", "1024 characters at most"),
}


@pytest.mark.parametrize(("name", "password", "role", "message"), BAD_USERS.values(), ids=BAD_USERS)
def test_bad_users_are_refused(
    people: Any, name: str, password: str, role: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        people.add_user(name, password, role)
    assert people.users() == []


def fail(people: Any, n: int, name: str = "Anna", address: str = "10.0.0.1") -> None:
    for _ in range(n):
        assert people.check_password(name, "wrong password", address) is None


def test_five_failures_lock_a_name_out_for_a_time(people: Any, anna: User, clock: Any) -> None:
    fail(people, 5)
    with pytest.raises(LockedOut, match=r"try again in 1[56] min") as message:
        people.check_password("Anna", GOOD, "10.0.0.2")
    assert 890 <= message.value.seconds <= 901
    clock.turn(minutes=14)
    with pytest.raises(LockedOut):
        people.check_password("anna", GOOD)
    clock.turn(minutes=1, seconds=1)
    assert people.check_password("Anna", GOOD) == anna


def test_a_name_that_nobody_has_is_locked_out_too(people: Any, anna: User) -> None:
    fail(people, 5, "nobody")
    with pytest.raises(LockedOut):
        people.check_password("nobody", GOOD)
    assert people.check_password("Anna", GOOD) == anna


def test_twenty_failures_lock_an_address_out(people: Any, anna: User) -> None:
    for i in range(20):
        fail(people, 1, f"name {i}", "10.0.0.9")
    with pytest.raises(LockedOut):
        people.check_password("Anna", GOOD, "10.0.0.9")
    assert people.check_password("Anna", GOOD, "10.0.0.1") == anna


def test_success_forgets_the_name_s_failures(people: Any, anna: User) -> None:
    for _ in range(3):
        fail(people, 4)
        assert people.check_password("Anna", GOOD, "10.0.0.1") == anna


def test_many_attempts_at_once_are_counted(people: Any, anna: User) -> None:
    tried, locked = [], []

    def attempt() -> None:
        try:
            tried.append(people.check_password("Anna", "wrong password"))
        except LockedOut:
            locked.append(1)

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(tried), len(locked)) == (5, 7)


def test_a_name_that_nobody_has_takes_a_hash_too(
    people: Any, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    verified: Callable[[str, str], bool] = people.verify

    def counted(hashed: str, password: str) -> bool:
        asked.append(hashed[:20])
        return verified(hashed, password)

    monkeypatch.setattr(people, "verify", counted)
    fail(people, 1, "Anna")
    fail(people, 1, "nobody")
    assert asked[0] == asked[1]


def test_odd_attempts_do_no_harm(people: Any, anna: User, record: Record) -> None:
    for name in ("", "\x00", "a\nb", "x" * 10_000, "'; DROP TABLE users; --", "\ufdfa" * 300):
        assert people.check_password(name, "\x00" * 5000, "\x00address" * 100) is None
    assert record.verify() == []


def test_everything_is_in_the_record(people: Any, anna: User, record: Record) -> None:
    people.add_user("ben", GOOD, "technologist", by="Anna")
    people.set_role("Ben", "pathologist", by="Anna")
    people.set_password("ben", OTHER, by="Anna")
    fail(people, 1, "ben")
    token = people.create_session(people.check_password("ben", OTHER, "10.0.0.3"))
    people.end_session(token)
    people.remove_user("ben", by="Anna")
    people.restore_user("ben", by="Anna")
    message = [(e.actor, e.kind, *e.payload.values()) for e in record.events("")]
    assert message == [
        ("operator", "user_added", "administrator", "Anna"),
        ("Anna", "user_added", "technologist", "ben"),
        ("Anna", "user_changed", "ben", "role pathologist"),
        ("Anna", "user_changed", "ben", "password"),
        ("?", "login_failed", "10.0.0.1", "ben"),
        ("ben", "logged_in", "10.0.0.3"),
        ("ben", "logged_out"),
        ("Anna", "user_changed", "ben", "removed"),
        ("Anna", "user_changed", "ben", "restored"),
    ]
    assert record.verify() == []


def test_the_last_administrator_stays(people: Any, anna: User) -> None:
    changes: list[Callable[[], None]] = [
        lambda: people.remove_user("Anna"),
        lambda: people.set_role("Anna", "pathologist"),
    ]
    for change in changes:
        with pytest.raises(InputError, match="the last administrator"):
            change()
    assert people.users() == [anna]
    people.add_user("ben", GOOD, "administrator")
    people.remove_user("Anna")
    with pytest.raises(InputError, match="the last administrator"):
        people.remove_user("ben")
    with pytest.raises(InputError, match="no such user"):
        people.remove_user("cleo")


def test_a_session_ends_when_idle_and_in_the_end(people: Any, anna: User, clock: Any) -> None:
    token = people.create_session(anna)
    clock.turn(minutes=29)
    assert people.session(token) == anna
    clock.turn(minutes=29)
    assert people.session(token) == anna
    clock.turn(minutes=30)
    assert people.session(token) is None
    token, asked = people.create_session(anna), 0
    while people.session(token):
        clock.turn(minutes=20)
        asked += 1
    assert timedelta(minutes=20 * asked) == timedelta(hours=12)


def test_a_session_s_token_is_stored_nowhere(people: Any, anna: User, record: Record) -> None:
    token = people.create_session(anna)
    with record.database.reading() as connection:
        assert token not in str(connection.execute(select(t.sessions)).all())
    assert people.create_session(anna) != token


TOKENS = ["", "x", "\ud800", "0" * 64, "' OR 1=1 --"]


@pytest.mark.parametrize("token", TOKENS, ids=["empty", "short", "half", "zeros", "SQL"])
def test_a_forged_token_is_nobody_s(people: Any, anna: User, token: str) -> None:
    people.create_session(anna)
    assert people.session(token) is None
    people.end_session(token)


def test_a_hash_is_no_token(people: Any, anna: User, record: Record) -> None:
    people.create_session(anna)
    with record.database.reading() as connection:
        kept = connection.execute(select(t.sessions.c.token)).scalar_one()
    assert people.session(kept) is None


def test_sessions_follow_the_account(people: Any, anna: User) -> None:
    ben = people.add_user("ben", GOOD, "technologist")
    token = people.create_session(ben)
    people.set_role("ben", "pathologist")
    assert people.session(token) == User("ben", "pathologist")
    people.set_password("ben", OTHER)
    assert people.session(token) is None
    token = people.create_session(ben)
    people.remove_user("ben")
    assert people.session(token) is None
    assert people.check_password("ben", OTHER) is None
    people.restore_user("ben")
    assert people.session(token) is None
    assert people.check_password("ben", OTHER)


def test_old_sessions_and_attempts_are_forgotten(
    people: Any, anna: User, record: Record, clock: Any
) -> None:
    people.create_session(anna)
    fail(people, 3)
    clock.turn(hours=13)
    people.create_session(anna)
    fail(people, 1)
    with record.database.reading() as connection:
        for name in ("sessions", "login_attempts"):
            assert connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() == 1


def test_an_old_hash_is_made_anew(people: Any, anna: User, record: Record) -> None:
    people.hasher = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    assert people.check_password("Anna", GOOD) == anna
    with record.database.reading() as connection:
        assert "t=2" in connection.execute(select(t.users.c.password)).scalar_one()
    assert people.check_password("Anna", GOOD) == anna


def test_what_happened_to_no_slide_newest_first(record: Record, slide: str) -> None:
    content = {"type": "monocyte", "id": "a.jpg"}
    given = record.note("anna", "reference_added", content)
    record.append(slide, "anna", "commented", {"text": "of a slide"})
    record.refuse("?", "token", "none")
    assert [one.kind for one in record.newest("", 10)] == ["refused", "reference_added"]
    assert record.newest("", 1) == record.events("")[-1:]
    assert record.events("")[0] == given
    assert [one.kind for one in record.newest(slide, 1)] == ["commented"]
    for actor in ("", "a\nb", "x" * 400):
        with pytest.raises(InputError):
            record.note(actor, "reference_added", content)
    assert record.verify() == []


def test_a_password_that_is_asked_for_again_is_no_login(record: Record) -> None:
    people = record.people
    people.add_user("Anna", "a long enough one", "pathologist")
    assert people.check_password("anna", "a long enough one", is_login=False)
    assert [one.kind for one in record.events("")] == ["user_added"]
    assert people.check_password("anna", "another one", is_login=False) is None
    assert [one.kind for one in record.events("")] == ["user_added", "login_failed"]

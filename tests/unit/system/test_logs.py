"""The log: bounded, in UTC, without secrets, and gone from `logging` when closed."""

import logging
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.system.logs import LOG_NAME, LineFile, Redactor, Secrets, configure, prune, tail
from app.system.redaction import REMOVED

# No letter of the marker, so that a marker beside other text cannot spell a secret.
secret_values = st.text(alphabet='ABCDEFGH0123456789-_+/="\\ äö%&', min_size=4, max_size=24)
plain_text = st.text(alphabet="ABCDEFGH0123456789 \n:äö", max_size=60)

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHRl\n-----END EC PRIVATE KEY-----"


def redactor(*values: str) -> Redactor:
    secrets = Secrets()
    for value in values:
        secrets.add(value)
    return Redactor(secrets)


@given(st.lists(secret_values, min_size=1, max_size=4), st.lists(plain_text, min_size=1, max_size=5), st.data())
def test_no_registered_secret_survives(values: list[str], texts: list[str], data: st.DataObject) -> None:
    pieces = [piece for text in texts for piece in (text, data.draw(st.sampled_from(values)))]
    clean = redactor(*values).clean("".join(pieces))
    assert not any(value in clean for value in values)


@given(plain_text)
def test_text_without_secrets_is_untouched(text: str) -> None:
    assert redactor("zzzz-secret").clean(text) == text


def test_escaped_spellings_are_removed() -> None:
    clean = redactor('a"b c/ö')
    assert clean.clean(r'{"key": "a\"b c/\u00f6"} ?key=a%22b%20c%2F%C3%B6 a\"b c/ö') == (
        f'{{"key": "{REMOVED}"}} ?key={REMOVED} {REMOVED}'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.DEF-123_~+/==, next", f"Authorization: Bearer {REMOVED}, next"),
        ("authorization: bearer x", f"authorization: bearer {REMOVED}"),
        ("the bearer", "the bearer"),
        ("forbearer abc", "forbearer abc"),
        (f"key {PEM} end", f"key {REMOVED} end"),
        ("cut -----BEGIN CERTIFICATE-----\nMIIB", f"cut {REMOVED}"),
        ("took 123456 bytes", "took 123456 bytes"),
    ],
)
def test_patterns(text: str, expected: str) -> None:
    assert redactor().clean(text) == expected


def test_pairing_code_is_removed_only_while_registered() -> None:
    secrets = Secrets()
    secrets.add("482913")
    assert Redactor(secrets).clean("code 482913") == f"code {REMOVED}"
    secrets.discard("482913")
    assert Redactor(secrets).clean("code 482913") == "code 482913"


def test_too_short_values_do_not_tear_holes() -> None:
    assert redactor("", "a").clean("a cat") == "a cat"


@pytest.mark.expects_error_logs
def test_log_lines_are_utc_named_and_redacted(tmp_path: Path) -> None:
    secrets = Secrets()
    handle = configure(tmp_path, console=False, secrets=secrets)
    secrets.add("hush-hush")
    room = logging.getLogger("caravan.cluster")
    room.info("hello %s", "hush-hush")
    try:
        raise ValueError("hush-hush again")
    except ValueError:
        room.exception("it failed")
    room.debug("not wanted")
    logging.getLogger("somebody").warning("library warning")
    logging.getLogger("somebody").info("library chatter")
    handle.close()
    text = handle.path.read_text(encoding="utf-8")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    caravan\.cluster: hello \[removed\]\n", text)
    assert "ValueError: [removed] again" in text
    assert "library warning" in text
    assert "hush" not in text
    assert "not wanted" not in text
    assert "chatter" not in text


def test_handles_leave_nothing_behind_in_any_order(tmp_path: Path) -> None:
    root, product = logging.getLogger(), logging.getLogger("caravan")
    before = (list(root.handlers), root.level, product.level, product.propagate)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = configure(tmp_path / "a", console=True, secrets=Secrets())
    second = configure(tmp_path / "b", console=False, secrets=Secrets())
    first.close()
    product.info("only the second")
    second.close()
    second.close()
    product.warning("nobody")
    assert (list(root.handlers), root.level, product.level, product.propagate) == before
    assert first.path.read_bytes() == b""
    assert second.path.read_text(encoding="utf-8").count("\n") == 1


def test_a_line_that_cannot_be_formatted_is_reported(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    handle = configure(tmp_path, console=False, secrets=Secrets())
    (ours,) = (handler for handler in logging.getLogger().handlers if handler not in before)
    ours.handle(logging.makeLogRecord({"name": "caravan.test", "msg": "%d layers", "args": ("three",)}))
    handle.close()
    assert "cannot be formatted" in tail(handle.path, 1)[0]


def test_console_gets_redacted_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets = Secrets()
    secrets.add("hush-hush")
    handle = configure(tmp_path, console=True, secrets=secrets)
    logging.getLogger("caravan.node").warning("hush-hush ö")
    handle.close()
    assert capsys.readouterr().err.endswith("caravan.node: [removed] ö\n")


def test_line_file_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "head ü.log"
    file = LineFile(path, Secrets(), limit=1000, keep=3)
    for number in range(1000):
        file.write(f"line {number}")
    file.write("z" * 5000)
    file.close()
    file.write("too late")
    sizes = {found.name: found.stat().st_size for found in tmp_path.iterdir()}
    assert set(sizes) == {"head ü.log", "head ü.log.1", "head ü.log.2"}
    assert max(sizes.values()) <= 1000
    assert tail(path, 1) == ["z" * 999]
    assert tail(tmp_path / "head ü.log.1", 1) == ["line 999"]


def test_line_file_goes_on_when_it_cannot_rotate(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    (tmp_path / "worker.log.1").mkdir()
    (tmp_path / "worker.log.1" / "in the way").touch()
    file = LineFile(path, Secrets(), limit=100, keep=2)
    for number in range(30):
        file.write(f"line {number:04}")
    file.close()
    assert tail(path, 1) == ["line 0029"]
    assert len(path.read_text().splitlines()) == 30


def test_line_file_makes_a_folder_that_somebody_deleted(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "logs" / "head-1.log", Secrets())
    file.write("kept")
    file.close()
    assert tail(file.path, 9) == ["kept"]


def test_line_file_hides_a_key_over_several_lines(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.add("s3cret")
    file = LineFile(tmp_path / "out.log", secrets)
    for line in ["before s3cret", *PEM.splitlines(), "after", "x -----BEGIN A----- q -----END A----- y", "last"]:
        file.write(line)
    file.close()
    assert tail(tmp_path / "out.log", 10) == [f"before {REMOVED}", REMOVED, "after", f"x {REMOVED} y", "last"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(
    st.lists(st.text(alphabet="abc é", max_size=8), max_size=40),
    st.integers(0, 12),
    st.booleans(),
)
def test_tail_equals_the_end_of_the_whole(tmp_path: Path, lines: list[str], wanted: int, ends: bool) -> None:
    path = tmp_path / "log"
    text = "\n".join(lines) + ("\n" if ends and lines else "")
    path.write_bytes(text.encode())
    whole = text.removesuffix("\n").split("\n") if text else []
    assert tail(path, wanted) == (whole[-wanted:] if wanted else [])


def test_tail_of_a_large_file_reads_only_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(1 << 33)
        file.seek(0, 2)
        file.write(b"\n" + b"".join(b"line %d\n" % number for number in range(20000)))
    assert tail(path, 15000) == [f"line {number}" for number in range(5000, 20000)]
    assert tail(tmp_path / "missing", 5) == []


def test_only_the_newest_logs_of_children_are_kept(tmp_path: Path) -> None:
    for age in range(5):
        path = tmp_path / f"head-{age}.log"
        path.write_text("x")
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / LOG_NAME).write_text("ours")
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG_NAME, "head-0.log", "head-1.log"]

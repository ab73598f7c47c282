"""The code that lets a PC join: shown for two minutes, three tries, few tries per hour. A value; time is passed in.

A try is counted when a guess arrives, not when it fails, so that hanging up does not save one. Ten tries in an hour
give a stranger on the network odds of 1 in 100 000, and every one of them is seen by the person who shows the code.
Times are seconds of one monotonic clock.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

CODE_SECONDS = 120.0
TRIES_PER_CODE = 3
PAUSE_SECONDS = 30.0
TRIES_PER_HOUR = 10
HOUR = 3600.0


@dataclass(frozen=True)
class Invitation:
    """What a person sees of an open invitation. `code` is None while none is valid; then `seconds_left` counts to it.

    `trouble` is the last thing that went wrong, as a sentence, or empty.
    """

    code: str | None = field(repr=False)
    seconds_left: float
    tries_left: int
    trouble: str = ""


def new_code() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**6):06d}"


@dataclass(frozen=True)
class CodeDesk:
    """Hands out codes and counts tries. Keep one for the life of the node: closing it does not reset the hour.

    `failures` are the times of tries in the last hour that did not end in a pairing.
    """

    opened: bool = False
    code: str | None = field(default=None, repr=False)
    valid_until: float = 0.0
    tries: int = 0
    failures: tuple[float, ...] = ()
    pause_until: float = 0.0
    trouble: str = ""
    make_code: Callable[[], str] = field(default=new_code, repr=False, compare=False)

    def open(self, now: float) -> "CodeDesk":
        """Begin to show codes; one that is already shown stays."""
        return self if self.opened else replace(self, opened=True, trouble="").tick(now)

    def close(self) -> "CodeDesk":
        """Show no code any more; the one shown is void."""
        return replace(self, opened=False, code=None)

    def tick(self, now: float) -> "CodeDesk":
        """What time has changed: a code that ran out is replaced, a pause that is over ends with a new code."""
        recent = tuple(each for each in self.failures if now - each < HOUR)
        desk = replace(self, failures=recent)
        if not desk.opened or (desk.code is not None and now < desk.valid_until):
            return desk
        if desk._ready_at() > now:
            return replace(desk, code=None)
        return replace(desk, code=desk.make_code(), valid_until=now + CODE_SECONDS, tries=0)

    def try_begins(self, now: float) -> "CodeDesk":
        """Count a try against the code. Only when `tries_left` is above zero."""
        return replace(self, tries=self.tries + 1, failures=(*self.failures, now))

    def try_failed(self, now: float, trouble: str) -> "CodeDesk":
        """A counted try came to nothing. After the last one the code is void and a pause begins."""
        desk = replace(self, trouble=trouble)
        if desk.tries_left > 0:
            return desk
        return replace(desk, code=None, pause_until=now + PAUSE_SECONDS)

    def try_succeeded(self) -> "CodeDesk":
        """The counted try was the right PC: it is no failure, and the code, used once, is void."""
        return replace(self.close(), failures=self.failures[:-1], trouble="")

    @property
    def tries_left(self) -> int:
        """Guesses that may still be made at the code shown."""
        if self.code is None:
            return 0
        return max(0, min(TRIES_PER_CODE - self.tries, TRIES_PER_HOUR - len(self.failures)))

    def shown(self, now: float) -> Invitation | None:
        """What to show now, or None when nothing is open."""
        if not self.opened:
            return None
        until = self.valid_until if self.code is not None else self._ready_at()
        return Invitation(self.code, max(0.0, until - now), self.tries_left, self.trouble)

    def _ready_at(self) -> float:
        if len(self.failures) < TRIES_PER_HOUR:
            return self.pause_until
        return max(self.pause_until, self.failures[-TRIES_PER_HOUR] + HOUR)

"""A site that files come from: where it is, what may be sent to it, and what people are told when it fails."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from app.schema.errors import CaravanError, DownloadFailed


@dataclass(frozen=True)
class Site:
    """One site and the words for its failures.

    `base` is its address without a slash at its end, `mirror` what a user sets to change it, `instead` what else the
    user can do when it does not help, `content` what its answers are (`a list of files`). `judge` makes the error for
    an answer that means something special at this site, given what was asked for; None leaves it to the general rule.
    `token` goes to `base` and to no other host.
    """

    base: str
    mirror: str
    instead: str
    content: str
    judge: Callable[[httpx.Response, str], CaravanError | None]
    token: str | None = field(default=None, repr=False)

    @property
    def is_on_this_pc(self) -> bool:
        """Whether the site is a listener on this PC. Raises DownloadFailed for what is no address."""
        return is_loopback(self.parsed(self.base))

    @property
    def by_hand(self) -> str:
        """The hint for a failure that nothing better is known about."""
        return f"Try again later, or {self.instead}."

    @property
    def host(self) -> str:
        """The site's name for people."""
        return self.parsed(self.base).host

    def is_own(self, url: httpx.URL) -> bool:
        """Whether an address is at this very site: same scheme, host and port."""
        own = self.parsed(self.base)
        return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)

    def headers_for(self, url: httpx.URL) -> dict[str, str]:
        """What proves to the site who asks; nothing for any other host."""
        return {"Authorization": f"Bearer {self.token}"} if self.token and self.is_own(url) else {}

    def parsed(self, address: str) -> httpx.URL:
        """The address taken apart. Raises DownloadFailed."""
        try:
            return httpx.URL(address)
        except httpx.InvalidURL as error:
            raise DownloadFailed(f"{address!r} is no web address.", f"Correct {self.mirror}.") from error

    def check(self, url: httpx.URL) -> None:
        """Raises DownloadFailed unless it is https; http passes from a site on this PC to a listener on this PC."""
        if url.scheme == "https" and url.host:
            return
        if url.scheme == "http" and self.is_on_this_pc and is_loopback(url):
            return
        raise DownloadFailed(
            f"Caravan downloads over https only, not from {url}.", f"If you set {self.mirror}, correct it."
        )


def is_loopback(url: httpx.URL) -> bool:
    """Whether an address is on this PC."""
    try:
        return url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False

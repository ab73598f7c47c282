"""A short soak in every run of the tests; the long one is `python -m tests.soak --minutes 10`."""

from tests.contract.programs import windows_lacks
from tests.soak import SETTLING_ROUNDS, soak


@windows_lacks("no file descriptors to count")
async def test_half_a_minute_of_launches_and_stops() -> None:
    assert await soak(0.5) > SETTLING_ROUNDS

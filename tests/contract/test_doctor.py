"""`caravan doctor` as a program: it works without a node, and says with one what the node knows."""

import json
from pathlib import Path

import pytest

from app.client import NodeClient
from app.schema.errors import InputError, NotAllowed
from app.system.paths import Paths
from tests.contract.programs import caravan, start_node, windows_lacks


async def test_doctor_tells_what_is_wrong_and_what_is_not(tmp_path: Path) -> None:
    done = await caravan("doctor", "--json", data_dir=tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    assert told["checks"][0]["code"] == "node_not_running"
    node = await start_node(tmp_path)
    try:
        done = await caravan("doctor", "--json", data_dir=tmp_path)
        told = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
        assert told["Caravan"]["verdict"] == told["ports"]["verdict"] == "ok"
        wrong = any(each["verdict"] == "wrong" for each in told.values())
        assert done.returncode == (1 if wrong else 0)
        plain = await caravan("doctor", data_dir=tmp_path)
        assert len(plain.stdout.splitlines()) >= len(told)
    finally:
        await node.stop()


@windows_lacks("this fix is possible there, and would be tried")
async def test_a_fix_that_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    node = await start_node(tmp_path)
    try:
        async with NodeClient(Paths.under(tmp_path)) as client:
            with pytest.raises(NotAllowed, match="on Windows only"):
                await client.fix("network_public")
            with pytest.raises(InputError, match="no fix for 'nonsense'"):
                await client.fix("nonsense")
    finally:
        await node.stop()

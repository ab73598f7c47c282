"""What the system says about networks; elsewhere than on Windows nothing is made up."""

import socket
import sys
import uuid

import psutil
import pytest

from app.system.network_profile import NetworkCategory, adapter_index, networks


@pytest.mark.skipif(sys.platform == "win32", reason="the answer of other systems")
def test_elsewhere_it_is_unknown() -> None:
    assert networks() is None
    assert adapter_index(uuid.uuid4()) is None


@pytest.mark.skipif(sys.platform != "win32", reason="the Network List Manager is Windows")
def test_networks_name_their_category_and_a_real_adapter() -> None:
    found = networks()
    assert found is not None
    indexes = {index for index, _ in socket.if_nameindex()} if hasattr(socket, "if_nameindex") else set()
    for network in found:
        assert network.category in NetworkCategory
        assert adapter_index(network.adapter) in indexes
    is_online = any(
        address.family == socket.AF_INET and not address.address.startswith(("127.", "169.254."))
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
    )
    assert bool(found) or not is_online
    assert networks() == found


@pytest.mark.skipif(sys.platform != "win32", reason="adapter GUIDs are Windows")
def test_an_adapter_that_is_not_there_has_no_number() -> None:
    assert adapter_index(uuid.UUID(int=1)) is None

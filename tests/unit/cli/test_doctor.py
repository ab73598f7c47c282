"""`caravan doctor`: every check says what it saw and what to do, and only what is wrong counts as wrong."""

import pytest

from app.cli.doctor_command import LITTLE_BYTES, Check, Facts, Verdict, checks
from app.schema.engine import EngineBuild, EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.hardware import Accelerator, AcceleratorKind, HardwareSnapshot, Processor
from app.schema.node import CatalogueStatus, HealthWarning, NodeInfo, Peer, Reachability, Status
from app.schema.record import NodeId

BUILD = EngineBuild(
    server="s", worker="w", source="installed", build=11434, commit="abc", version_text="b11434", flags=frozenset()
)
GPU = Accelerator(key="1", name="RTX 3060", kind=AcceleratorKind.CUDA, engine_device="CUDA0")


def hardware(*accelerators: Accelerator) -> HardwareSnapshot:
    return HardwareSnapshot(
        hostname="study",
        operating_system="Windows 11",
        architecture="AMD64",
        processor=Processor(name="cpu", logical_cores=8),
        ram_bytes=1 << 34,
        accelerators=accelerators,
    )


def peer(name: str, reachability: Reachability, problem: str | None = None) -> Peer:
    return Peer(node=NodeId("b" * 64), name=name, reachability=reachability, problem=problem)


GOOD = Status(
    node=NodeInfo(id=NodeId("a" * 64), name="STUDY", version="0.1.0", started_at=1.0),
    hardware=hardware(GPU),
    engine=EngineStatus(build=BUILD),
    catalogue=CatalogueStatus(models=3),
    peers=(peer("ATTIC", Reachability.ALIVE),),
)


def found(name: str, *, free: int | None = 1 << 40, **changes: object) -> Check:
    facts = Facts(status=GOOD.model_copy(update=changes), networks=(("Home", "private"),), free_bytes=free, folder="C:")
    return next(each for each in checks(facts) if each.name == name)


def test_a_pc_in_order_has_nothing_wrong() -> None:
    facts = Facts(status=GOOD, networks=(("Home", "private"),), free_bytes=1 << 40, folder="C:")
    told = checks(facts)
    names = ["Caravan", "engine", "GPU", "network", "firewall", "ports", "discovery", "cluster", "models", "disk"]
    assert [each.name for each in told] == names
    assert {each.verdict for each in told} <= {Verdict.OK, Verdict.NOTE}
    assert [each.name for each in told if each.verdict is Verdict.NOTE] == ["discovery"]


def test_a_node_that_does_not_answer_is_said_first_and_the_disk_is_looked_at_all_the_same() -> None:
    trouble = Check(name="Caravan", verdict=Verdict.WRONG, sentence="Caravan is not running on this PC.", fix="Start.")
    told = checks(Facts(status=None, trouble=trouble, free_bytes=1 << 40, folder="C:"))
    assert [each.name for each in told] == ["Caravan", "disk"]
    assert told[0] == trouble


def test_an_engine_that_is_missing_tells_its_own_fix_once() -> None:
    problem = ErrorInfo(code="engine_missing", sentence="There is no engine.", hint="Install it.")
    warning = HealthWarning(code="engine_missing", sentence="There is no engine.", hint="Install it.")
    check = found("engine", engine=EngineStatus(problem=problem), warnings=(warning,))
    assert (check.verdict, check.sentence, check.fix) == (Verdict.WRONG, "There is no engine.", "Install it.")
    facts = Facts(status=GOOD.model_copy(update={"engine": EngineStatus(problem=problem), "warnings": (warning,)}))
    assert [each.code for each in checks(facts)].count("engine_missing") == 1


def test_a_gpu_that_only_the_driver_sees_is_wrong() -> None:
    unused = GPU.model_copy(update={"engine_device": None})
    check = found("GPU", hardware=hardware(unused))
    assert check.verdict is Verdict.WRONG
    assert check.sentence == "The driver sees RTX 3060, but the engine does not use it."
    assert "caravan engine install" in check.fix
    assert found("GPU", hardware=hardware()).verdict is Verdict.NOTE
    assert found("GPU").sentence == "The engine uses RTX 3060 as CUDA0."


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("network", "network_public"),
        ("firewall", "firewall_blocks"),
        ("ports", "peer_port_unusable"),
        ("discovery", "discovery_blocked"),
        ("discovery", "same_key_on_two_pcs"),
    ],
)
def test_a_warning_of_the_node_is_the_verdict(name: str, code: str) -> None:
    warning = HealthWarning(code=code, sentence="It is so.", hint="Do this.")
    assert found(name, warnings=(warning,)) == Check(
        name=name, verdict=Verdict.WRONG, sentence="It is so.", fix="Do this.", code=code
    )


def test_other_warnings_are_not_lost() -> None:
    warning = HealthWarning(code="engine_notice", sentence="An old setting is left out.")
    check = found("also", warnings=(warning,))
    assert (check.verdict, check.sentence) == (Verdict.NOTE, "An old setting is left out.")


def test_a_member_that_does_not_answer_is_named() -> None:
    peers = (peer("ATTIC", Reachability.ALIVE), peer("BARN", Reachability.LOST, "BARN does not answer at all."))
    check = found("cluster", peers=peers)
    assert (check.verdict, check.sentence) == (Verdict.WRONG, "BARN does not answer at all.")
    assert found("cluster", peers=()).verdict is Verdict.NOTE
    assert found("cluster").sentence == "Every other PC answers: ATTIC."


def test_models_and_disk() -> None:
    assert found("models", catalogue=CatalogueStatus()).verdict is Verdict.NOTE
    assert "cannot be read" in found("models", catalogue=CatalogueStatus(models=2, unreadable=1)).sentence
    assert found("disk", free=LITTLE_BYTES - 1).verdict is Verdict.WRONG
    assert found("disk", free=None).verdict is Verdict.NOTE


def test_a_system_that_says_nothing_of_networks_is_no_fault() -> None:
    told = {each.name: each.verdict for each in checks(Facts(status=GOOD, networks=None, folder="/"))}
    assert (told["network"], told["firewall"]) == (Verdict.NOTE, Verdict.NOTE)

"""The report tells what helps, and nothing that names a person, opens a door or finds a PC."""

import re

import pytest

from app.schema.engine import EngineStatus
from app.schema.errors import EngineBroken, OutOfMemory
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.schema.settings import Settings
from app.ui.settings.diagnostics import Surroundings, report
from app.ui.settings.redact import REMOVED, Private, looks_random, redacted
from app.ui.settings.reporting import wanted_logs
from app.ui.settings.sample import build
from app.ui.showcase import home

TOKEN = "1f" * 32
API_KEY = "s3cr3t-Zk9xQ2mV7bT1"
RANDOM = "qL8vR2xT0bYw4ZsK1nM7pD3fHcJ9gA6e"
USER = "annika"
SECRETS = (
    f"Authorization: Bearer {API_KEY}",
    f"--api-key {API_KEY}",
    f'{{"api_key": "{API_KEY}"}}',
    f"HF_TOKEN={API_KEY}",
    "hf_abcdefghijklmnop",
    "sk-abcdefghijklmnop",
    f"key {RANDOM} was made",
    f"token {TOKEN}",
    "the code 481903 was typed",
    "code: 481-903",
    "https://annika:hunter22@mirror.example/x?sig=hunter22",
    "-----BEGIN PRIVATE KEY-----\nMIIhunter22\n-----END PRIVATE KEY-----",
    "mail annika@example.org",
    r"C:\Users\Annika Berg\AppData\Local\Caravan",
    "C:\\\\Users\\\\Annika\\\\AppData",
    "C:/Users/Annika/models",
    "/home/annika/.cache",
    "/Users/annika/Library",
    "peer 192.168.178.44:52416 answers",
    "fe80::1c2d:3e4f:5a6b:7c8d%3",
    "adapter a4:bb:6d:12:34:56",
)
FORBIDDEN = (
    API_KEY,
    TOKEN,
    RANDOM,
    "hunter22",
    "abcdefghijklmnop",
    "481903",
    "481-903",
    "nnika",
    "Berg",
    "178.44",
    "7c8d",
    "12:34:56",
    "WORKSHOP",
    "LIVING ROOM",
    "LAPTOP",
)


def troubled() -> Status:
    """A home where much went wrong, with something private in every corner."""
    status = home()
    instance = status.instances[0].model_copy(
        update={
            "state": InstanceState.FAILED,
            "error": OutOfMemory("LIVING ROOM is 2.1 GB short.", "", SECRETS).info(),
        }
    )
    problem = EngineBroken(r"C:\Users\Annika Berg\llama-server.exe does not start.").info()
    return status.model_copy(
        update={
            "instances": (instance,),
            "engine": EngineStatus(build=build(), problem=problem),
            "settings": Settings(
                name="WORKSHOP",
                release_mirror="https://annika:hunter22@mirror.example",
                hub_mirror="https://annika:hunter22@hub.example",
            ),
        }
    )


def made(status: Status | None = None) -> str:
    logs = (("caravan", (*SECRETS, "2026-11-21T01:54:43.123Z INFO    caravan.node: WORKSHOP began")),)
    around = Surroundings(1_760_000_000.0, (("Caravan", "0.1.0"), ("Qt", "6.9.3")), logs)
    private = Private(user=USER, home=r"C:\Users\Annika Berg", secrets=(TOKEN,))
    return report(status or troubled(), around, private)


@pytest.mark.parametrize("secret", FORBIDDEN)
def test_no_secret_is_in_the_report(secret: str) -> None:
    text = made()
    # In capitals it is a PC's name; the kind of a GPU may be told.
    assert secret not in text if secret.isupper() else secret.lower() not in text.lower()


def test_addresses_lose_what_finds_a_pc() -> None:
    text = made()
    found = re.findall(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\w+", text)
    assert "192.168.178.x" in found
    assert "192.168.1.x" in found
    assert all(each.endswith(".x") or each.startswith("127.") for each in found)


def test_what_helps_is_still_there() -> None:
    text = made()
    for words in (
        "- Caravan: 0.1.0",
        "b11434-c0ffee",
        "NVIDIA GeForce RTX 4090",
        "## This PC: PC 1",
        "PC 2: alive",
        "Qwen3-32B-Q4_K_M: failed",
        "out_of_memory",
        "layers 20-63",
        "2026-11-21T01:54:43.123Z INFO    caravan.node: PC 1 began",
        "setting release_mirror: set",
        "discovery_blocked",
    ):
        assert words in text, words


def test_without_a_node_there_are_still_versions_and_logs() -> None:
    around = Surroundings(0.0, (("Caravan", "0.1.0"),), (("caravan", ("the last line",)),))
    text = report(None, around, Private())
    assert "The node does not answer." in text
    assert "the last line" in text


@pytest.mark.parametrize(
    "text",
    [
        "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M-00001-of-00002.gguf",
        "DeepSeek-R1-Distill-Qwen-14B-Q4_K_M",
        "0.00.008.150 I srv  llama_server: initializing ...",
        "b11434 at 2026-11-21T01:54:43.123Z took 4096 tokens",
        "driver 32.0.15.6636, CUDA 12.4, code 0xC0000409",
        "http://127.0.0.1:52415/v1",
        "layers 20-63 of 64",
        "C:\\Users\\Public\\models",
        "the tokenizer has 152000 tokens",
        "--temp 0.7 --top-k 40",
        "llama-b11434-bin-win-cuda-12.4-x64.zip",
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 8192.00 MiB on device 0",
    ],
)
def test_what_is_not_private_stays(text: str) -> None:
    assert redacted(text, Private(user="annika", home="C:\\Users\\annika")) == text


def test_the_home_folder_of_the_user_is_a_tilde() -> None:
    private = Private(home="/srv/people/x")
    assert redacted("/srv/people/x/models and /srv/people/xy", private) == "~/models and /srv/people/xy"


def test_a_short_user_name_tears_no_holes() -> None:
    assert redacted("an engine on an RTX", Private(user="an")) == "an engine on an RTX"


def test_keys_look_random_and_names_do_not() -> None:
    assert looks_random(RANDOM)
    assert not looks_random("Meta-Llama-3.1-8B-Instruct-Q8_0-abliterated")
    assert REMOVED in redacted(RANDOM, Private())


def test_the_logs_of_failed_models_come_first() -> None:
    status = troubled()
    names = ("caravan", "head-zzz", f"head-{status.instances[0].id}", f"worker-{status.instances[0].id}-x")
    assert wanted_logs(status, names) == names[2:]

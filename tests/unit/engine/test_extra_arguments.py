import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands import HeadSpec, head_command
from app.engine.extra_arguments import check, is_option, legacy_settings
from app.engine.reserved import reason
from app.schema.errors import InputError
from app.schema.plan import KvType
from tests.unit.engine import recorded

NEW, OLD = recorded.build("b11434"), recorded.build("b7827")

_PLACEMENT = "--rpc -dev -ts -ngl -sm -ot -nkvo -c -np -b -ub -fa -ctk -ctv --fit -cram"
_SERVING = (
    "--host --port --api-key --api-key-file --ssl-key-file --cors-origins --api-prefix --path --sleep-idle-seconds"
)
_OTHERS = (
    "-m -mu -hf -mm -a --models-dir --tools --agent --media-path --slot-save-path "
    "--log-file --log-disable -lv -v --list-devices --version --help"
)
RESERVED = frozenset(f"{_PLACEMENT} {_SERVING} {_OTHERS}".split())


def groups() -> list[frozenset[str]]:
    """Every option of both recorded builds with all its names, as `--help` lists them."""
    found = []
    for name in recorded.BUILDS:
        for line in recorded.read(f"{name}-server-help").of("stdout").split("\n"):
            names = re.match(r"-{1,2}[A-Za-z][\w.-]*(?:,\s+-{1,2}[A-Za-z][\w.-]*)*", line)
            if names:
                found.append(frozenset(re.split(r",\s+", names[0])))
    return found


GROUPS = groups()
RESERVED_NAMES = sorted({name for group in GROUPS for name in group if group & RESERVED})


def test_reserving_one_name_reserves_all_its_aliases() -> None:
    half = [sorted(group) for group in GROUPS if len({reason(name) is None for name in group}) > 1]
    assert half == []


def test_both_builds_know_the_options_this_test_is_about() -> None:
    assert len(GROUPS) > 300
    assert len(RESERVED_NAMES) > len(RESERVED)


@pytest.mark.parametrize("build", [NEW, OLD])
def test_everything_caravan_sets_itself_is_reserved(build: object) -> None:
    spec = HeadSpec(
        model_path="m", alias="a", devices=("RPC0", "CUDA0"), rpc_endpoints=("h:1",), gpu_layers=5, tensor_split=(2, 3),
        context=1, slots=2, kv_type=KvType.F16, port=1, api_key="k", threads=2, projector_path="p",
    )  # fmt: skip
    argv = head_command(NEW if build is NEW else OLD, spec).argv
    assert [item for item in argv[1:] if is_option(item) and reason(item) is None] == []


@given(
    st.sampled_from(RESERVED_NAMES),
    st.sampled_from(["", "=value", "="]),
    st.booleans(),
    st.lists(st.sampled_from(["--temp", "0.5", "-s", "1", "--metrics"]), max_size=3),
    st.sampled_from([NEW, OLD]),
)
def test_no_reserved_option_passes_in_any_form(
    name: str, suffix: str, underscores: bool, before: list[str], build: object
) -> None:
    spelled = "--" + name[2:].replace("-", "_") if underscores and name.startswith("--") else name
    with pytest.raises(InputError):
        check([*before, spelled + suffix, "x"], NEW if build is NEW else OLD)


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from([*RESERVED_NAMES, "--temp", "-1", "--seed"]))))
def test_whatever_passes_is_known_and_free(arguments: list[str]) -> None:
    try:
        passed = check(arguments, NEW)
    except InputError:
        return
    assert passed == tuple(arguments)
    assert all(NEW.accepts(item) and reason(item) is None for item in passed if is_option(item))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--temp", "0.7", "--top-k", "-1"),
        ("--chat-template-file", "/a b/ü.jinja"),
        ("-md", "/models/small.gguf", "--spec-type", "ngram-mod"),
        ("--override-kv", "a.b=int:3"),
        ("-s", "-1", "--metrics"),
        ("--spec-default",),
    ],
)
def test_harmless_arguments_pass(arguments: tuple[str, ...]) -> None:
    assert check(arguments, NEW) == arguments


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--port", "80"), "--port cannot be used: Caravan decides"),
        (("--api_key", "x"), "--api-key cannot be used"),
        (("--fim-qwen-7b-default",), "cannot be used"),
        (("--log-colours", "on"), "cannot be used"),
        (("--temp=0.7",), "equals sign"),
        (("--tempp", "1"), "does not know"),
        (("0.7",), "no option"),
        (("",), "empty"),
        (("--temp", "a\nb"), "unprintable"),
        (("--temp", "x" * 5000), "too long"),
    ],
)
def test_refusals_say_why(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        check(arguments, NEW)
    assert caught.value.hint


def test_an_unknown_option_gets_a_suggestion() -> None:
    with pytest.raises(InputError) as caught:
        check(("--temperatur", "1"), NEW)
    assert caught.value.hint == "Did you mean --temperature?"


def test_the_older_template_keeps_only_what_is_the_users() -> None:
    template = (
        "--model {model_path} --host {host} --port {http_port} --rpc {rpc_list} --n-gpu-layers {gpu_layers} "
        '--temp 0.7 --chat-template-file "/my templates/a.jinja" --lora {lora} --flash-attn on --mlock'
    )
    settings = legacy_settings({"EXO_LLAMA_SERVER_ARGS_TEMPLATE": template}, windows=False)
    assert settings.extra_arguments == ("--temp", "0.7", "--chat-template-file", "/my templates/a.jinja")
    assert len(settings.notices) == 1
    assert "--temp 0.7" in settings.notices[0]


def test_the_older_template_by_windows_rules() -> None:
    template = r'"--chat-template-file" "C:\My Templates\a.jinja" --model "{model_path}"'
    settings = legacy_settings({"EXO_LLAMA_SERVER_ARGS_TEMPLATE": template}, windows=True)
    assert settings.extra_arguments == ("--chat-template-file", r"C:\My Templates\a.jinja")


def test_a_template_that_cannot_be_read_is_left_out_with_a_notice() -> None:
    settings = legacy_settings({"EXO_LLAMA_SERVER_ARGS_TEMPLATE": "--temp 'x"}, windows=False)
    assert settings.extra_arguments == ()
    assert "cannot be read" in settings.notices[0]


def test_the_other_older_variables() -> None:
    settings = legacy_settings(
        {
            "EXO_LLAMA_RPC_ARGS_TEMPLATE": "--host {host} --port {rpc_port}",
            "EXO_LLAMA_RPC_PORT": "50052",
            "EXO_LLAMA_SERVER_PORT": "99999",
            "EXO_LLAMA_GPU_LAYERS": "-1",
            "EXO_LLAMA_SERVER_STARTUP_TIMEOUT_SECONDS": "60",
            "EXO_MODELS_DIR": r"D:\models",
            "EXO_MODELS_DIRS": r'E:\more; "F:\and more";D:\models;',
        },
        windows=True,
    )
    assert (settings.worker_port, settings.server_port) == (50052, None)
    assert settings.model_folders == (r"D:\models", r"E:\more", r"F:\and more")
    assert len(settings.notices) == 5
    assert any("no port number" in notice for notice in settings.notices)


def test_nothing_set_is_nothing_said() -> None:
    assert legacy_settings({}) == legacy_settings({"EXO_LLAMA_SERVER_ARGS_TEMPLATE": " ", "PATH": "x"})


@given(
    st.dictionaries(
        st.sampled_from(["EXO_LLAMA_SERVER_ARGS_TEMPLATE", "EXO_LLAMA_RPC_PORT", "EXO_MODELS_DIRS"]), st.text()
    )
)
def test_no_value_of_the_older_variables_is_an_error(environment: dict[str, str]) -> None:
    for windows in (False, True):
        kept = legacy_settings(environment, windows=windows).extra_arguments
        assert all(reason(item) is None for item in kept if is_option(item))

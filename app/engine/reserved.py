"""PURE: the llama-server options a user may not pass, with every alias they have or had, and why.

The aliases come from the `--help` of builds b7827 and b11434; a test reads both recordings and fails when one alias of
a reserved option is missing here.
"""

_PLACEMENT = "the plan decides where layers go"
_MEMORY = "the plan's memory figures depend on it"
_SERVING = "Caravan decides where the engine listens and who may ask"
_MODEL = "Caravan decides which model is loaded"
_OUTPUT = "Caravan reads the engine's output"
_DANGER = "it lets a chat reach files, programs or the network of this PC"
_ENDS = "the engine would print something and end"

_GROUPS: dict[str, str] = {
    "--rpc -dev --device -ts --tensor-split -ngl --gpu-layers --n-gpu-layers -sm --split-mode": _PLACEMENT,
    "-mg --main-gpu": _PLACEMENT,
    "-ot --override-tensor -cmoe --cpu-moe -ncmoe --n-cpu-moe -ncffn --n-cpu-ffn": _PLACEMENT,
    "-kvo --kv-offload -nkvo --no-kv-offload --repack -nr --no-repack": _PLACEMENT,
    "-mmdev --mmproj-device --mmproj-offload --no-mmproj-offload": _PLACEMENT,
    "-c --ctx-size -np --parallel -b --batch-size -ub --ubatch-size -fa --flash-attn --swa-full": _MEMORY,
    "-ctk --cache-type-k -ctv --cache-type-v -cram --cache-ram": _MEMORY,
    "-kvu --kv-unified -no-kvu --no-kv-unified --kv-unified-per-slot": _MEMORY,
    "-fit --fit -fitt --fit-target -fitc --fit-ctx -fitp --fit-print": _MEMORY,
    "-lm --load-mode --mmap --no-mmap --mlock -dio --direct-io -ndio --no-direct-io": _MEMORY,
    "-t --threads": "it has a setting of its own",
    "-m --model -mu --model-url -dr --docker-repo -hf -hfr --hf-repo -hff --hf-file -hft --hf-token": _MODEL,
    "-hfd -hfrd --hf-repo-draft --spec-draft-hf -hfv -hfrv --hf-repo-v -hffv --hf-file-v": _MODEL,
    "-mm --mmproj -mmu --mmproj-url --mmproj-auto --no-mmproj --no-mmproj-auto -a --alias --tags": _MODEL,
    "--models-dir --models-preset --models-max --models-autoload --no-models-autoload": _MODEL,
    "--host --port --reuse-port --api-key --api-key-file --api-prefix --ssl-key-file --ssl-cert-file": _SERVING,
    "--cors-origins --cors-methods --cors-headers --cors-credentials --no-cors-credentials": _SERVING,
    "--ui --webui --no-ui --no-webui --ui-config --webui-config --ui-config-file --webui-config-file": _SERVING,
    "--path --props --sleep-idle-seconds --jinja --no-jinja": _SERVING,
    "--tools --tools-runtime -ag --agent -no-ag --no-agent --mcp-servers-config --mcp-servers-json": _DANGER,
    "--ui-mcp-proxy --webui-mcp-proxy --no-ui-mcp-proxy --no-webui-mcp-proxy": _DANGER,
    "--media-path --slot-save-path": _DANGER,
    "-lv --verbosity --log-verbosity -v --verbose --log-verbose": _OUTPUT,
    "-h --help --usage --version -cl --cache-list --completion-bash --list-devices --license": _ENDS,
}

_PREFIXES: dict[str, str] = {"--log-": _OUTPUT, "--no-log-": _OUTPUT, "--api-key": _SERVING, "--mcp-": _DANGER}
"""Families in which a new build's additions are reserved too."""

_DOWNLOADS = ("-default", "-spec")
"""Ends of the options that download a ready-made model."""

_REASONS = {flag: reason for group, reason in _GROUPS.items() for flag in group.split()}


def normal(argument: str) -> str:
    """An argument as the engine compares it: underscores of a long option are dashes, a value after `=` is no part."""
    name = argument.partition("=")[0]
    return name.replace("_", "-") if name.startswith("--") else name


def reason(argument: str) -> str | None:
    """Why an option is reserved, as the end of a sentence; None when it is not. Any spelling is accepted."""
    name = normal(argument)
    if name in _REASONS:
        return _REASONS[name]
    for prefix, why in _PREFIXES.items():
        if name.startswith(prefix):
            return why
    if name.startswith("--") and name.endswith(_DOWNLOADS) and name != "--spec-default":
        return _MODEL
    return None

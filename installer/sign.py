"""`python -m installer.sign FILE...`: sign with the configured certificate, or say plainly that nothing was signed.

CARAVAN_SIGN_THUMBPRINT   SHA-1 of a certificate in Windows' store (a token or a signing service puts it there)
CARAVAN_SIGN_PFX          a certificate file, with CARAVAN_SIGN_PASSWORD
CARAVAN_SIGN_TIMESTAMP    a time stamp server other than DigiCert's

`signtool` on Windows, `osslsigncode` elsewhere (for a certificate file only).
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

THUMBPRINT = "CARAVAN_SIGN_THUMBPRINT"
FILE = "CARAVAN_SIGN_PFX"
PASSWORD = "CARAVAN_SIGN_PASSWORD"
TIMESTAMP = "CARAVAN_SIGN_TIMESTAMP"
TIMESTAMP_SERVER = "http://timestamp.digicert.com"

NOT_CONFIGURED = f"Not signed: no certificate is configured ({THUMBPRINT} or {FILE})."


def is_configured(environment: Mapping[str, str]) -> bool:
    """Whether there is a certificate to sign with."""
    return bool(environment.get(THUMBPRINT) or environment.get(FILE))


def sign_command(file: Path, environment: Mapping[str, str], windows: bool) -> list[str]:
    """The argument list that signs a file; osslsigncode writes the result to `FILE.signed`.

    Raises ValueError for a certificate that only Windows has, anywhere else.
    """
    server = environment.get(TIMESTAMP) or TIMESTAMP_SERVER
    thumbprint, certificate = environment.get(THUMBPRINT), environment.get(FILE, "")
    password = environment.get(PASSWORD, "")
    if windows:
        who = ["/sha1", thumbprint] if thumbprint else ["/f", certificate, *(["/p", password] if password else [])]
        return ["signtool", "sign", "/fd", "sha256", "/tr", server, "/td", "sha256", *who, str(file)]
    if not certificate:
        raise ValueError(f"{THUMBPRINT} names a certificate in Windows' store; here set {FILE}.")
    who = ["-pkcs12", certificate, *(["-pass", password] if password else [])]
    return ["osslsigncode", "sign", *who, "-h", "sha256", "-ts", server, "-in", str(file), "-out", f"{file}.signed"]


def sign(files: Sequence[Path], environment: Mapping[str, str] = os.environ) -> bool:
    """Sign files in place; False when no certificate is configured. Raises CalledProcessError, FileNotFoundError."""
    if not is_configured(environment):
        return False
    windows = sys.platform == "win32"
    for file in files:
        subprocess.run(sign_command(file, environment, windows), check=True)
        if not windows:
            Path(f"{file}.signed").replace(file)
    return True


def main() -> int:
    """The command line; returns the exit code."""
    files = [Path(name) for name in sys.argv[1:]]
    said = f"Signed: {', '.join(sys.argv[1:])}." if sign(files) else NOT_CONFIGURED
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a node deletes when it leaves its cluster. Blocking."""

from app.identity.certificate import Identity, forget
from app.identity.trust_store import TrustStore
from app.schema.errors import IdentityUnusable, TrustUnusable
from app.system.files import plain_reason


def forget_list(store: TrustStore) -> None:
    """Trust nobody any more. Raises TrustUnusable when the list cannot be deleted."""
    try:
        store.forget()
    except OSError as error:
        raise TrustUnusable(
            f"The list of trusted PCs cannot be deleted: {plain_reason(error)}.",
            "Nobody is trusted while Caravan runs. Close the program that uses the file, then choose Leave again.",
        ) from error


def forget_identity(identity: Identity) -> None:
    """Let the next start make a new identity. Raises IdentityUnusable when the old one cannot be deleted."""
    try:
        forget(identity.chain_file.parent)
    except OSError as error:
        raise IdentityUnusable(
            f"This PC's identity in {identity.chain_file} cannot be deleted: {plain_reason(error)}.",
            "Close the program that uses it and choose Leave again: with its old identity this PC cannot join again.",
        ) from error

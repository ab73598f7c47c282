"""What can be wrong with an identity, with a peer, or with the list of trusted PCs."""

from app.schema.errors import CaravanError, DataFolderUnusable, NotAllowed


class IdentityUnusable(DataFolderUnusable):
    """The file with this PC's identity is there and cannot be used. A new identity is never made in its place."""

    code = "identity_unusable"


class TrustUnusable(DataFolderUnusable):
    """The list of trusted PCs is there and cannot be used, or is another identity's."""

    code = "trust_unusable"


class PeerRefused(NotAllowed):
    """A connection whose other side is not who it must be, or speaks no protocol of ours: abort it."""

    code = "peer_refused"
    status = 403


class CertificateRefused(PeerRefused):
    """A certificate that no node of ours would have made."""

    code = "certificate_refused"


class ListRefused(PeerRefused):
    """A member list that is not signed by a member, is damaged, or would grow past its limits."""

    code = "member_list_refused"


class ClusterFull(CaravanError):
    """The cluster, or its list of removed PCs, holds as many as it can."""

    code = "cluster_full"
    status = 409


class PairingFailed(NotAllowed):
    """Two PCs were not joined; nothing is trusted that was not before."""

    code = "pairing_failed"
    status = 409

"""What a person reads when pairing comes to nothing, at either PC."""

from app.identity.pairing_messages import Reason

AT_INVITER = {
    Reason.WRONG_CODE: "Somebody on your network entered a wrong code.",
    Reason.NO_CODE: "A PC tried to join while no code was valid.",
    Reason.BUSY: "A second PC tried to join at the same time.",
    Reason.OUT_OF_TIME: "A PC began to join and did not finish in time; that used a try.",
    Reason.HUNG_UP: "A PC began to join and went away; that used a try.",
    Reason.PROTOCOL: "Something on your network tried to join and did not keep to the rules.",
    Reason.CERTIFICATE: "A PC tried to join with a certificate that Caravan does not make.",
    Reason.REMOVED: "A PC that was removed from this cluster earlier tried to join with its old identity.",
    Reason.OURSELVES: "This PC tried to join itself.",
}

AT_JOINER = {
    Reason.WRONG_CODE: ("The code is wrong.", "Type the six digits that the other PC shows now."),
    Reason.NO_CODE: (
        "The other PC shows no valid code at the moment.",
        "Wait until it shows a new one, then type that.",
    ),
    Reason.BUSY: ("Another PC is joining there at this moment.", "Try again in a few seconds."),
    Reason.OUT_OF_TIME: ("The other PC did not answer in time.", "Check that it is on and awake, then try again."),
    Reason.HUNG_UP: ("The other PC ended the connection.", "Check that it still shows a code, then try again."),
    Reason.PROTOCOL: (
        "The other PC's answer could not be understood.",
        "Run the same version of Caravan on both PCs. If they do, something between them changes their messages.",
    ),
    Reason.CERTIFICATE: (
        "The other PC refused this PC's certificate, or has one that Caravan does not make.",
        "Run the same version of Caravan on both PCs.",
    ),
    Reason.REMOVED: (
        "One of these two PCs was removed from the other's cluster earlier.",
        "Choose Leave on this PC (or run `caravan leave`): it then is a new PC to all others. Then join again.",
    ),
    Reason.OURSELVES: ("That address is this PC itself.", "Choose another PC."),
}

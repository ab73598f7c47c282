"""`python -m tests.cluster.announcer ADDRESS ...`: multicast forged announcements from this host.

`--count N` invents N strangers. `--instance` and `--hint` repeat somebody else's announcement with other addresses.
"""

import argparse
import secrets
import socket
import time

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText

from app.cluster.advert import SERVICE_TYPE, encode, service_name

IN, UNIQUE, A, PTR, TXT, SRV = 1, 0x8000, 1, 12, 16, 33
RESPONSE = 0x8400
SECONDS_TO_LIVE = 120


def announce(out: DNSOutgoing, instance: str, hint: str, port: int, address: str) -> None:
    name, server = service_name(instance), f"{instance}.local."
    out.add_answer_at_time(DNSPointer(SERVICE_TYPE, PTR, IN, SECONDS_TO_LIVE, name), 0)
    out.add_answer_at_time(DNSService(name, SRV, IN | UNIQUE, SECONDS_TO_LIVE, 0, 0, port, server), 0)
    out.add_answer_at_time(DNSText(name, TXT, IN | UNIQUE, SECONDS_TO_LIVE, encode(hint)), 0)
    out.add_answer_at_time(DNSAddress(server, A, IN | UNIQUE, SECONDS_TO_LIVE, socket.inet_aton(address)), 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--per-second", type=float, default=2500.0)
    parser.add_argument("--instance")
    parser.add_argument("--hint")
    parser.add_argument("--port", type=int, default=52416)
    parser.add_argument("--address")
    options = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(options.source))
        out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        out.bind((options.source, 5353))
        began = time.monotonic()
        for number in range(options.count):
            message = DNSOutgoing(RESPONSE)
            instance, hint = options.instance or secrets.token_hex(8), options.hint or secrets.token_hex(12)
            announce(message, instance, hint, options.port, options.address or options.source)
            for packet in message.packets():
                out.sendto(packet, ("224.0.0.251", 5353))
            time.sleep(max(0.0, began + number / options.per_second - time.monotonic()))


if __name__ == "__main__":
    main()

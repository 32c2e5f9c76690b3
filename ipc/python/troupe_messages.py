"""Messages between a worker and its supervisor: a header of 16 bytes, and one protobuf message of the schemas."""
import struct

import troupe_life_pb2 as life
import troupe_report_pb2 as reports

KINDS = {1: life.Hello, 2: life.Ready, 3: life.Drain, 4: life.Stop, 7: life.Dump, 8: life.Dumped, 9: life.Prepared,
         11: life.SayAgain, 24: reports.Report}
NUMBER = {kind: number for number, kind in KINDS.items()}
SCHEMA = 1


def _crc_table() -> list:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def encode(message) -> bytes:
    body = message.SerializeToString()
    return struct.pack("<4sHHII", b"trp1", SCHEMA, NUMBER[type(message)], len(body), crc32c(body)) + body


def decode(data: bytes):
    """The message, or None: nothing that we know, or damaged."""
    if len(data) < 16:
        return None
    magic, schema, number, length, crc = struct.unpack_from("<4sHHII", data)
    body = data[16:]
    if magic != b"trp1" or schema != SCHEMA or number not in KINDS or len(body) != length or crc32c(body) != crc:
        return None
    message = KINDS[number]()
    try:
        message.ParseFromString(body)
    except Exception:  # protobuf's own error, whose class depends on which of its implementations runs
        return None
    return message

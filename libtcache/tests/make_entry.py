#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes entries and keys from docs/entry-format.md alone (Python's own BLAKE2b): an independent oracle.

make_entry.py --key             prints the example key of the document
make_entry.py --fixtures DIR    writes the fixtures of tests/data"""
import hashlib
import os
import struct
import sys


def blake(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def field(kind, name, value):
    name = name.encode()
    return kind.encode() + struct.pack('<Q', len(name)) + name + struct.pack('<Q', len(value)) + value


def key(kind, *fields):
    return blake(b'tessera key 0\0' + field('k', '', kind.encode()) + b''.join(field(*f) for f in fields))


def entry(its_key, payload):
    head = b'\x89TCE\r\n\x1a\n' + struct.pack('<IIQQ', 0, 96, len(payload), 0) + its_key
    return head + blake(head + payload) + payload


def main():
    example = key('kernel', ('s', 'target', b'cpu:native'), ('u', 'options', struct.pack('<Q', 7)),
                  ('b', 'ir', b'\0\1\2'))
    if sys.argv[1:] == ['--key']:
        print(example.hex())
    elif len(sys.argv) == 3 and sys.argv[1] == '--fixtures':
        payloads = {'empty': b'', 'text': b'the payload of an entry\n', 'zeros': bytes(200)}
        for name, payload in payloads.items():
            with open(os.path.join(sys.argv[2], name + '.entry'), 'wb') as f:
                f.write(entry(example if name == 'text' else key(name), payload))
    else:
        sys.exit(__doc__)


main()

# SPDX-License-Identifier: MIT
"""The parts of gen.py that write the public C headers, the builders behind them and the reference page."""


def opcodes_h(ops, enums, banner):
    return ''


def builder_h(ops, banner):
    return ''


def builder_c(ops, banner):
    return ''


def docs(ops, enums, banner):
    return ''

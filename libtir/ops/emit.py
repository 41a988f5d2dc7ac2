# SPDX-License-Identifier: MIT
"""The parts of gen.py that write the public C headers, the builders behind them and the reference page."""
import re
import textwrap
from pathlib import Path


def snake(name):
    """CacheModifier → cache_modifier, RMWOp → rmw_op"""
    return re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', name).lower()


def enum_c(name, enums):
    return enums[name].get('c', snake(name))


def opcodes_h(ops, enums, banner):
    out = ['/* SPDX-License-Identifier: MIT */', f'/* {banner}',
           ' * Numbers of operations and of the enums that their attributes hold. Frozen, append only. Since 0.1. */',
           '#ifndef TIR_OPCODES_H', '#define TIR_OPCODES_H', '', '#include <stdint.h>', '', 'typedef uint32_t tir_opcode;',
           'enum {', '  TIR_OP_INVALID = 0,']
    out += [f'  TIR_OP_{o.id.upper()} = {o.code}{"," if o is not ops[-1] else ""}' for o in ops]
    out.append('};')
    for name, e in enums.items():
        c = enum_c(name, enums)
        note = ' /* bits */' if e.get('flags') else ''
        out += ['', f'typedef uint32_t tir_{c};{note}', 'enum {']
        cases = [f'  TIR_{c}_{k}'.upper().replace('  TIR', '  TIR') + f' = {v}' for k, v in e['cases'].items()]
        out += [',\n'.join(cases), '};']
    out += ['', '#endif', '']
    return '\n'.join(out)


C_ATTRS = {'I32': 'int32_t {0}', 'I64': 'int64_t {0}', 'Bool': 'int {0}', 'Unit': 'int {0}',
           'String': 'const char *{0}', 'Symbol': 'const char *{0}', 'TypeA': 'tir_type {0}', 'TypedAny': 'tir_attr {0}',
           'Any': 'tir_attr {0}', 'ArrayI32': 'uint32_t num_{0}, const int32_t *{0}',
           'ArrayI64': 'uint32_t num_{0}, const int64_t *{0}'}
SUCC_NAMES = {1: ['dest'], 2: ['true_dest', 'false_dest']}


class Builder:
    """The C function that builds one operation: prototype and body."""

    def __init__(self, op):
        params, body = ['tir_builder *builder'], []
        slot_of_succ = len(op.operands) - op.succs
        for i, s in enumerate(op.operands):
            if op.succs and i >= slot_of_succ:
                dest = SUCC_NAMES[op.succs][i - slot_of_succ]
                params.append(f'tir_block {dest}')
                body.append(f'build.successor({dest});')
            if s.arity == 'Variadic':
                params.append(f'uint32_t num_{s.name}, const tir_value *{s.name}')
                body.append(f'build.operands(num_{s.name}, {s.name});')
            else:
                params.append(f'tir_value {s.name}')
                body.append(f'build.{"operand" if s.arity == "One" else "optional"}({s.name});')
        for a in op.attrs:
            if not a.param:
                continue
            params.append(f'tir_{a.enum_c} {a.name}' if a.enum else C_ATTRS[a.kind].format(a.name))
            args = f'num_{a.name}, {a.name}' if a.kind.startswith('Array') else a.name
            body.append(f'build.attr{a.kind}("{a.name}", {args});')
        self.single = len(op.results) == 1 and op.results[0].arity == 'One'
        if not op.inferred():
            for r in op.results:
                if r.arity == 'One':
                    params.append(f'tir_type {r.name}_type')
                    body.append(f'build.result({r.name}_type);')
                else:
                    params.append(f'uint32_t num_{r.name}, const tir_type *{r.name}_types')
                    body.append(f'build.results(num_{r.name}, {r.name}_types);')
        body.append(f'return build.{"value" if self.single else "op"}();')
        self.name = f'tir_build_{op.id}'
        self.params, self.body, self.code = params, body, op.id

    def prototype(self):
        head = f'{"tir_value" if self.single else "tir_op"} {self.name}('
        lines, line = [], head
        for i, p in enumerate(self.params):
            p += ')' if i == len(self.params) - 1 else ','
            if len(line) + len(p) + 1 > 100:
                lines.append(line.rstrip())
                line = '    '
            line += p + ' '
        return '\n'.join(lines + [line.rstrip()])


def buildable(ops):
    return [o for o in ops if o.name != 'builtin.module']


def slot_text(s):
    return s.name + {'One': '', 'Optional': '?', 'Variadic': '*'}[s.arity]


def builder_h(ops, banner):
    out = ['/* SPDX-License-Identifier: MIT */', f'/* {banner}',
           ' * One checked function per operation; builder.h says what they have in common. Since 0.1. */',
           '#ifndef TIR_BUILDER_OPS_H', '#define TIR_BUILDER_OPS_H', '', '#include "builder.h"', '',
           '#ifdef __cplusplus', 'extern "C" {', '#endif', '']
    for o in buildable(ops):
        out += textwrap.wrap(f'/* {o.name}: {o.summary} */', 110, subsequent_indent='   ')
        out += ['TIR_API ' + Builder(o).prototype() + ';']
    return '\n'.join(out + ['', '#ifdef __cplusplus', '}', '#endif', '#endif', ''])


def builder_c(ops, banner):
    out = ['// SPDX-License-Identifier: MIT', f'// {banner} Included by builder.cc.', '']
    for o in buildable(ops):
        f = Builder(o)
        out += [f.prototype() + ' {', f'  Build build(builder, Opcode::{o.id});'] + ['  ' + l for l in f.body] + ['}']
    return '\n'.join(out) + '\n'


def docs(ops, enums, banner):
    out = [f'<!-- {banner} -->', '# Operations', '',
           f'{len(ops)} operations. `?` optional, `*` any number. Type rules and printed forms are written as '
           '`libtir/ops/README.md` says.', '']
    section = None
    titles = {'tt': 'tt: tiles', 'arith': 'arith: arithmetic', 'math': 'math: elementary functions',
              'scf': 'scf: structured control flow', 'cf': 'cf: branches',
              'ttg': 'ttg: layouts, shared memory, asynchronous copies',
              'ttng': "ttng: NVIDIA's matrix products, mbarriers, copies by descriptor"}
    order = ['tt', 'arith', 'math', 'scf', 'cf', 'ttg', 'ttng']
    for o in sorted(ops, key=lambda o: (order.index(o.dialect) if o.dialect in order else 9, o.dialect, o.code)):
        title = titles.get(o.dialect, 'others')
        if title != section:
            out += [f'## {title}', '']
            section = title
        out += [f'### `{o.name}`', '', o.summary, '']

        def line(label, text):
            if text:
                out.append(f'- {label}: {text}')
        line('operands', ', '.join(f'`{slot_text(s)}` {s.constraint}' for s in o.operands))
        line('results', ', '.join(f'`{slot_text(s)}` {s.constraint}' for s in o.results))
        line('attributes', ', '.join(
            f'`{a.name}`{"?" if not a.required and a.default is None else ""} {a.type}'
            + (f' = {a.default}' if a.default is not None else '') for a in o.attrs))
        line('regions', o.regions and f'{o.regions}' + (f', ended by `{o.terminator}`' if o.terminator else ''))
        line('successors', o.succs and str(o.succs))
        line('traits', ', '.join(t for t in o.traits if t not in ('Segments', 'SegmentAttr')))
        line('types', o.types and f'`{o.types}`')
        line('inside', ', '.join(f'`{p}`' for p in o.parents))
        for to, f in reversed(o.formats):
            label = 'form' if to == 39 else f'form to 3.{to - 30}'
            line(label, 'generic' if f is None else 'hand-written' if f == 'custom' else '`` ' + f + ' ``')
        if o.since != 36 or o.until != 39:
            line('releases', f'3.{o.since - 30} to 3.{o.until - 30}' if o.until != 39 else f'from 3.{o.since - 30}')
        if o.name != 'builtin.module':
            out += ['', '```c', Builder(o).prototype() + ';', '```']
        out.append('')
    out += ['## Enums', '']
    for name, e in enums.items():
        out.append(f'- **{name}**' + (' (bits)' if e.get('flags') else '') + ': '
                   + ', '.join(f'`{k}` {v}' for k, v in e['cases'].items()))
    rules = (Path(__file__).resolve().parent.parent / 'src/verify/rules.inc').read_text()
    out += ['', '## Rules of the verifier', '']
    for number, text in re.findall(r'^TIR_RULE\((\d+), \w+, "(.*)"\)$', rules, re.M):
        out.append(f'- **TIR-V{int(number):03}** {text}')
    return '\n'.join(out) + '\n'

# SPDX-License-Identifier: MIT
"""Which pointer arguments a kernel may write through, read off its printed IR.

Asked only when somebody passes a read-only array. An address may go through arithmetic, selects, loops and calls; what
cannot be followed counts as written."""

import re

_NAME = re.compile(r"%[\w$.-]+(?:#\d+)?")
_WRITES = ("tt.store", "tt.atomic", "tt.descriptor_store", "tt.descriptor_reduce", "tt.descriptor_scatter")
_REGIONS = ("scf.for", "scf.while", "scf.if", "scf.yield", "scf.condition", "tt.call", "tt.return", "cf.br",
            "cf.cond_br")


def written_arguments(text, function):
  """Numbers of the arguments of a function that may be written through."""
  head = re.search(r"tt\.func[^@]*@%s\((.*)$" % re.escape('"%s"' % function if not re.match(r"[\w$.]+$", function)
                                                          else function), text, re.M)
  if head is None:
    return None
  names = re.findall(r"(%[\w$.-]+):", head.group(1))
  lines = text[head.end():].split("\n")
  return {number for number, name in enumerate(names) if _is_written(name, lines)}


def _is_written(name, lines):
  seen = {name}
  grown = True
  while grown:
    grown = False
    for line in lines:
      line = line.split(" loc(")[0]
      result, equals, rest = line.partition(" = ")
      if not equals:
        result, rest = "", line
      rest = rest.strip()
      operands = {n.split("#")[0] for n in _NAME.findall(rest)}
      if not operands & seen:
        continue
      if rest.startswith(_WRITES):
        first = _NAME.search(rest)
        if first and first.group().split("#")[0] in seen:
          return True
        continue
      if rest.startswith("tt.call"):
        return True
      found = {n.split("#")[0].split(":")[0] for n in _NAME.findall(result)}
      if any(word in rest for word in _REGIONS):
        found |= operands  # the other values of a loop or branch: one of them is the address
      elif "tt.ptr" not in rest and "tensordesc" not in rest:
        continue
      elif rest.startswith(("tt.load", "tt.descriptor_load", "arith.cmpi")):
        continue
      if not found <= seen:
        seen |= found
        grown = True
  return False

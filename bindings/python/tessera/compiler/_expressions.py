# SPDX-License-Identifier: MIT
"""Expressions of kernels: operators, names, subscripts, attributes, comprehensions, f-strings."""
import ast
import warnings
from types import ModuleType

from ..language.base import TRITON_BUILTIN, base_value, constexpr
from ..language.types import int1, void
from ..language.values import slice as tl_slice
from ..language.values import tensor
from ..language.values import tuple as tl_tuple
from ..runtime.jit import JITFunction
from ._values import (ABSENT, BoundJITMethod, is_block, is_constexpr_like, is_dynamic_boolean, operator_priority,
                      unwrap)

CONDITION_TYPES = (bool, int, type(None))


class Operator:
    """An operator: its methods, how it is written, and the language's own methods of tiles."""
    __slots__ = ("forward", "reflected", "symbol", "on_tensor", "on_tensor_reflected", "on_constexpr")

    def __init__(self, forward, reflected, symbol):
        self.forward, self.reflected, self.symbol = forward, reflected, symbol
        self.on_tensor = _inside(getattr(tensor, forward, None))
        self.on_tensor_reflected = _inside(getattr(tensor, reflected, None))
        self.on_constexpr = getattr(constexpr, forward, None)


def _inside(method):
    # The function within `@builtin`: operators of tiles are the most frequent calls there are.
    return getattr(method, "__wrapped__", method) if getattr(method, TRITON_BUILTIN, False) else None


BINARY = {
    ast.Add: Operator("__add__", "__radd__", "+"),
    ast.Sub: Operator("__sub__", "__rsub__", "-"),
    ast.Mult: Operator("__mul__", "__rmul__", "*"),
    ast.Div: Operator("__truediv__", "__rtruediv__", "/"),
    ast.FloorDiv: Operator("__floordiv__", "__rfloordiv__", "//"),
    ast.Mod: Operator("__mod__", "__rmod__", "%"),
    ast.Pow: Operator("__pow__", "__rpow__", "**"),
    ast.LShift: Operator("__lshift__", "__rlshift__", "<<"),
    ast.RShift: Operator("__rshift__", "__rrshift__", ">>"),
    ast.BitAnd: Operator("__and__", "__rand__", "&"),
    ast.BitOr: Operator("__or__", "__ror__", "|"),
    ast.BitXor: Operator("__xor__", "__rxor__", "^"),
}
COMPARISON = {
    ast.Eq: Operator("__eq__", "__eq__", "=="),
    ast.NotEq: Operator("__ne__", "__ne__", "!="),
    ast.Lt: Operator("__lt__", "__gt__", "<"),
    ast.LtE: Operator("__le__", "__ge__", "<="),
    ast.Gt: Operator("__gt__", "__lt__", ">"),
    ast.GtE: Operator("__ge__", "__le__", ">="),
}
BOOLEAN = {
    ast.And: Operator("logical_and", "logical_and", "and"),
    ast.Or: Operator("logical_or", "logical_or", "or"),
}
UNARY = {ast.USub: "__neg__", ast.UAdd: "__pos__", ast.Not: "__not__", ast.Invert: "__invert__"}
# `-x` and its kin on tiles, without the lookups.
UNARY_ON_TENSOR = {op: _inside(getattr(tensor, name, None)) for op, name in UNARY.items()}
GETITEM_ON_TENSOR = _inside(tensor.__getitem__)


class Expressions:
    """Mix-in of CodeGenerator. Operations get the place of the expression that they come from: a handler visits its
    parts first, then calls `at(node)`."""

    # ---- names and constants

    def visit_Constant(self, node):
        # Compile-time values are never changed, so one per place in the text will do.
        try:
            return node._constexpr
        except AttributeError:
            value = node._constexpr = constexpr(node.value)
            return value

    def visit_Name(self, node):
        if node.ctx.__class__ is ast.Store:
            return node.id
        value = self.lscope.get(node.id, ABSENT)
        return self.lookup(node.id) if value is ABSENT else value

    def visit_Tuple(self, node):
        return tl_tuple([self.visit(element) for element in node.elts])

    visit_List = visit_Tuple

    def visit_ListComp(self, node):
        if len(node.generators) != 1:
            raise ValueError(f"a comprehension takes one `for`, got {len(node.generators)}")
        loop = node.generators[0]
        items = self.visit(loop.iter)
        if not isinstance(items, tl_tuple):
            raise NotImplementedError(f"a comprehension runs over a tuple, got {type(items).__name__}")
        results = []
        for item in items:
            if isinstance(loop.target, ast.Tuple):
                item = self.sanitize(loop.target, item, sanitize_leaf=False)
            self.assign(loop.target, item)
            if all(self.visit(condition) for condition in loop.ifs):
                results.append(self.visit(node.elt))
        return tl_tuple(results)

    def visit_JoinedStr(self, node):
        parts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(str(part.value))
                continue
            value = self.visit(part.value)
            if not is_constexpr_like(value):
                raise self.unsupported(node, f"an f-string takes constexpr values only, got {type(value)}")
            value = unwrap(value)
            if part.conversion >= 0:
                value = {"s": str, "r": repr, "a": ascii}[chr(part.conversion)](value)
            parts.append(format(value, "" if part.format_spec is None else self.visit(part.format_spec)))
        return "".join(parts)

    def visit_NamedExpr(self, node):
        self.assign_statement(node, [node.target], node.value)
        return self.lookup(node.target.id)

    def visit_Slice(self, node):
        return tl_slice(*[None if part is None else self.visit(part) for part in (node.lower, node.upper, node.step)])

    # ---- operators

    def visit_BinOp(self, node):
        lhs, rhs = self.visit(node.left), self.visit(node.right)
        op = BINARY.get(node.op.__class__)
        if op is None:
            raise self._no_operator("binary", node, node.op)
        return self.binary(node, op, lhs, rhs)

    def _no_operator(self, kind, node, op):
        return self.unsupported(node, f"AST {kind} operator '{type(op).__name__}' is not (currently) implemented.")

    def binary(self, node, op, lhs, rhs):
        """`lhs op rhs` at the place of `node`."""
        self.at(node)
        left, right = lhs.__class__, rhs.__class__
        try:
            if left is tensor:
                if (right is tensor or right is constexpr) and op.on_tensor is not None:
                    result = op.on_tensor(lhs, rhs, _semantic=self.semantic)
                    if result is not NotImplemented:
                        return result
            elif left is constexpr:
                if right is tensor and op.on_tensor_reflected is not None:
                    result = op.on_tensor_reflected(rhs, lhs, _semantic=self.semantic)
                    if result is not NotImplemented:
                        return result
                elif right is constexpr and op.on_constexpr is not None:
                    result = op.on_constexpr(lhs, rhs)
                    if result.value is not NotImplemented:
                        return result
        except Exception as error:
            raise self.failed_in_call(node, error) from error
        return self.resolve_binary(node, op, lhs, rhs)

    def resolve_binary(self, node, op, lhs, rhs):
        """Who carries the operator out: aggregates before tiles before compile-time values, a subclass before its base,
        else the left operand."""
        if not isinstance(lhs, base_value) and isinstance(rhs, constexpr):
            lhs = constexpr(lhs)
        left, right = operator_priority(lhs), operator_priority(rhs)
        candidates = [(left, lhs, op.forward, rhs), (right, rhs, op.reflected, lhs)]
        if left == right and type(lhs) is not type(rhs) and isinstance(rhs, type(lhs)):
            candidates.reverse()
        highest = max(left, right)
        for priority, owner, method, other in candidates:
            if priority == highest:
                found, result = self.call_operator(node, owner, method, other)
                if found and unwrap(result) is not NotImplemented:
                    return result
        left, right = (type(unwrap(value)).__name__ for value in (lhs, rhs))
        raise self.unsupported(node, f"unsupported operand type(s) for {op.symbol}: '{left}' and '{right}'")

    def call_operator(self, node, owner, name, *args):
        """(is there such a method, its result)"""
        method = getattr(owner, name, None)
        if method is None:
            return False, None
        if isinstance(method, JITFunction) and isinstance(owner, base_value):
            method = BoundJITMethod(owner, method)
        return True, self.call(node, method, list(args), {})

    def visit_UnaryOp(self, node):
        operand = self.visit(node.operand)
        kind = node.op.__class__
        self.at(node)
        if operand.__class__ is tensor and UNARY_ON_TENSOR[kind] is not None:
            try:
                return UNARY_ON_TENSOR[kind](operand, _semantic=self.semantic)
            except Exception as error:
                raise self.failed_in_call(node, error) from error
        name = UNARY[kind]
        found, result = self.call_operator(node, operand, name)
        if found and unwrap(result) is not NotImplemented:
            return result
        if not found and kind is ast.Not and not is_dynamic_boolean(operand):
            return constexpr(not operand)
        raise self.unsupported(
            node, f"unary operator '{name}' does not apply to {type(operand).__name__}")

    def visit_Compare(self, node):
        if len(node.ops) == 1:
            return self._compare(node, node.ops[0], self.visit(node.left), self.visit(node.comparators[0]))
        return self.fold_booleans(node, BOOLEAN[ast.And], self._chain(node))

    def _chain(self, node):
        # Each operand is evaluated once, and the later ones only if no link before was false while compiling.
        lhs = self.visit(node.left)
        for op, comparator in zip(node.ops, node.comparators):
            rhs = self.visit(comparator)
            yield self._compare(node, op, lhs, rhs)
            lhs = rhs

    def _compare(self, node, op, lhs, rhs):
        kind = op.__class__
        known = COMPARISON.get(kind)
        if known is not None:
            return self.binary(node, known, lhs, rhs)
        if kind is ast.Is:
            return constexpr(unwrap(lhs) is unwrap(rhs))
        if kind is ast.IsNot:
            return constexpr(unwrap(lhs) is not unwrap(rhs))
        if kind in (ast.In, ast.NotIn):
            items = unwrap(rhs)
            parts = list(items) if isinstance(items, tl_tuple) else [lhs]
            if not any(is_dynamic_boolean(part) for part in [lhs, items, *parts]):
                found = unwrap(lhs) in (map(unwrap, parts) if isinstance(items, tl_tuple) else items)
                return constexpr(found is (kind is ast.In))
        raise self._no_operator("comparison", node, op)

    def visit_BoolOp(self, node):
        return self.fold_booleans(node, BOOLEAN[node.op.__class__], (self.visit(value) for value in node.values), True)

    def fold_booleans(self, node, op, values, warn=False):
        """`and`, `or`: compile-time operands decide as Python's do and leave no trace, the others are combined."""
        conjunction = op.symbol == "and"
        dynamic, value = [], None
        for value in values:
            if not is_dynamic_boolean(value):
                if bool(value) is not conjunction:
                    return value
                continue
            if warn and isinstance(value, tensor) and is_block(value):
                warnings.warn_explicit(
                    "'and' and 'or' between tiles are deprecated: write '&' or '|'", UserWarning, self.file_name,
                    self.begin_line + node.lineno)
            dynamic.append(value)
        if not dynamic:
            return value
        while len(dynamic) > 1:
            rhs, lhs = dynamic.pop(), dynamic.pop()
            dynamic.append(self.binary(node, op, lhs, rhs))
        return dynamic[0]

    def visit_IfExp(self, node):
        condition = self.visit(node.test)
        if not isinstance(condition, tensor):
            return self.visit(node.body if self.static_condition(node, condition) else node.orelse)
        self.at(node)
        condition = self.cast(condition, int1)
        b = self.builder
        place = b.block()
        draft = b.scf_if(condition.handle, [])
        sides = []
        scope, defs = self.lscope, self.local_defs
        for side, block in ((node.body, b.op_block(draft)), (node.orelse, b.add_block(draft, 1))):
            self.lscope, self.local_defs = dict(scope), {}
            b.at_end(block)
            value = self.visit(side)
            self.at(side)
            sides.append((self.semantic.to_tensor(value), block))
        self.lscope, self.local_defs = scope, defs
        (then, then_block), (other, else_block) = sides
        self.at(node)
        assert then.type == other.type, \
            f"Ternary expression with dynamic condition has inconsistent types {then.type} and {other.type}"
        if then.type is void:
            for block in (then_block, else_block):
                b.at_end(block)
                b.scf_yield([])
            b.at_end(place)
            return None
        op = self.finish_if(draft, condition, [then_block, else_block], [[then.handle], [other.handle]],
                            [then.type.to_ir(b)])
        b.at_end(place)
        return tensor(b.op_result(op), then.type)

    def finish_if(self, draft, condition, blocks, yields, types):
        """The scf.if with results of those types in place of the one that was built without."""
        b = self.builder
        b.before(draft)
        op = b.scf_if(condition.handle, types)
        for i, (block, values) in enumerate(zip(blocks, yields)):
            dest = b.op_block(op, i)
            b.splice(dest, block)
            b.at_end(dest)
            b.scf_yield(values)
        b.erase(draft)
        return op

    def static_condition(self, node, condition):
        condition = unwrap(condition)
        # Not isinstance: no subclasses and nothing that only behaves like one.
        if type(condition) not in CONDITION_TYPES:
            names = ", ".join(t.__name__ for t in CONDITION_TYPES)
            raise self.unsupported(node, f"the condition of `if` is one of {{{names}}}, got "
                                         f"{type(condition).__name__}")
        return condition

    # ---- subscripts and attributes

    def visit_Subscript(self, node):
        owner, index = self.visit(node.value), self.visit(node.slice)
        self.at(node)
        if owner.__class__ is tensor:
            try:
                return GETITEM_ON_TENSOR(owner, index, _semantic=self.semantic)
            except Exception as error:
                raise self.failed_in_call(node, error) from error
        if isinstance(owner, base_value):
            method = owner.__getitem__
            return self.call(node, method, [owner, index] if isinstance(method, JITFunction) else [index], {})
        return owner[index]

    def visit_Attribute(self, node):
        owner = self.visit(node.value)
        if owner.__class__ is ModuleType:
            module_map = self.unit.module_map
            while module_map and (other := module_map.get(owner.__name__)) is not None and other is not owner:
                owner = other
        return self.attribute(node, owner, node.attr)

    def attribute(self, node, owner, name):
        if isinstance(owner, tensor) and name == "T":
            self.at(node)
            return self.semantic.permute(owner, (1, 0))
        if isinstance(owner, constexpr) and name not in ("value", "type"):
            owner = owner.value
        found = getattr(owner, name)
        if isinstance(found, JITFunction) and isinstance(owner, base_value):
            return BoundJITMethod(owner, found)
        return found


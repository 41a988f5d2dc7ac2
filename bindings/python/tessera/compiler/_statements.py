# SPDX-License-Identifier: MIT
"""Statements of kernels: assignments and structured control flow.

Regions are built where they belong but before it is known what they give: an `if` starts without results, a loop
carries every live name that its text may bind. When the regions are built, the operation is made anew with what turned
out to be needed, and the blocks move there. So every statement is visited once.
"""
import ast
import warnings

from ..language.base import base_value, constexpr
from ..language.types import dtype, int1
from ..language.values import condition as tl_condition
from ..language.values import range as tl_range
from ..language.values import static_range, tensor
from ..language.values import tuple as tl_tuple
from ._analysis import assigned_names, contains_return
from ._values import flatten, is_non_scalar, map_tuple, make_tuple, normalize, same_parts, unflatten, unwrap

_RETURN_IN_LOOP = "Cannot have `return` statements inside `while` or `for` statements in triton."
_NO_LICM = "#llvm.loop_annotation<licm = #llvm.loop_licm<disable = true, versioningDisable = true>>"
_ZERO, _ONE = constexpr(0), constexpr(1)


class Statements:
    """Mix-in of CodeGenerator."""

    def visit_block(self, statements):
        """Statements in order, up to a return among them."""
        for statement in statements:
            if self.dead:
                self.revive()
            self.visit(statement)
            if statement.__class__ is ast.Return:
                break

    def visit_Expr(self, node):
        node.value._is_unused = True
        self.visit(node.value)

    def visit_Pass(self, node):
        pass

    # ---- assignments

    def set_value(self, name, value):
        self.lscope[name] = value
        self.local_defs[name] = value

    def visit_Assign(self, node):
        self.assign_statement(node, node.targets, node.value)

    def assign_statement(self, node, targets, value):
        for i, target in enumerate(targets):
            if target.__class__ is ast.Name:
                outer, self.prefix = self.prefix, target.id
                try:
                    if i == 0:
                        given = self.visit(value)
                    result = self.sanitize(target, given, node)
                finally:
                    self.prefix = outer
            else:
                if i == 0:
                    given = self.visit(value)
                result = self.sanitize(target, given, node)
            self.assign(target, result)

    def visit_AnnAssign(self, node):
        annotation = self.visit(node.annotation)
        name = node.target.id if isinstance(node.target, ast.Name) else None
        if node.value is None:
            self.pending_annotations[name] = annotation
        elif annotation is constexpr:
            if name in self.lscope:
                raise ValueError(f"{name} is already defined. constexpr cannot be reassigned.")
            self.lscope[name] = normalize(self.visit(node.value))
        else:
            self.assign_statement(node, [node.target], node.value)

    def visit_AugAssign(self, node):
        target = node.target
        if target.__class__ is not ast.Name:
            self.visit(node.value)
            self.assign(target, None)
        from ._expressions import BINARY
        op = BINARY.get(node.op.__class__)
        if op is None:
            raise self._no_operator("binary", node, node.op)
        outer, self.prefix = self.prefix, target.id
        try:
            lhs = self.lookup(target.id)
            result = self.binary(node, op, lhs, self.visit(node.value))
            result = self.sanitize(target, result, node)
        finally:
            self.prefix = outer
        self.assign(target, result)

    def assign(self, target, value):
        if target.__class__ is ast.Name:
            self.set_value(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, item in zip(target.elts, value.values):
                self.assign(part, item)
        elif isinstance(target, ast.Subscript):
            raise NotImplementedError("__setitem__ is not supported in triton")
        elif isinstance(target, ast.Attribute):
            raise NotImplementedError("Attribute assignment is not supported in triton")
        else:
            raise self.unsupported(target, f"unsupported assignment target: {type(target).__name__}")

    def sanitize(self, target, value, node=None, sanitize_leaf=True):
        """What a target gets of a value: numbers become scalars of the kernel, unless it was annotated constexpr."""
        cls = value.__class__
        if target.__class__ is ast.Name:
            if self.pending_annotations and self.pending_annotations.pop(target.id, None) is constexpr:
                return normalize(value)
            if cls is tensor or not sanitize_leaf:
                return value
            return self._as_variable(value, node)
        if isinstance(target, (ast.Tuple, ast.List)):
            if not isinstance(value, tl_tuple):
                raise TypeError("cannot unpack non-iterable value")
            if any(isinstance(part, ast.Starred) for part in target.elts):
                raise NotImplementedError("starred assignment targets are not supported")
            wanted, found = len(target.elts), len(value.values)
            if wanted < found:
                raise ValueError(f"too many values to unpack (expected {wanted})")
            if wanted > found:
                raise ValueError(f"not enough values to unpack (expected {wanted}, got {found})")
            items = [self.sanitize(part, item, node, sanitize_leaf) for part, item in zip(target.elts, value.values)]
            return make_tuple([constexpr(None) if item is None else item for item in items], value.type.fields)
        return self._as_variable(value, node) if sanitize_leaf else value

    def _as_variable(self, value, node):
        if isinstance(value, tl_tuple):
            return map_tuple(value, lambda item: self._as_variable(item, node))
        value = unwrap(value)
        if value is None or isinstance(value, (base_value, dtype)):
            return value
        if node is not None:
            self.at(node)
        return self.semantic.to_tensor(value)

    # ---- return, assert, with

    def visit_Return(self, node):
        value = constexpr(None) if node.value is None else self.visit(node.value)
        if self.scf_depth:
            raise self.unsupported(node, _RETURN_IN_LOOP)
        self.at(node)
        self.returns.append((normalize(value), self.builder.block(), self.loc))
        self.dead = True

    def revive(self):
        """Code after a return has a block of its own, which nothing jumps to."""
        self.dead = False
        names, self.dead_names = self.dead_names, ()
        b = self.builder
        types = []
        for _, ty in names:
            ty._flatten_ir_types(b, types)
        block = b.add_block(self.fn, 0, types)
        b.at_end(block)
        values = unflatten([b.block_arg(block, i) for i in range(len(types))], [ty for _, ty in names])
        for (name, _), value in zip(names, values):
            self.set_value(name, value)

    def visit_Assert(self, node):
        test = self.visit(node.test)
        message = "" if node.msg is None else self.visit(node.msg)
        self.at(node)
        from ..language.core import device_assert
        return device_assert(test, message, _semantic=self.semantic)

    def visit_With(self, node):
        managers = []
        for item in node.items:
            call = item.context_expr
            make = self.visit(call.func)
            args = [self.visit(arg) for arg in call.args]
            keywords = {keyword.arg: self.visit(keyword.value) for keyword in call.keywords}
            self.at(node)
            managers.append(make(*args, _semantic=self.semantic, **keywords))
        for manager, item in zip(managers, node.items):
            value = manager.__enter__()
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value)
        if contains_return(node):
            raise self.unsupported(node, "Cannot have `return` statements inside `with` statements in triton ")
        self.visit_block(node.body)
        for manager in reversed(managers):
            manager.__exit__(None, None, None)

    # ---- if

    def visit_If(self, node):
        condition = self.visit(node.test)
        if not isinstance(condition, tensor):
            self.visit_block(node.body if self.static_condition(node, condition) else node.orelse)
            return
        if is_non_scalar(condition):
            raise self.unsupported(node, "a condition is a single value, got a tile of several: reduce it first")
        self.at(node)
        if condition.type.is_block():
            warnings.warn("If conditional called with multidimensional Tensor instead of scalar; "
                          f'please use "if ({ast.unparse(node.test)}).item()" instead')
            condition = self.semantic.unsplat(condition)
        condition = self.cast(condition, int1)
        if not contains_return(node):
            self._structured_if(node, condition)
        elif self.scf_depth:
            raise self.unsupported(node, _RETURN_IN_LOOP)
        else:
            self._branching_if(node, condition)

    def _visit_sides(self, node, then_block, else_block):
        """Builds both sides. For each: names bound in it, all names with their values, its last block, whether it ended
        in a return."""
        b = self.builder
        liveins, defs, pending = self.lscope, self.local_defs, self.pending_annotations
        sides = []
        for block, statements in ((then_block, node.body), (else_block, node.orelse)):
            self.lscope, self.local_defs, self.pending_annotations = dict(liveins), {}, dict(pending)
            self.dead, self.dead_names = False, ()
            if block is not None:
                b.at_end(block)
            self.visit_block(statements)
            sides.append((self.local_defs, self.lscope, b.block() if block is not None else None, self.dead))
        self.lscope, self.local_defs, self.pending_annotations = liveins, defs, pending
        self.dead, self.dead_names = False, ()
        return sides

    def _joined_names(self, sides):
        """Names whose value depends on the side taken: live ones first, in their order, then those bound in both."""
        (then_defs, then_all, _, _), (else_defs, else_all, _, _) = sides
        names = []
        for name, value in self.lscope.items():
            if not isinstance(value, base_value) or (name not in then_defs and name not in else_defs):
                continue
            then, other = then_all[name], else_all[name]
            if then is other or self._same_handles(then, other):
                continue
            for side, side_name in ((then, "then"), (other, "else")):
                assert type(side) is type(value) and side.type == value.type, \
                    f"initial value for `{name}` is of type {value}, but the {side_name} block redefines it as {side}"
            names.append(name)
        known = set(names)
        for name in sorted(then_defs.keys() & else_defs.keys()):
            if name in known:
                continue
            then, other = then_defs[name], else_defs[name]
            if then is None and other is None:
                continue
            then_type, else_type = getattr(then, "type", then), getattr(other, "type", other)
            assert type(then) is type(other) and then_type == else_type, \
                f"Mismatched type for {name} between then block ({then_type}) and else block ({else_type})"
            if isinstance(then, base_value):
                names.append(name)
            else:
                self.set_value(name, then)  # the same type of the language in both
        return names

    @staticmethod
    def _same_handles(a, b):
        if a.__class__ is tensor and b.__class__ is tensor:
            return a.handle == b.handle
        if not isinstance(a, base_value) or not isinstance(b, base_value):
            return False
        return flatten([a]) == flatten([b])

    def _structured_if(self, node, condition):
        b = self.builder
        place = b.block()
        draft = b.scf_if(condition.handle, [])
        then_block = b.op_block(draft)
        else_block = b.add_block(draft, 1) if node.orelse else None
        sides = self._visit_sides(node, then_block, else_block)
        names = self._joined_names(sides)
        values = [[side[1][name] for name in names] for side in sides]
        handles = [flatten(v) for v in values]
        assert len(handles[0]) == len(handles[1])
        self.at(node)
        if not handles[0]:
            for block in (then_block, else_block):
                if block is not None:
                    b.at_end(block)
                    b.scf_yield([])
        else:
            if else_block is None:
                else_block = b.add_block(draft, 1)
            op = self.finish_if(draft, condition, [then_block, else_block], handles,
                                [b.value_type(h) for h in handles[0]])
            values[0] = unflatten(b.op_results(op), [v.type for v in values[0]])
        b.at_end(place)
        for name, value in zip(names, values[0]):
            self.set_value(name, value)

    def _branching_if(self, node, condition):
        """An `if` with a return in it, outside of loops: blocks and jumps."""
        b = self.builder
        then_block, else_block = b.add_block(self.fn, 0), b.add_block(self.fn, 0)
        b.cf_cond_br(condition.handle, then_block, [], else_block, [])
        sides = self._visit_sides(node, then_block, else_block)
        live = [side for side in sides if not side[3]]
        self.at(node)
        if len(live) == 1:  # the other side returned: what follows sees this one's values
            defs, scope, end, _ = live[0]
            joined = b.add_block(self.fn, 0)
            b.at_end(end)
            b.cf_br(joined, [])
            b.at_end(joined)
            both = sides[0][0].keys() & sides[1][0].keys()
            for name, value in defs.items():
                if name in self.lscope or name in both:
                    self.set_value(name, scope[name])
            return
        names = self._joined_names(sides)
        if not live:
            self.dead = True
            self.dead_names = [(name, sides[0][1][name].type) for name in names]
            return
        values = [[side[1][name] for name in names] for side in sides]
        handles = [flatten(v) for v in values]
        joined = b.add_block(self.fn, 0, [b.value_type(h) for h in handles[0]])
        for side, passed in zip(sides, handles):
            b.at_end(side[2])
            b.cf_br(joined, passed)
        b.at_end(joined)
        arguments = [b.block_arg(joined, i) for i in range(len(handles[0]))]
        for name, value in zip(names, unflatten(arguments, [v.type for v in values[0]])):
            self.set_value(name, value)

    # ---- loops

    def _candidates(self, node, target=None):
        """Live values of the kernel that the loop's text may bind: (names, values)."""
        bound = assigned_names(node)
        names, values = [], []
        for name, value in self.lscope.items():
            if name in bound and name != target and isinstance(value, base_value) and flatten([value]):
                names.append(name)
                values.append(value)
        return names, values

    def _check_carried(self, node, liveins, scope, defs, target=None):
        bound = assigned_names(node)
        for name, live in liveins.items():
            if name not in bound or name == target:
                continue
            if not isinstance(live, base_value):
                assert name not in defs, f"Loop carried variable {name} is not a triton value"
                continue
            now = scope[name]
            assert isinstance(now, base_value), f"cannot reassign constexpr {name} in the loop"
            assert type(now) is type(live), (f"Loop carried variable {name} changed type, was {type(live)} "
                                             f"but is now {type(now)}")
            if live.__class__ is constexpr:
                continue
            assert same_parts(now.type, live.type), \
                (f"Loop-carried variable {name} has initial type {live.type} but is re-assigned to {now.type} in loop! "
                 "Please make sure that the type stays consistent.")

    def _enter_body(self, names, values, block, first=0):
        """Binds the carried names to a block's arguments and goes there."""
        b = self.builder
        b.at_end(block)
        handles = [b.block_arg(block, i + first) for i in range(len(flatten(values)))]
        arguments = unflatten(handles, [v.type for v in values])
        for name, value in zip(names, arguments):
            self._name_arguments(value, name)
            self.set_value(name, value)
        return arguments

    def _name_arguments(self, value, name):
        if value.__class__ is tensor:
            self.builder.set_value_name(value.handle, name)
        else:
            value._set_name(self.builder, name)

    def _changed(self, names, values, arguments):
        """Which of the carried names the body really changes, and the values it gives them."""
        keep, given = [], []
        for name, init, argument in zip(names, values, arguments):
            now = self.lscope[name]
            given.append(now)
            handles, start, old = flatten([now]), flatten([init]), flatten([argument])
            keep.append(any(h != a and h != s for h, s, a in zip(handles, start, old)))
        return keep, given

    def visit_For(self, node):
        if not isinstance(node.iter, ast.Call):
            raise RuntimeError(f"`for` runs over a call of `range` or `static_range`, got `{ast.unparse(node.iter)}`")
        iterator_class = unwrap(self.visit(node.iter.func))
        args = []
        for arg in node.iter.args:
            if isinstance(arg, ast.Starred):
                args.extend(self.visit(arg.value))
            else:
                args.append(self.visit(arg))
        keywords = {keyword.arg: self.visit(keyword.value) for keyword in node.iter.keywords}
        if node.orelse:
            raise self.unsupported(node.orelse[0], "`else` of a loop is not supported")
        if not isinstance(node.target, ast.Name):
            raise self.unsupported(node.target, "the target of a loop must be a name")
        if iterator_class is static_range:
            return self._unrolled_for(node, static_range(*args, **keywords))
        if iterator_class is tl_range:
            loop = tl_range(*args, **keywords)
        elif iterator_class is range:
            if not 0 < len(args) < 4 or keywords:
                raise TypeError(f"range expected 1 to 3 arguments, got {len(args) + len(keywords)}")
            loop = tl_range(args[0], args[1] if len(args) > 1 else None, args[2] if len(args) > 2 else None)
        else:
            raise RuntimeError(f"`for` runs over a call of `range` or `static_range`, got `{ast.unparse(node.iter)}`")
        self.at(node)
        lower, upper, step = loop.start, loop.end, unwrap(loop.step)
        backwards = not isinstance(step, base_value) and step < 0
        if backwards:  # the loop counts up, and its variable is mirrored
            lower, upper, step = upper, lower, -step
        lower, upper, step, iv_type = self._loop_bounds(lower, upper, step)
        self._counted_for(node, loop, lower, upper, step, iv_type, backwards)

    def _unrolled_for(self, node, loop):
        name = node.target.id
        for i in range(loop.start.value, loop.end.value, loop.step.value):
            self.lscope[name] = constexpr(i)
            self.visit_block(node.body)

    def _loop_bounds(self, *bounds):
        """IR values of lower bound, upper bound and step in the type that they promote to, and that type."""
        values = [self.semantic.to_tensor(v) for v in bounds]
        types = [v.dtype for v in values]
        if not all(ty.is_int() for ty in types):
            raise TypeError(f"bounds and step of a loop are integers, got ({', '.join(map(str, types))})")
        for what, value in zip(("lower bound", "upper bound", "step"), values):
            if is_non_scalar(value):
                raise TypeError(f"For {what} must be a scalar, got {value.type}")
        promote = self.semantic.integer_promote_impl
        iv_type = promote(promote(types[0], types[1]), types[2])
        b, ty = self.builder, iv_type.to_ir(self.builder)
        handles = []
        for value in values:
            handle, width = value.handle, value.dtype.int_bitwidth
            if width < iv_type.int_bitwidth:
                handle = (b.arith_extsi if iv_type.is_int_signed() else b.arith_extui)(handle, ty)
            elif width > iv_type.int_bitwidth:
                handle = b.arith_trunci(handle, ty)
            handles.append(handle)
        return (*handles, iv_type)

    def _counted_for(self, node, loop, lower, upper, step, iv_type, backwards):
        b, target = self.builder, node.target.id
        # After the loop its variable has no value; a name from before does not come back.
        self.set_value(target, tensor(b.ub_poison(iv_type.to_ir(b)), iv_type))
        liveins, defs, pending = self.lscope, self.local_defs, self.pending_annotations
        names, values = self._candidates(node, target)
        place = b.block()
        op = b.scf_for(lower, upper, step, flatten(values))
        loc = self.loc
        body = b.op_block(op)
        self.lscope, self.local_defs, self.pending_annotations = dict(liveins), {}, dict(pending)
        self.scf_depth += 1
        arguments = self._enter_body(names, values, body, 1)
        iv = b.block_arg(body, 0)
        if backwards:
            iv = b.arith_addi(b.arith_subi(upper, iv), lower)
        b.set_value_name(iv, target)
        self.set_value(target, tensor(iv, iv_type))
        self.visit_block(node.body)
        self.scf_depth -= 1
        self._check_carried(node, liveins, self.lscope, self.local_defs, target)
        keep, given = self._changed(names, values, arguments)
        self.lscope, self.local_defs, self.pending_annotations = liveins, defs, pending
        self.set_loc(loc)
        yields = flatten(v for v, k in zip(given, keep) if k)
        if all(keep):
            b.at_end(body)
            b.scf_yield(yields)
        else:
            carried = [v for v, k in zip(values, keep) if k]
            b.before(op)
            new = b.scf_for(lower, upper, step, flatten(carried))
            new_body = b.op_block(new)
            replaced = self._move_body(body, new_body, values, keep, 1)
            b.move_argument_hints(op, new, body, new_body, replaced)
            b.at_end(new_body)
            b.scf_yield([replaced.get(handle, handle) for handle in yields])
            b.erase(op)
            op, names, values = new, [n for n, k in zip(names, keep) if k], carried
        b.at_end(place)
        self._loop_attributes(op, loop)
        self._bind_results(op, names, values)

    def _move_body(self, old, new, values, keep, first):
        """Moves a loop's block to one that carries fewer values; gives what stands for the old arguments now."""
        b = self.builder
        b.splice(new, old)
        replaced = {}
        if first:
            replaced[b.block_arg(old, 0)] = b.block_arg(new, 0)
            b.copy_value_name(b.block_arg(old, 0), b.block_arg(new, 0))
        i = j = first
        for value, kept in zip(values, keep):
            for init in flatten([value]):
                argument = b.block_arg(old, i)
                if kept:
                    b.copy_value_name(argument, b.block_arg(new, j))
                replaced[argument] = b.block_arg(new, j) if kept else init
                i += 1
                j += kept
        for before, after in replaced.items():
            b.replace_uses(before, after)
        return replaced

    def _bind_results(self, op, names, values):
        """Carried names mean the loop's results from here on."""
        if not names:
            return
        b = self.builder
        b.name_results(op, names)
        for name, value in zip(names, unflatten(b.op_results(op), [v.type for v in values])):
            self.set_value(name, value)

    def _loop_attributes(self, op, loop):
        b = self.builder
        for name in ("num_stages", "loop_unroll_factor"):
            value = unwrap(getattr(loop, name))
            if value is not None:
                b.set_attr(op, "tt." + name, b.attr_int(value, 32))
        for name in ("disallow_acc_multi_buffer", "flatten", "warp_specialize"):
            if unwrap(getattr(loop, name)):
                b.set_attr(op, "tt." + name, b.attr_unit())
        if unwrap(loop.disable_licm):
            b.set_attr(op, "llvm.loop_annotation", b.attr_parse(_NO_LICM))

    def visit_While(self, node):
        if node.orelse:
            raise self.unsupported(node.orelse[0], "`else` of a loop is not supported")
        b = self.builder
        liveins, defs, pending = self.lscope, self.local_defs, self.pending_annotations
        names, values = self._candidates(node)
        inits = flatten(values)
        self.at(node)
        loc, place = self.loc, b.block()
        types = [b.value_type(h) for h in inits]
        op = b.scf_while(inits, types)
        before, after = b.op_block(op, 0), b.op_block(op, 1)
        self.lscope, self.local_defs, self.pending_annotations = dict(liveins), {}, dict(pending)
        self._enter_body(names, values, before)
        outside = dict(self.lscope)
        condition, disable_licm = self.visit(node.test), False
        for name, value in self.lscope.items():
            if value is not outside.get(name) and isinstance(value, base_value) and flatten([value]):
                raise self.unsupported(node.test, f"{name} is bound in the condition of a `while`")
        if isinstance(condition, tl_condition):
            condition, disable_licm = condition.condition, unwrap(condition.disable_licm)
        self.at(node.test)
        condition = self.cast(self.semantic.to_tensor(condition), int1)
        test, test_loc = condition.handle, self.loc
        self.scf_depth += 1
        arguments = self._enter_body(names, values, after)
        self.visit_block(node.body)
        self.scf_depth -= 1
        self._check_carried(node, liveins, self.lscope, self.local_defs)
        keep, given = self._changed(names, values, arguments)
        self.lscope, self.local_defs, self.pending_annotations = liveins, defs, pending
        yields = flatten(v for v, k in zip(given, keep) if k)
        if not all(keep):
            self.set_loc(loc)
            carried = [v for v, k in zip(values, keep) if k]
            b.before(op)
            handles = flatten(carried)
            new = b.scf_while(handles, [b.value_type(h) for h in handles])
            replaced = self._move_body(before, b.op_block(new, 0), values, keep, 0)
            test = replaced.get(test, test)
            replaced = self._move_body(after, b.op_block(new, 1), values, keep, 0)
            b.move_argument_hints(op, new, after, b.op_block(new, 1), replaced)
            yields = [replaced.get(handle, handle) for handle in yields]
            b.erase(op)
            op, names, values = new, [n for n, k in zip(names, keep) if k], carried
            before, after = b.op_block(op, 0), b.op_block(op, 1)
        self.set_loc(test_loc)
        b.at_end(before)
        b.scf_condition(test, [b.block_arg(before, i) for i in range(len(flatten(values)))])
        self.set_loc(loc)
        b.at_end(after)
        b.scf_yield(yields)
        b.at_end(place)
        if disable_licm:
            b.set_attr(op, "llvm.loop_annotation", b.attr_parse(_NO_LICM))
        self._bind_results(op, names, values)

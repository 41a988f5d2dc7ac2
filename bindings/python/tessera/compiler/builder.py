# SPDX-License-Identifier: MIT
"""A thin object over libtir's builder: what the language and the front end make IR with.

`b.<dialect>_<op>(…)` is `tir_build_<dialect>_<op>` of builder_ops.h without the builder and without the counts of
arrays (a list knows its length): `b.arith_addi(x, y)`, `b.tt_reduce([x], axis)`. Handles are ints; what fails raises
the tessera.Error of its status, so a returned handle is never None. Made when first used, then plain attributes.
"""
from .. import _errors
from .._raw import check, collect, ref, tir

GENERIC, LOCATIONS, NUMBERS = "generic", "locations", "numbers"


def _plan(function):
    """Places (builder left out) of the counts in a function's parameters, in order."""
    parameters = tir.FUNCTIONS[function].split()[2:]
    counted = {int(p.split("#")[1]) - 1 for p in parameters if "#" in p}
    return sorted(counted)


class Module:
    """A module and the context it lives in. One thread at a time; freed with the object."""

    def __init__(self, name=None):
        self.context = self.handle = None
        cell = ref()
        check(tir, tir.tir_context_create(None, cell))
        self.context = cell.value
        cell = ref()
        check(tir, tir.tir_module_create(self.context, cell))
        self.handle = cell.value
        if name is not None:
            tir.tir_module_set_source_name(self.handle, name)

    @classmethod
    def load(cls, data, name=None):
        """From text or bytecode."""
        self = cls.__new__(cls)
        self.context = self.handle = None
        cell = ref()
        check(tir, tir.tir_context_create(None, cell))
        self.context = cell.value
        cell = ref()
        check(tir, tir.tir_module_load(self.context, data, None, name, cell))
        self.handle = cell.value
        return self

    def close(self):
        """Frees module and context; handles of what was in them mean nothing afterwards."""
        module, context = self.handle, self.context
        self.handle = self.context = None
        if module is not None:
            tir.tir_module_destroy(module)
        if context is not None:
            tir.tir_context_destroy(context)

    def __del__(self):
        try:
            self.close()
        except Exception:  # at exit the layer beneath may be gone
            pass

    def verify(self):
        check(tir, tir.tir_module_verify(self.handle))

    def text(self, syntax=39, locations=True, numbers=False, generic=False):
        """The text form. numbers: values are numbered instead of named."""
        options = tir.tir_print_options.init(syntax=syntax, locations=int(locations), numbers=int(numbers),
                                             generic=int(generic))
        return collect(tir, "tir_module_print", self.handle, options).decode("utf-8", "surrogateescape")

    def __str__(self):
        return self.text()

    def bytecode(self, debug=True):
        """The module as bytes."""
        options = None if debug else tir.tir_bytecode_options.init(no_debug=1)
        return collect(tir, "tir_module_write_bytecode", self.handle, options)

    def run_passes(self, pipeline):
        """Runs passes by their names ("inline,canonicalize,cse")."""
        check(tir, tir.tir_pass_run(self.handle, pipeline, None))
        return self

    def hash(self, flags=1):
        """128 bits over operations, types and attributes (1), locations and names (2), syntax (4)."""
        import ctypes
        out = (ctypes.c_uint64 * 2)()
        check(tir, tir.tir_module_hash(self.handle, flags, out))
        return out[0] | out[1] << 64

    def functions(self):
        """The tt.func operations."""
        return [tir.tir_module_function(self.handle, i) for i in range(tir.tir_module_num_functions(self.handle))]

    def find_function(self, name):
        """The tt.func of that symbol name, or None."""
        return tir.tir_module_find_function(self.handle, name)


class Builder:
    """Builds into a module. `options` is the compilation's, for whoever needs them while building."""

    def __init__(self, module=None, options=None):
        self.raw = None
        self.module = Module() if module is None else module
        self.context = self.module.context
        self.options = options
        self.codegen_fns = {}
        cell = ref()
        check(tir, tir.tir_builder_create(self.module.handle, cell))
        self.raw = cell.value
        self._ints = {}
        self._tl_types = {}

    def close(self):
        """Frees the builder, not the module."""
        raw, self.raw = self.raw, None
        if raw is not None:
            tir.tir_builder_destroy(raw)
        # The functions made by __getattr__ hold the builder: without them it is freed at once.
        for name in [n for n, v in self.__dict__.items() if getattr(v, "_of_builder", False)]:
            del self.__dict__[name]

    def __del__(self):
        try:
            raw, self.raw = self.raw, None
            if raw is not None and self.module.handle is not None:
                tir.tir_builder_destroy(raw)
        except Exception:
            pass

    # ---- operations

    def __getattr__(self, name):
        function = "tir_build_" + name
        if function not in tir.FUNCTIONS:
            raise AttributeError(f"libtir builds no operation '{name}'")
        call, raw, failed = getattr(tir, function), self.raw, self._failure
        counts = _plan(function)
        if not counts:
            def build(*args):
                handle = call(raw, *args)
                if handle is None:
                    raise failed()
                return handle
        elif len(counts) == 1:
            place = counts[0]

            def build(*args):
                handle = call(raw, *args[:place], None, *args[place:])
                if handle is None:
                    raise failed()
                return handle
        else:
            def build(*args):
                full = list(args)
                for place in counts:
                    full.insert(place, None)
                handle = call(raw, *full)
                if handle is None:
                    raise failed()
                return handle
        build.__name__ = name
        build._of_builder = True
        self.__dict__[name] = build
        return build

    def _failure(self):
        """The error for the builder's first failure, which is forgotten."""
        raw = self.raw
        if raw is None:
            return RuntimeError("the builder is closed")
        status = tir.tir_builder_status(raw)
        message = tir.tir_builder_message(raw) if status else tir.tir_last_message()
        tir.tir_builder_clear(raw)
        return _errors.from_status(status or 1, message, "tir")

    def _done(self, status):
        if status:
            raise self._failure()

    def next_attr(self, name, attr):
        """Attribute of the next operation built."""
        self._done(tir.tir_builder_next_attr(self.raw, name, attr))

    # ---- results, regions, blocks

    def op_result(self, op, i=0):
        return tir.tir_op_result(op, i)

    def op_results(self, op):
        result = tir.tir_op_result
        return [result(op, i) for i in range(tir.tir_op_num_results(op))]

    def op_block(self, op, i=0):
        """First block of region `i`, or None."""
        return tir.tir_region_first_block(tir.tir_op_region(op, i))

    def value_type(self, value):
        return tir.tir_value_type(value)

    def value_op(self, value):
        """The operation a value is a result of; None for arguments of blocks."""
        return tir.tir_value_op(value)

    def block_arg(self, block, i):
        return tir.tir_block_arg(block, i)

    def add_block(self, op, i, types=()):
        """A new last block of region `i` of `op`."""
        block = tir.tir_builder_add_block(self.raw, tir.tir_op_region(op, i), len(types), list(types))
        if block is None:
            raise self._failure()
        return block

    def add_arg(self, block, ty):
        arg = tir.tir_builder_add_arg(self.raw, block, ty)
        if arg is None:
            raise self._failure()
        return arg

    def splice(self, dest, source):
        """Moves all operations of one block to the end of another."""
        check(tir, tir.tir_block_splice(dest, source))

    def erase(self, op):
        check(tir, tir.tir_op_erase(op))

    def replace_uses(self, value, other):
        check(tir, tir.tir_value_replace_uses(value, other))

    def set_attr(self, op, name, attr):
        check(tir, tir.tir_op_set_attr(op, name, attr))

    def set_arg_attr(self, func, i, name, attr):
        check(tir, tir.tir_func_set_arg_attr(func, i, name, attr))

    def func_arg(self, func, i):
        return tir.tir_func_arg(func, i)

    def func_entry(self, func):
        return tir.tir_func_entry(func)

    def move_argument_hints(self, op, other, block, other_block, replaced):
        """Facts about arguments of a block stand at its operation, with the argument's number in the name
        ("tt.divisibility_arg1"). Puts those of one loop to another whose block has `replaced` in their place."""
        count = tir.tir_block_num_args(other_block)
        places = {tir.tir_block_arg(other_block, i): i for i in range(count)}
        for i in range(tir.tir_op_num_attrs(op)):
            name, _, number = tir.tir_op_attr_name(op, i).rpartition("_arg")
            if name and number.isdigit():
                argument = tir.tir_block_arg(block, int(number))
                place = places.get(replaced.get(argument))
                if place is not None:
                    self.set_attr(other, f"{name}_arg{place}", tir.tir_op_attr_at(op, i))

    # ---- insertion point

    def block(self):
        """The block that operations go to."""
        return tir.tir_builder_block(self.raw)

    def at_end(self, block):
        if tir.tir_builder_at_end(self.raw, block):
            raise self._failure()

    def before(self, op):
        self._done(tir.tir_builder_before(self.raw, op))

    def after(self, op):
        self._done(tir.tir_builder_after(self.raw, op))

    def enter(self, op, i=0):
        """Goes to the end of the first block of region `i`; leave() comes back."""
        self._done(tir.tir_builder_enter(self.raw, op, i))

    def leave(self):
        self._done(tir.tir_builder_leave(self.raw))

    # ---- locations and names

    def loc_file(self, path, line, column):
        return tir.tir_loc_file(self.context, path, line, column)

    def loc_name(self, name, child=None):
        return tir.tir_loc_name(self.context, name, child)

    def loc_callsite(self, callee, caller):
        return tir.tir_loc_callsite(callee, caller)

    def set_loc(self, loc):
        self._done(tir.tir_builder_set_loc(self.raw, loc))

    def set_value_name(self, value, name):
        """Names a value, and the location of its operation after it."""
        op = tir.tir_value_op(value)
        if op is not None:
            tir.tir_op_set_loc(op, tir.tir_loc_name(self.context, name, tir.tir_op_loc(op)))
            if tir.tir_value_index(value):  # the first result's name is that of the group
                value = tir.tir_op_result(op, 0)
        tir.tir_value_set_name(value, name)

    def copy_value_name(self, value, other):
        """Names `other` as `value` is named."""
        name = tir.tir_value_name(value)
        if name:
            tir.tir_value_set_name(other, name)

    def name_results(self, op, names):
        """Names the results of an operation after several variables; the last one is shown for the group."""
        loc = tir.tir_op_loc(op)
        for name in names:
            loc = tir.tir_loc_name(self.context, name, loc)
        tir.tir_op_set_loc(op, loc)
        tir.tir_value_set_name(tir.tir_op_result(op, 0), names[-1])

    # ---- types

    def _type(self, handle):
        if handle is None:
            raise _errors.from_status(1, tir.tir_last_message(), "tir")
        return handle

    def type_none(self):
        return tir.tir_type_none(self.context)

    def type_index(self):
        return tir.tir_type_index(self.context)

    def type_int(self, width, sign=0):
        key = (width, sign)
        ty = self._ints.get(key)
        if ty is None:
            ty = self._ints[key] = self._type(tir.tir_type_int(self.context, width, sign))
        return ty

    def type_float(self, kind):
        return self._type(tir.tir_type_float(self.context, kind))

    def type_ptr(self, pointee, space=1):
        return self._type(tir.tir_type_ptr(pointee, space))

    def type_tensor(self, element, shape, encoding=None):
        return self._type(tir.tir_type_tensor(element, len(shape), list(shape), encoding))

    def type_tensor_desc(self, element, shape, layout=None):
        return self._type(tir.tir_type_tensor_desc(element, len(shape), list(shape), layout))

    def type_function(self, inputs, results):
        return self._type(tir.tir_type_function(self.context, len(inputs), list(inputs), len(results), list(results)))

    def type_parse(self, text):
        return self._type(tir.tir_type_parse(self.context, text, None))

    # ---- attributes

    def attr_unit(self):
        return tir.tir_attr_unit(self.context)

    def attr_bool(self, value):
        return tir.tir_attr_bool(self.context, int(bool(value)))

    def attr_int(self, value, width=32):
        return self._type(tir.tir_attr_int(self.type_int(width), value))

    def attr_float(self, ty, value):
        return self._type(tir.tir_attr_float(ty, value))

    def attr_string(self, text):
        return self._type(tir.tir_attr_string(self.context, text, None))

    def attr_type(self, ty):
        return tir.tir_attr_type(ty)

    def attr_array(self, items):
        return self._type(tir.tir_attr_array(self.context, len(items), list(items)))

    def attr_dense(self, ty, bits):
        """Constant tile; one entry of bits per element."""
        return self._type(tir.tir_attr_dense(ty, len(bits), list(bits)))

    def attr_splat(self, ty, bits):
        return self._type(tir.tir_attr_splat(ty, bits))

    def attr_dense_array(self, element, values):
        return self._type(tir.tir_attr_dense_array(element, len(values), list(values)))

    def attr_parse(self, text):
        """From its text in a module ("#tt.cache_policy<…>", "16 : i32")."""
        return self._type(tir.tir_attr_parse(self.context, text, None))

    # ---- whole modules

    def module_body(self):
        """The block of the functions."""
        return tir.tir_module_body(self.module.handle)

    def has_function(self, name):
        return tir.tir_module_find_function(self.module.handle, name) is not None

    def verify(self):
        self.module.verify()

    def text(self, **how):
        return self.module.text(**how)

    def bytecode(self, debug=True):
        return self.module.bytecode(debug)

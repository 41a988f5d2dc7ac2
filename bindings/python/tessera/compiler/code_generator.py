# SPDX-License-Identifier: MIT
"""From the syntax tree of a jit function to IR.

A `CodeGenerator` builds one function; functions that it calls get generators of their own, and share with it what
belongs to the compilation (`_Unit`). Handlers of syntax nodes stand in `_expressions` and `_statements`; here are
names, places, functions and calls.
"""
import ast
import math
from types import MethodType, ModuleType

from ..language.base import base_value, constexpr, constexpr_type, is_builtin
from ..language.semantic import TritonSemantic
from ..language.types import dtype, str_to_ty, tuple_type
from ..language.values import static_range, tensor
from ..language.values import tuple as tl_tuple
from ..runtime.jit import ConstexprFunction, JITCallable, JITFunction
from ._expressions import Expressions
from ._statements import Statements
from ._values import (ABSENT, BoundJITMethod, flatten, ir_types, is_constexpr_like, is_namedtuple_class, is_non_scalar,
                      normalize, unflatten, unwrap)
from .builder import Builder, Module
from .errors import (CompilationError, CompileTimeAssertionFailure, InvalidModule, UnsupportedLanguageConstruct,
                     VerifyError, debugging, filter_traceback, knob)

_OWN_MODULES = ("tessera.language", "tessera.experimental", "triton.language", "triton.experimental")


class _Unit:
    """What the functions of one compilation share."""

    def __init__(self, options, codegen_fns, module_map, module=None):
        self.builder = Builder(module, options)
        self.builder.codegen_fns = codegen_fns or {}
        self.builder.module_map = self.module_map = module_map or {}
        self.semantic = TritonSemantic(self.builder)
        self.functions = {}  # (symbol, function, jit functions among its arguments) -> [operation, type of result]
        self.loc_key = self.loc = None
        self.any_global = knob("allow_non_constexpr_globals", "TRITON_ALLOW_NON_CONSTEXPR_GLOBALS")
        self.debugging = debugging()


class _Facts:
    """What is the same for every use of a jit function; made once per version of its source."""

    def __init__(self, fn):
        self.tree = fn.parse()
        self.node = self.tree.body[0]
        self.src = fn.src
        self.file_name = getattr(fn, "file_name", None) or fn.fn.__code__.co_filename
        self.line = fn.def_line - 1          # what is added to line numbers of the tree
        self.column = fn.def_column + 1      # and to columns: those of locations begin at 1
        self.params = fn.params
        self.names = [p.name for p in self.params]
        self.plain = not any(p.is_varargs or p.is_keyword_only for p in self.params)
        self.defaults = {p.name: p.default for p in self.params if p.has_default}
        self.symbol = fn._fn_name
        self.refused = next((p for p in self.params if p.is_constexpr and
                             (p.do_not_specialize or p.do_not_specialize_on_alignment)), None)


def _facts(fn):
    facts = fn.__dict__.get("_front_end")
    if facts is None or facts.tree is not fn.parse():
        facts = fn._front_end = _Facts(fn)
    return facts


class CodeGenerator(Expressions, Statements):
    """Builds one function. Builtins of the language get it as `_generator`."""

    def __init__(self, unit, jit_fn, symbol, is_kernel=False):
        self.unit = unit
        self.builder, self.semantic = unit.builder, unit.semantic
        self.jit_fn, self.facts = jit_fn, _facts(jit_fn)
        self.symbol, self.is_kernel = symbol, is_kernel
        self.file_name, self.begin_line, self.begin_col = self.facts.file_name, self.facts.line, self.facts.column
        self.globals = jit_fn.__globals__
        self.nonlocals = jit_fn.nonlocals
        self.known_globals = {}
        self.lscope, self.local_defs, self.pending_annotations = {}, {}, {}
        self.prefix = None     # the variable that is assigned to: operations are named after it
        self.scf_depth = 0     # loops around
        self.dead = False      # behind a return
        self.dead_names = ()
        self.returns = []      # (value, block, location)
        self.fn = self.ret_type = self.cur_node = None

    # ---- walking

    def visit(self, node):
        handler = _HANDLERS.get(node.__class__)
        if handler is None:
            raise self.unsupported(node, f"unsupported AST node type: {type(node).__name__}")
        try:
            return handler(self, node)
        except CompilationError:
            raise
        except Exception as error:
            if self.unit.debugging:
                raise
            raise self.located(CompilationError(self.facts.src, node, repr(error)), node) from None

    def located(self, error, node):
        """With a note of the file and its line: an error's own text counts from the function's first line."""
        if getattr(node, "lineno", None) is not None:
            error.add_note(f"{self.file_name}:{self.begin_line + node.lineno}, in {self.jit_fn.__name__}")
        return error

    def unsupported(self, node, message):
        return self.located(UnsupportedLanguageConstruct(self.facts.src, node, message), node)

    def failed_in_call(self, node, error):
        """The error for one that came out of a function of the language called at `node`."""
        if self.unit.debugging:
            return error
        return self.located(CompilationError(self.facts.src, node, str(error)), node)

    # ---- places

    @property
    def loc(self):
        return self.unit.loc

    def set_loc(self, loc):
        self.unit.loc_key, self.unit.loc = None, loc
        self.builder.set_loc(loc)

    def at(self, node):
        """The operations that follow come from `node`, and are named after the variable being assigned."""
        unit = self.unit
        key = (self.file_name, self.begin_line + node.lineno, self.begin_col + node.col_offset, self.prefix)
        if key == unit.loc_key:
            return
        b = self.builder
        loc = b.loc_file(*key[:3])
        if self.prefix is not None:
            loc = b.loc_name(self.prefix, loc)
        unit.loc_key, unit.loc = key, loc
        b.set_loc(loc)

    # ---- names

    def lookup(self, name):
        """A name's value: a local one, one from outside that kernels may use, or one of the few of Python."""
        value = self.lscope.get(name, ABSENT)
        if value is ABSENT:
            value = self.known_globals.get(name, ABSENT)
            if value is ABSENT:
                value = self.known_globals[name] = self._lookup_outside(name)
        return value

    def _lookup_outside(self, name):
        value = self.nonlocals.get(name, ABSENT)
        if value is ABSENT:
            value = self.globals.get(name, ABSENT)
        if value is ABSENT:
            value = _builtins().get(name, ABSENT)
            if value is ABSENT:
                raise NameError(f"{name} is not defined")
            return value
        module_map = self.unit.module_map
        if module_map:
            if isinstance(value, ModuleType):
                return module_map.get(value.__name__, value)
            other = module_map.get(getattr(value, "__module__", None))
            if other is not None:
                value = getattr(other, value.__name__)
        if self._usable_global(name, value):
            return value
        raise NameError(f"Cannot access global variable {name} from within @jit'ed function. Kernels can use variables "
                        f"of outer scopes only if they are compile-time values made by `{name} = "
                        "triton.language.constexpr(...)`; an annotation `: triton.language.constexpr` does not make "
                        "them so. TRITON_ALLOW_NON_CONSTEXPR_GLOBALS=1 lifts the rule.")

    def _usable_global(self, name, value):
        if is_constexpr_like(value) or isinstance(value, ModuleType) or name in _builtins() or self.unit.any_global:
            return True
        if getattr(value, "__triton_builtin__", False) or getattr(value, "__triton_aggregate__", False):
            return True
        module = getattr(value, "__module__", None)
        return isinstance(module, str) and module.startswith(_OWN_MODULES) or is_namedtuple_class(value)

    # ---- functions

    def cast(self, value, ty):
        """A value of the kernel in another type, as `value.to(ty)`."""
        return value if value.type is ty else value.to(ty, _semantic=self.semantic)

    def generate(self, arg_types, attrs=()):
        """Builds the function for arguments of those types. attrs: {path of an argument: [(name, value)]}."""
        try:
            self._generate(arg_types, attrs)
        except CompilationError:
            raise
        except Exception as error:
            if self.unit.debugging:
                raise
            raise CompilationError(self.facts.src, self.facts.node, repr(error)) from None
        return self.ret_type

    def _generate(self, arg_types, attrs):
        facts, b, node = self.facts, self.builder, self.facts.node
        if facts.refused is not None:
            arg = next(a for a in node.args.args + node.args.kwonlyargs if a.arg == facts.refused.name)
            raise CompilationError(facts.src, arg, f"{arg.arg} marked as constexpr and listed in do_not_specialize/"
                                                   "do_not_specialize_on_alignment. Remove constexpr designation to "
                                                   "skip specialization.")
        self.at(node)
        self.loc_of_function = self.loc
        b.at_end(b.module_body())
        b.next_attr("noinline", b.attr_bool(self.jit_fn.noinline))
        # The result types are known at the end; the arguments come one by one, each at a place of its name.
        self.fn = b.tt_func(self.symbol, b.type_function([], []), "public" if self.is_kernel else "private")
        entry = b.func_entry(self.fn)
        inputs, places = [], []
        for i, (name, ty) in enumerate(zip(facts.names, arg_types)):
            self._arguments(ty, name, (i,), attrs, inputs, places)
        handles = []
        for name, ty in inputs:
            b.set_loc(b.loc_name(name, self.loc_of_function))
            handle = b.add_arg(entry, ty)
            b.set_value_name(handle, name)
            handles.append(handle)
        self.set_loc(self.loc_of_function)
        self.input_types = [ty for _, ty in inputs]
        for name, value in zip(facts.names, unflatten(handles, arg_types)):
            if value.__class__ is not tensor:
                value._set_name(b, name)
            self.set_value(name, value)
        b.at_end(entry)
        self.visit_block(node.body)
        self._finish(node)
        for i, name, value in places:
            b.set_arg_attr(self.fn, i, name, b.attr_int(value, 32) if isinstance(value, int) else b.attr_string(value))

    def _arguments(self, ty, name, path, attrs, inputs, places):
        """Appends (name, IR type) of an argument's values to `inputs`, (number, name, value) of attributes to
        `places`."""
        if isinstance(ty, tuple_type):
            parts = ty.fields or range(len(ty.types))
            for i, (part, item) in enumerate(zip(parts, ty.types)):
                self._arguments(item, f"{name}.{part}", (*path, i), attrs, inputs, places)
            return
        if attrs:
            for attr, value in attrs.get(path, ()):
                places.append((len(inputs), attr, value))
        types = []
        ty._flatten_ir_types(self.builder, types)
        inputs.extend((name, t) for t in types)

    def _finish(self, node):
        """Returns, and with them the function's type."""
        b = self.builder
        ret_type = self.ret_type = self._return_type()
        results = ir_types(b, [ret_type])
        for value, block, loc in self.returns:
            b.at_end(block)
            self.set_loc(loc)
            b.tt_return(flatten([self._cast_result(value, ret_type)]))
        if not self.dead:
            b.at_end(self.last_block)
            self.set_loc(self.loc_of_function)
            b.tt_return([b.ub_poison(ty) for ty in results])
        b.set_attr(self.fn, "function_type", b.attr_type(b.type_function(self.input_types, results)))

    def _return_type(self):
        self.last_block = self.builder.block()
        self.set_loc(self.loc_of_function)
        if not self.returns:
            return constexpr_type(None)
        types = [value.type for value, _, _ in self.returns]

        def mismatch(a, b):
            return TypeError(f"Return type mismatch: {a} and {b}. Note all return types were: {types}")

        def common(a, b):
            if isinstance(a, tuple_type):
                if not isinstance(b, tuple_type) or a.fields != b.fields or len(a.types) != len(b.types):
                    raise mismatch(a, b)
                return tuple_type([common(x, y) for x, y in zip(a.types, b.types)], a.fields)
            if isinstance(a, constexpr_type) or isinstance(b, constexpr_type):
                if a == b and not _zeros_of_other_sign(a.value, b.value):
                    return a
                a, b = self._variable_type(a), self._variable_type(b)
            if not a == b:
                raise mismatch(a, b)
            return a

        result = types[0]
        for ty in types[1:]:
            result = common(result, ty)
        return result

    def _variable_type(self, ty):
        return self.semantic.to_tensor_type(ty) if isinstance(ty, constexpr_type) else ty

    def _cast_result(self, value, ty):
        if value.type == ty:
            return value
        if isinstance(value, tl_tuple) and isinstance(ty, tuple_type):
            return tl_tuple([self._cast_result(v, t) for v, t in zip(value.values, ty.types)], ty)
        if isinstance(value, constexpr) and not isinstance(ty, constexpr_type):
            return self.semantic.scalar_constant(value.value, ty)
        raise TypeError(f"Return type mismatch {value.type} and {ty}")

    # ---- calls

    def visit_Call(self, node):
        fn = self.visit(node.func)
        if fn.__class__ is constexpr:
            fn = fn.value
        static = _static_function(fn)
        if static is not None:
            return static(self, node)
        keywords = {}  # before the others, as Triton does it
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.unsupported(node, "arguments by ** are not supported")
            keywords[keyword.arg] = self.visit(keyword.value)
        args = []
        for arg in node.args:
            if arg.__class__ is ast.Starred:
                items = unwrap(self.visit(arg.value))
                if isinstance(items, (tuple, list)):
                    items = [normalize(item) for item in items]
                elif not isinstance(items, tl_tuple):
                    raise TypeError(f"argument after * must be a tuple, not {type(items).__name__}")
                args.extend(items)
            else:
                args.append(self.visit(arg))
        return self.call(node, fn, args, keywords)

    def call(self, node, fn, args, keywords):
        """Calls what a kernel can call: jit functions, functions of the language, Python's on compile-time values."""
        if fn.__class__ is BoundJITMethod or (fn.__class__ is MethodType and isinstance(fn.__func__, JITCallable)):
            args.insert(0, fn.__self__)
            fn = fn.__func__
        if getattr(node, "_is_unused", False):
            self._check_unused(node, fn)
        if isinstance(fn, JITFunction):
            if fn.noinline:
                for name, arg in zip(_facts(fn).names, args):
                    if is_non_scalar(arg):
                        raise self.unsupported(node, f"{fn.__name__} is noinline and takes scalars only, got a tile "
                                                     f"for argument {name}: {arg}")
            self.cur_node = node
            return self.call_JitFunction(fn, args, keywords)
        extra = self._language_arguments(fn)
        if extra is not None:
            self.cur_node = node
            self.at(node)
            try:
                result = fn(*args, **extra, **keywords)
            except Exception as error:
                raise self.failed_in_call(node, error) from error
            return tl_tuple(result) if isinstance(result, tuple) else result
        if id(fn) in _builtin_ids() or hasattr(fn, "__self__"):
            args = map(unwrap, args)
        return normalize(fn(*args, **keywords))

    def _language_arguments(self, fn):
        """`_semantic` and `_generator` as a function of the language wants them; None for others."""
        if is_builtin(fn):
            known = getattr(fn, "_wants_generator", None)
            if known is None:  # marked so by hand: an aggregate's class, a function of an extension
                return self._wanted_arguments(fn)
            if known:
                return {"_semantic": self.semantic, "_generator": self}
            return {"_semantic": self.semantic}
        if isinstance(fn, ConstexprFunction):
            return {"_semantic": self.semantic}
        return self._wanted_arguments(fn) if isinstance(getattr(fn, "__self__", None), base_value) else None

    def _wanted_arguments(self, fn):
        return {name: value for name, value in (("_semantic", self.semantic), ("_generator", self)) if _takes(fn, name)}

    def _check_unused(self, node, fn):
        must = getattr(fn, "_must_use_result", False)
        if must:
            words = f"The result of {ast.unparse(node.func)} is not being used."
            raise CompilationError(self.facts.src, node, f"{words} {must}" if isinstance(must, str) else words)

    def call_JitFunction(self, fn, args, kwargs, caller_context=None):
        """Calls a jit function; its body is built for these types and compile-time values when first needed."""
        args = self._bind(fn, args, kwargs)
        types = [arg.type for arg in args]
        symbol = mangle(_facts(fn).symbol, types)
        constants = []
        for arg in args:
            _functions_within(arg, constants)
        functions = self.unit.functions
        key = (symbol, fn, tuple(constants))
        entry = functions.get(key)
        b, node = self.builder, self.cur_node
        if entry is None:
            entry = functions[key] = [None, None]
            taken = sum(1 for other in functions if other[0] == symbol) - 1
            if taken:  # another function, or other functions as arguments, under the same name
                symbol = f"{symbol}__{taken}"
            place, loc, key = b.block(), self.unit.loc, self.unit.loc_key
            generator = CodeGenerator(self.unit, fn, symbol)
            try:
                entry[1] = generator.generate(types)
            except Exception as error:
                if self.unit.debugging:
                    raise
                raise self.located(CompilationError(self.facts.src, node, None), node) from error
            entry[0] = symbol
            b.at_end(place)
            self.set_loc(loc)
            self.unit.loc_key = key
        elif entry[0] is None:
            raise self.located(CompilationError(self.facts.src, node, f"recursion: {fn.__name__} is called with the types "
                                                "and compile-time values for which it is being compiled"), node)
        if node is not None:
            self.at(node)
        call = b.tt_call(flatten(args), entry[0])
        return unflatten(b.op_results(call), [entry[1]])[0]

    def _bind(self, fn, args, kwargs):
        """One argument for each parameter, in the form in which they are passed."""
        facts = _facts(fn)
        if facts.plain and len(args) <= len(facts.names):
            bound = list(args)
            rest = facts.names[len(args):]
            missing = False
            for name in rest:
                if name in kwargs:
                    bound.append(kwargs[name])
                elif name in facts.defaults:
                    bound.append(facts.defaults[name])
                else:
                    missing = True
            if not missing and not any(name not in rest for name in kwargs):
                return [normalize(arg) for arg in bound]
        bound = fn.signature.bind(*args, **kwargs)  # what is wrong is said by Python
        bound.apply_defaults()
        return [normalize(bound.arguments[name]) for name in facts.names]

    # ---- functions that are evaluated while compiling

    def static_assert(self, node):
        if not 0 < len(node.args) <= 2 or node.keywords:
            raise TypeError(f"static_assert takes one or two positional arguments and no keywords, got "
                            f"{len(node.args)} and {len(node.keywords)}")
        passed = unwrap(self.visit(node.args[0]))
        if not isinstance(passed, bool):
            raise NotImplementedError("the condition of static_assert is not known at compile time: it may use "
                                      "constexpr values only")
        if not passed:
            message = ""
            if len(node.args) == 2:
                try:
                    message = self.visit(node.args[1])
                except Exception as error:
                    message = f"<the message of this assertion raised {error!r}>"
            raise CompileTimeAssertionFailure(self.facts.src, node, unwrap(message))

    def _static(function):
        def run(self, node):
            keywords = {keyword.arg: unwrap(self.visit(keyword.value)) for keyword in node.keywords}
            return constexpr(function(*[unwrap(self.visit(arg)) for arg in node.args], **keywords))
        return run

    static_print, static_int, static_len = _static(print), _static(int), _static(len)
    del _static


_HANDLERS = {getattr(ast, name[6:]): function for cls in (Expressions, Statements, CodeGenerator)
             for name, function in vars(cls).items() if name.startswith("visit_") and hasattr(ast, name[6:])}


def _nested_function(self, node):
    raise self.unsupported(node, "nested function definitions are not allowed inside a @triton.jit kernel. Move the "
                                 "helper function to module level and decorate it with @triton.jit.")


_HANDLERS[ast.FunctionDef] = _nested_function

# ---- Python's functions in kernels

_namespace = {}
_namespace_ids = frozenset()
_static_functions = {}


def _builtins():
    """Names of Python that kernels can use."""
    global _namespace_ids
    if not _namespace:
        from ..language import core
        names = {fn.__name__: fn for fn in (len, list, range, float, int, isinstance, getattr, hasattr)}
        names.update(print=core.device_print, min=core.builtin_min, max=core.builtin_max)
        _static_functions.update({id(core.static_assert): CodeGenerator.static_assert,
                                  id(core.static_print): CodeGenerator.static_print,
                                  id(int): CodeGenerator.static_int, id(len): CodeGenerator.static_len})
        _namespace_ids = frozenset(id(fn) for fn in names.values())
        _namespace.update(names)
    return _namespace


def _builtin_ids():
    _builtins()
    return _namespace_ids


def _static_function(fn):
    if not _static_functions:
        _builtins()
    return _static_functions.get(id(fn))


_parameters = {}


def _takes(method, name):
    """Does a function, method or class have a parameter of that name?"""
    function = getattr(method, "__func__", method)
    code = getattr(function, "__code__", None)
    if code is not None:
        return name in code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    key = (function, name)
    if key not in _parameters:
        import inspect
        try:
            _parameters[key] = name in inspect.signature(function).parameters
        except (TypeError, ValueError):
            _parameters[key] = False
    return _parameters[key]


# ---- symbols

def mangle(name, types):
    """The symbol of a function for arguments of those types."""
    text = "_".join([ty.mangle() for ty in types])
    if "'" in text or "[" in text:
        text = text.replace("'", "_sq_").replace("[", "_").replace("]", "_")
    return f"{name}__{text}"


def _functions_within(value, out):
    """Functions among an argument's compile-time values: two of them may have the same name."""
    if isinstance(value, constexpr):
        if isinstance(value.value, JITCallable):
            out.append(value.value)
        elif isinstance(value.value, (tuple, list)):
            for item in value.value:
                _functions_within(item if isinstance(item, base_value) else constexpr(item), out)
    elif isinstance(value, tl_tuple):
        for item in value.values:
            _functions_within(item if isinstance(item, base_value) else constexpr(item), out)


def _zeros_of_other_sign(x, y):
    return isinstance(x, float) and isinstance(y, float) and math.copysign(1, x) != math.copysign(1, y)


# ---- entrances

def _constexpr_type(value):
    if isinstance(value, tuple):
        return tuple_type([_constexpr_type(item) for item in value], getattr(value, "_fields", None))
    return constexpr(value).type


def _argument_types(fn, signature, constants):
    """Type of each parameter: that of the signature, with compile-time values put in at their paths."""
    names = fn.arg_names
    types = [None] * len(names)
    for name, text in signature.items():
        if name not in names:
            raise ValueError(f"the signature names '{name}', which is no parameter of {fn.__name__} "
                             f"({', '.join(names)})")
        types[names.index(name)] = _mutable(str_to_ty(text, None))
    for path, value in constants.items():
        place = types
        for index in path[:-1]:
            place = place[index] if place is types else place.types[index]
        (types if place is types else place.types)[path[-1]] = _constexpr_type(value)
    for name, ty in zip(names, types):
        if ty is None:
            raise TypeError(f"{fn.__name__}: the parameter '{name}' is neither in the signature nor among the "
                            "compile-time values")
    return types


def _mutable(ty):
    if isinstance(ty, tuple_type):
        ty.types = [_mutable(item) for item in ty.types]
    return ty


def _kernel_name(fn, signature, constants):
    from collections import namedtuple
    values = {fn.arg_names[path[0]]: value for path, value in constants.items() if len(path) == 1}
    proxy = namedtuple("SpecializationProxy", ["constants", "signature"])(values, signature)
    name = fn.repr(proxy)
    name = name[name.rfind(".") + 1:]
    if not name.isidentifier() or not name.isascii():
        raise CompilationError(None, None, f"invalid function identifier: {name}")
    return name


def generate(jit_fn, signature, constexprs=None, attrs=None, options=None, codegen_fns=None, module_map=None,
             module=None):
    """The module for a kernel: a `Module`, verified.

    signature: {parameter: type ("*fp32", "i32", tuples of those, "constexpr")}; constexprs: {parameter or path: value};
    attrs: {path: [(attribute, value)]}; module: a `Module` to build into."""
    constants = {}
    names = jit_fn.arg_names
    for key, value in (constexprs or {}).items():
        path = (names.index(key),) if isinstance(key, str) else key if isinstance(key, tuple) else (key,)
        constants[path] = value
    unit = _Unit(options, codegen_fns, module_map, module)
    try:
        types = _argument_types(jit_fn, signature, constants)
        generator = CodeGenerator(unit, jit_fn, _kernel_name(jit_fn, signature, constants), is_kernel=True)
        generator.generate(types, {tuple(k) if isinstance(k, (list, tuple)) else (k,): v
                                   for k, v in (attrs or {}).items()})
        module = unit.builder.module
        try:
            module.verify()
        except VerifyError as error:
            raise InvalidModule(f"error encountered during parsing: {error}", error.status, error.library) from None
        return module
    except CompilationError as error:
        if not unit.debugging:
            filter_traceback(error)
        raise
    finally:
        unit.builder.close()


def ast_to_ttir(fn, src, context=None, options=None, codegen_fns=None, module_map=None, module=None):
    """As `generate`, from an ASTSource. `context` is Triton's parameter: here each module has a context of its own."""
    return generate(fn, src.signature, src.constants, src.attrs, options, codegen_fns, module_map, module)


__all__ = ["CodeGenerator", "ast_to_ttir", "generate", "mangle", "Module", "dtype", "static_range", "tensor"]

# SPDX-License-Identifier: MIT
"""Kernels that do not compile: the class of the error, the place, the caret, the chain of callers, the reason."""
import pickle
import traceback
import unittest

import tessera
from frontend_support import Case, CompilationError, JITFunction, aggregate, constexpr_function, ir, jit, module_of, tl
from tessera.compiler.errors import CompileTimeAssertionFailure, UnsupportedLanguageConstruct

NUMBER = 42
ANNOTATED: tl.constexpr = 42
I32 = {"n": "i32"}


def plain_python(x):
    return x


@jit
def undefined():
    xyz  # noqa: F821


@jit
def middle(x):
    # a line
    undefined()


@jit
def two_types(x):
    if x > 0:
        return tl.arange(0, 4)
    else:
        return tl.arange(0, 8)


@jit
def endless(x):
    return endless(x)


@jit
def ping(x):
    return pong(x) + 1


@jit
def pong(x):
    return ping(x)


@jit
def takes_two(a, b):
    return a + b


class Places(Case):
    def test_source_and_caret(self):
        @jit
        def kernel(n):
            a = n + 1
            b = a + missing  # noqa: F821
        error = self.refused(kernel, "missing is not defined", I32)
        lines = str(error).split("\n")
        self.assertEqual(lines[0], "at 3:12:")
        self.assertEqual(lines[1:4], ["def kernel(n):", "    a = n + 1",
                                      "    b = a + missing  # noqa: F821"])
        self.assertEqual(lines[4], " " * 12 + "^")
        self.assertIn("NameError", lines[5])

    def test_long_sources_are_cut(self):
        source = "def kernel(n):\n" + "".join(f"    a{i} = n\n" for i in range(30)) + "    missing\n"
        fn = JITFunction(_from_text(source, "kernel"))
        lines = str(self.refused(fn, "not defined", I32)).split("\n")
        self.assertEqual(lines[0], "at 32:4:")
        self.assertEqual(len([line for line in lines if line.startswith("    a")]), 11)

    def test_chain_of_callers(self):
        @jit
        def kernel(n):
            middle(n)
        error = self.refused(kernel, "xyz is not defined", I32)
        chain, places = [], []
        while error is not None:
            chain.append(str(error))
            places += error.__notes__
            error = error.__cause__
        first = undefined.fn.__code__.co_firstlineno
        self.assertEqual(places[1:], [f"{__file__}:{middle.fn.__code__.co_firstlineno + 3}, in middle",
                                      f"{__file__}:{first + 2}, in undefined"])
        self.assertEqual([text.split("\n")[0] for text in chain], ["at 2:4:", "at 3:4:", "at 2:4:"])
        self.assertIn("middle(n)", chain[0])
        self.assertIn("undefined()", chain[1])
        self.assertIn("xyz", chain[2])

    def test_no_frames_of_the_compiler(self):
        @jit
        def kernel(n):
            middle(n)
        error = self.refused(kernel, "not defined", I32)
        text = "".join(traceback.format_exception(error))
        for file in ("code_generator.py", "_expressions.py", "_statements.py"):
            self.assertNotIn(file, text)

    def test_errors_of_the_language_keep_their_cause(self):
        @jit
        def kernel():
            tl.arange(2, 7)
        error = self.refused(kernel, "power of 2")
        self.assertIsInstance(error.__cause__, ValueError)
        self.assertEqual(str(error).split("\n")[0], "at 2:4:")

    def test_pickle(self):
        @jit
        def kernel(n):
            missing  # noqa: F821
        error = self.refused(kernel, "not defined", I32)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((str(copy), type(copy)), (str(error), type(error)))

    def test_a_failure_leaves_nothing_behind(self):
        @jit
        def kernel(n, BAD: tl.constexpr):
            for i in range(n):
                if n > 2:
                    n = n + (missing if BAD else 1)  # noqa: F821
        good = ir(kernel, I32, {"BAD": False})
        self.refused(kernel, "missing", I32, {"BAD": True})
        self.assertEqual(ir(kernel, I32, {"BAD": False}), good)


def _from_text(source, name):
    import linecache
    import sys
    file = f"<text of {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"__name__": __name__, "tl": tl}
    exec(compile(source, file, "exec"), space)
    sys.modules[__name__].__dict__.setdefault("_texts", []).append(space)
    return space[name]


# text of a kernel's body -> words of the error, its class (None: CompilationError itself)
UNSUPPORTED = [
    ("while n > 0:\n    break", "Break", UnsupportedLanguageConstruct),
    ("for i in range(n):\n    continue", "Continue", UnsupportedLanguageConstruct),
    ("for i in range(n):\n    pass\nelse:\n    pass", "else", UnsupportedLanguageConstruct),
    ("while n > 0:\n    n -= 1\nelse:\n    pass", "else", UnsupportedLanguageConstruct),
    ("try:\n    pass\nexcept ValueError:\n    pass", "Try", UnsupportedLanguageConstruct),
    ("raise ValueError", "Raise", UnsupportedLanguageConstruct),
    ("while (m := n - 1) > 0:\n    n = m", "m is bound in the condition", UnsupportedLanguageConstruct),
    ("x = lambda a: a", "Lambda", UnsupportedLanguageConstruct),
    ("x = {1: 2}", "Dict", UnsupportedLanguageConstruct),
    ("x = {1, 2}", "Set", UnsupportedLanguageConstruct),
    ("import math", "Import", UnsupportedLanguageConstruct),
    ("global NUMBER", "Global", UnsupportedLanguageConstruct),
    ("del n", "Delete", UnsupportedLanguageConstruct),
    ("yield n", "Yield", UnsupportedLanguageConstruct),
    ("x = n @ n", "MatMult", UnsupportedLanguageConstruct),
    ("x = n in (n, 1)", "'In'", UnsupportedLanguageConstruct),
    ("x = n ** 2", "unsupported operand type(s) for **: 'tensor' and 'int'", UnsupportedLanguageConstruct),
    ("def f(a):\n    return a", "nested function definitions", UnsupportedLanguageConstruct),
    ("for i in range(n):\n    if n > 1:\n        return", "Cannot have `return`", UnsupportedLanguageConstruct),
    ("while n > 3:\n    return", "Cannot have `return`", UnsupportedLanguageConstruct),
    ("for i in (1, 2):\n    pass", "a call of `range` or `static_range`, got `(1, 2)`", None),
    ("for i in enumerate(n):\n    pass", "enumerate is not defined", None),
    ("if tl.arange(0, 4) > 2:\n    pass", "a condition is a single value", UnsupportedLanguageConstruct),
    ("x = 'text'", "cannot convert text", None),
    ("if 'text':\n    pass", "the condition of `if`", UnsupportedLanguageConstruct),
    ("n[0] = 1", "__setitem__", None),
    ("n.shape = 1", "Attribute assignment", None),
    ("n.shape += 1", "Attribute assignment", None),
    ("a, b = 1, 2, 3", "too many values to unpack (expected 2)", None),
    ("a, b, c = 1, 2", "not enough values to unpack (expected 3, got 2)", None),
    ("a, *b = 1, 2", "starred assignment targets", None),
    ("a, b = n", "cannot unpack", None),
    ("x = f'{n}'", "f-string", UnsupportedLanguageConstruct),
    ("x = [v for v in n]", "a comprehension runs over a tuple", None),
    ("x = NUMBER", "Cannot access global variable NUMBER", None),
    ("x = ANNOTATED", "Cannot access global variable ANNOTATED", None),
    ("x = plain_python(n)", "Cannot access global variable plain_python", None),
    ("x: tl.constexpr = 1\nx: tl.constexpr = 2", "constexpr cannot be reassigned", None),
    ("x: tl.constexpr = 1\nfor i in range(n):\n    x = n", "changed type", None),
    ("x = 1\nfor i in range(n):\n    x = 1.5", "re-assigned to fp32 in loop", None),
    ("x = 1\nfor i in range(n):\n    x = None", "cannot reassign", None),
    ("x = 1\nif n > 1:\n    x = 1.5", "then block redefines it", None),
    ("if n > 1:\n    y = 1\nelse:\n    y = 1.5", "Mismatched type for y", None),
    ("if n > 1:\n    y = 1\nx = y", "y is not defined", None),
    ("x = 1 if n > 1 else 1.5", "inconsistent types", None),
    ("for i in range(1.5):\n    pass", "bounds and step of a loop are integers", None),
    ("for i in range(tl.arange(0, 4)):\n    pass", "must be a scalar", None),
    ("for i in tl.static_range(n):\n    pass", "not a constexpr", None),
    ("tl.static_assert(n > 1)", "is not known at compile time", None),
    ("tl.static_assert(1 == 2, 'no such luck')", "no such luck", CompileTimeAssertionFailure),
    ("tl.static_assert(False)", "at 2:4", CompileTimeAssertionFailure),
    ("tl.static_assert()", "one or two positional arguments", None),
    ("takes_two(n)", "missing a required argument: 'b'", None),
    ("takes_two(n, 1, 2)", "too many positional arguments", None),
    ("takes_two(n, 1, c=2)", "unexpected keyword argument 'c'", None),
    ("takes_two(**n)", "**", UnsupportedLanguageConstruct),
    ("takes_two(*n)", "must be a tuple", None),
    ("endless(n)", "recursion", None),
    ("ping(n)", "recursion", None),
    ("two_types(n)", "Return type mismatch", None),
    ("tl.load(n, no_such=1)", "no_such", None),
    ("tl.no_such_function(n)", "no_such_function", None),
    ("1 / 0", "division by zero", None),
    ("1.0 << 1", "<<", None),
    ("0 + 'a'", "unsupported operand", None),
    ("-(0, 0)", "unary operator", UnsupportedLanguageConstruct),
    ("n()", "not callable", None),
]


class Unsupported(Case):
    def test_all(self):
        for body, words, kind in UNSUPPORTED:
            with self.subTest(body=body):
                source = "def kernel(n):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
                fn = _from_text(source, "kernel")
                fn.__globals__.update(NUMBER=NUMBER, ANNOTATED=ANNOTATED, plain_python=plain_python,
                                      takes_two=takes_two, endless=endless, ping=ping, two_types=two_types)
                error = self.refused(JITFunction(fn), words, I32)
                if kind is not None:
                    self.assertIsInstance(error, kind)
                else:
                    self.assertIs(type(error), CompilationError)
                self.assertIn("at ", str(error))


@aggregate
class Holder:
    value: tl.tensor

    @tl.core.must_use_result("Keep it.")
    @jit
    def get(self):
        return self.value


@tl.core.must_use_result
@jit
def useful(x):
    return x


def _noinline(fn):
    return JITFunction(fn, noinline=True)


@_noinline
def outlined(x):
    return x


class Rules(Case):
    def test_results_that_must_be_used(self):
        @jit
        def drops(n):
            useful(n)

        @jit
        def drops_method(n):
            h = Holder(n)
            h.get()

        @jit
        def keeps(n):
            h = Holder(n)
            n = useful(h.get())
        error = self.refused(drops, "The result of useful is not being used.", I32)
        self.assertEqual(str(error).split("\n")[-1], "The result of useful is not being used.")
        self.refused(drops_method, "The result of h.get is not being used. Keep it.", I32)
        module_of(keeps, I32).close()

    def test_aggregates_do_not_change(self):
        @jit
        def kernel(n):
            h = Holder(n)
            h.value = n
        self.refused(kernel, "Attribute assignment is not supported", I32)

    def test_noinline_takes_scalars(self):
        @jit
        def kernel():
            outlined(tl.arange(0, 4))
        self.refused(kernel, "noinline and takes scalars only, got a tile for argument x",
                     kind=UnsupportedLanguageConstruct)

    def test_constexpr_and_do_not_specialize(self):
        fn = JITFunction(_from_text("def kernel(N: tl.constexpr):\n    pass\n", "kernel"), do_not_specialize=["N"])
        self.refused(fn, "N marked as constexpr and listed in do_not_specialize", {}, {"N": 5})

    def test_a_constexpr_function_that_fails(self):
        @constexpr_function
        def fails(x):
            raise KeyError("what it said")

        @jit
        def kernel():
            x: tl.constexpr = fails(1)  # noqa: F841
        error = self.refused(kernel, "what it said")
        self.assertIsInstance(error.__cause__, KeyError)

    def test_signatures(self):
        @jit
        def kernel(a, b):
            pass
        with self.assertRaisesRegex(ValueError, "'c', which is no parameter of kernel"):
            module_of(kernel, {"a": "i32", "b": "i32", "c": "i32"})
        with self.assertRaisesRegex(KeyError, "no type of a signature"):
            module_of(kernel, {"a": "i33", "b": "i32"})

    def test_names_of_kernels(self):
        fn = JITFunction(_from_text("def kernel(n):\n    pass\n", "kernel"), repr=lambda s: "not a name")
        self.refused(fn, "invalid function identifier: not a name", I32)
        fn = JITFunction(_from_text("def kernel(n, B):\n    pass\n", "kernel"),
                         repr=lambda s: f"k_{s.signature['n']}_{s.constants['B']}")
        self.assertIn("@k_i32_4(", ir(fn, I32, {"B": 4}))

    def test_modules_that_do_not_verify(self):
        @tl.core.builtin
        def outside(x, _semantic=None):
            _semantic.builder.at_end(_semantic.builder.module_body())
            return x

        @jit
        def kernel(n):
            outside(n + 1)
        with self.assertRaisesRegex(RuntimeError, "error encountered during parsing: .*TIR-V"):
            module_of(kernel, I32)

    def test_debugging(self):
        import os
        import unittest.mock

        @jit
        def kernel(n):
            missing  # noqa: F821
        with unittest.mock.patch.dict(os.environ, {"TRITON_FRONT_END_DEBUGGING": "1"}):
            with self.assertRaises(NameError):
                module_of(kernel, I32)

    def test_builder(self):
        from tessera.compiler.builder import Builder
        b = Builder()
        i32 = b.type_int(32)
        f = b.tt_func("f", b.type_function([i32], []), "public")
        b.enter(f)
        x = b.func_arg(f, 0)
        b.set_loc(b.loc_file("k.py", 3, 4))
        with self.assertRaisesRegex(tessera.Error, r"k\.py:3:4: error: .*'tt\.splat' op"):
            b.tt_splat(x, i32)
        b.arith_addi(x, x)  # an error is said once
        with self.assertRaises(AttributeError):
            b.tt_no_such_operation
        with self.assertRaises(tessera.Error):
            b.type_tensor(i32, [0])
        with self.assertRaisesRegex(tessera.Error, "V001|terminator"):
            b.verify()
        b.close()
        with self.assertRaisesRegex(RuntimeError, "closed"):
            b.arith_addi(x, x)


if __name__ == "__main__":
    unittest.main()

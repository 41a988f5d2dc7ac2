# SPDX-License-Identifier: MIT
"""From jit functions to compiled kernels. Names load when they are first used."""

_names = {
    "compiler": ("ASTSource", "IRSource", "CompiledKernel", "LazyDict", "AsmDict", "CompileTimer", "compile",
                 "make_backend", "max_shared_mem", "GPUTarget"),
    "errors": ("CompilationError", "CompileTimeAssertionFailure", "UnsupportedLanguageConstruct"),
    "code_generator": ("CodeGenerator", "ast_to_ttir", "generate"),
    "builder": ("Builder", "Module"),
}
_where = {name: module for module, names in _names.items() for name in names}
_modules = ("builder", "code_generator", "compiler", "errors")

__all__ = list(_where)


def __getattr__(name):
    import importlib
    if name in _where:
        value = getattr(importlib.import_module("." + _where[name], __name__), name)
    elif name in _modules:
        return importlib.import_module("." + name, __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__) | set(_modules))

# SPDX-License-Identifier: MIT
"""Facts about a piece of a kernel's text that need no evaluation. Each is found once per syntax tree."""
import ast

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def assigned_names(owner):
    """Names that the body of a loop may bind: what of the live values can be carried. `owner`: ast.For, ast.While."""
    names = getattr(owner, "_assigned", None)
    if names is None:
        names = set()
        for statement in owner.body:
            _collect(statement, names)
        names = owner._assigned = frozenset(names)
    return names


def _collect(node, names):
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            names.add(node.id)
        return
    if isinstance(node, _SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, names)


def contains_return(node):
    """Is there a return statement in it, whatever the conditions around it?"""
    found = getattr(node, "_returns", None)
    if found is None:
        found = node._returns = _search_return(node)
    return found


def _search_return(node):
    for field in ("body", "orelse"):
        part = getattr(node, field, None)
        if part.__class__ is not list:
            continue
        for statement in part:
            if isinstance(statement, ast.Return):
                return True
            if isinstance(statement, ast.stmt) and not isinstance(statement, _SCOPES) and contains_return(statement):
                return True
    return False

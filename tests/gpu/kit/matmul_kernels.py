# SPDX-License-Identifier: MIT
"""The matrix product as TTIR text for any element types and orders of the operands, tiles and sizes: c = a @ b.
Rows and columns in order of their strides; the stride that is 1 is a constant, so that runs in memory are known."""

# operand type in memory, of the dot, accumulator, result, what `rand:` makes
KINDS = {
    "f16": ("f16", "f32", "f16"),
    "bf16": ("bf16", "f32", "bf16"),
    "tf32": ("f32", "f32", "f32"),
    "f32": ("f32", "f32", "f32"),
    "int8": ("i8", "i32", "i32"),
    "e4m3": ("f8E4M3FN", "f32", "f32"),
    "e5m2": ("f8E5M2", "f32", "f32"),
}
ARGUMENT = {"f8E4M3FN": "f8e4m3", "f8E5M2": "f8e5m2"}  # the command's names


def text(kind, bm, bn, bk, trans_a=False, trans_b=False, aligned=True):
    """aligned: sizes and strides are promised to be multiples of 16. trans_a: a is stored column by column (k rows of m); trans_b: b is stored column by column (n rows of k)."""
    t, acc, out = KINDS[kind]
    precision = ", inputPrecision = tf32" if kind == "tf32" else ""
    zero = "0" if t[0] == "i" else "0.000000e+00"
    zero_acc = "0" if acc[0] == "i" else "0.000000e+00"
    sixteen = " {tt.divisibility = 16 : i32}" if aligned else ""
    p = []
    add = p.append
    add("// SPDX-License-Identifier: MIT")
    add("module {")
    add(f"  tt.func public @matmul(%a: !tt.ptr<{t}>{sixteen}, %b: !tt.ptr<{t}>{sixteen}, %c: !tt.ptr<{out}>{sixteen}, "
        f"%M: i32{sixteen}, %N: i32{sixteen}, %K: i32{sixteen}, %lda: i32{sixteen}, %ldb: i32{sixteen}, %ldc: i32{sixteen}) {{")
    for name, n in (("c0", 0), ("bm", bm), ("bn", bn), ("bk", bk)):
        add(f"    %{name} = arith.constant {n} : i32")
    add(f"    %za = arith.constant dense<{zero}> : tensor<{bm}x{bk}x{t}>")
    add(f"    %zb = arith.constant dense<{zero}> : tensor<{bk}x{bn}x{t}>")
    add(f"    %zc = arith.constant dense<{zero_acc}> : tensor<{bm}x{bn}x{acc}>")
    for name, axis, size in (("m", "x", bm), ("n", "y", bn)):
        add(f"    %p{name} = tt.get_program_id {axis} : i32")
        add(f"    %s{name} = arith.muli %p{name}, %b{name} : i32")
        add(f"    %r{name} = tt.make_range {{end = {size} : i32, start = 0 : i32}} : tensor<{size}xi32>")
        add(f"    %ss{name} = tt.splat %s{name} : i32 -> tensor<{size}xi32>")
        add(f"    %o{name} = arith.addi %ss{name}, %r{name} : tensor<{size}xi32>")
    add(f"    %rk = tt.make_range {{end = {bk} : i32, start = 0 : i32}} : tensor<{bk}xi32>")

    def expand(name, of, axis, n):
        shape = f"1x{n}" if axis == 0 else f"{n}x1"
        add(f"    %{name} = tt.expand_dims %{of} {{axis = {axis} : i32}} : tensor<{n}xi32> -> tensor<{shape}xi32>")
        return shape

    def less(name, value, limit, shape):
        add(f"    %{name}l = tt.splat %{limit} : i32 -> tensor<{shape}xi32>")
        add(f"    %{name} = arith.cmpi slt, %{value}, %{name}l : tensor<{shape}xi32>")

    sm, sn = expand("om2", "om", 1, bm), expand("on2", "on", 0, bn)
    ka, kb = expand("ka", "rk", 0, bk), expand("kb", "rk", 1, bk)
    less("in_m", "om2", "M", sm)
    less("in_n", "on2", "N", sn)

    def pointers(name, base, element, rows, shape_r, cols, shape_c, rows_r, rows_c, ld, by_column):
        """base + rows * ld + cols, or base + rows + cols * ld."""
        scaled, sshape = (cols, shape_c) if by_column else (rows, shape_r)
        add(f"    %{name}ld = tt.splat %{ld} : i32 -> tensor<{sshape}xi32>")
        add(f"    %{name}sc = arith.muli %{scaled}, %{name}ld : tensor<{sshape}xi32>")
        r, c = (rows, f"{name}sc") if by_column else (f"{name}sc", cols)
        full = f"{rows_r}x{rows_c}"
        add(f"    %{name}r = tt.broadcast %{r} : tensor<{shape_r}xi32> -> tensor<{full}xi32>")
        add(f"    %{name}c = tt.broadcast %{c} : tensor<{shape_c}xi32> -> tensor<{full}xi32>")
        add(f"    %{name}o = arith.addi %{name}r, %{name}c : tensor<{full}xi32>")
        add(f"    %{name}b = tt.splat %{base} : !tt.ptr<{element}> -> tensor<{full}x!tt.ptr<{element}>>")
        add(f"    %{name} = tt.addptr %{name}b, %{name}o : tensor<{full}x!tt.ptr<{element}>>, tensor<{full}xi32>")

    pointers("pa", "a", t, "om2", sm, "ka", ka, bm, bk, "lda", trans_a)
    pointers("pb", "b", t, "kb", kb, "on2", sn, bk, bn, "ldb", trans_b)
    for name, along_k, shape in (("a", trans_a, f"{bm}x{bk}"), ("b", not trans_b, f"{bk}x{bn}")):
        if along_k:
            add(f"    %step_{name} = arith.muli %ld{name}, %bk : i32")
        add(f"    %st_{name} = tt.splat %{'step_' + name if along_k else 'bk'} : i32 -> tensor<{shape}xi32>")
    ta, tb, tc = f"tensor<{bm}x{bk}x!tt.ptr<{t}>>", f"tensor<{bk}x{bn}x!tt.ptr<{t}>>", f"tensor<{bm}x{bn}x{acc}>"
    add(f"    %loop:3 = scf.for %k = %c0 to %K step %bk iter_args(%qa = %pa, %qb = %pb, %acc = %zc) -> ({ta}, {tb}, {tc})  : i32 {{")
    add("      %left = arith.subi %K, %k : i32")
    for name, ks, kv, mask, mshape, full in (("a", ka, "ka", "in_m", sm, f"{bm}x{bk}"), ("b", kb, "kb", "in_n", sn, f"{bk}x{bn}")):
        add(f"      %l{name} = tt.splat %left : i32 -> tensor<{ks}xi32>")
        add(f"      %ik{name} = arith.cmpi slt, %{kv}, %l{name} : tensor<{ks}xi32>")
        add(f"      %ikb{name} = tt.broadcast %ik{name} : tensor<{ks}xi1> -> tensor<{full}xi1>")
        add(f"      %imb{name} = tt.broadcast %{mask} : tensor<{mshape}xi1> -> tensor<{full}xi1>")
        add(f"      %mask_{name} = arith.andi %ikb{name}, %imb{name} : tensor<{full}xi1>")
        add(f"      %t{name} = tt.load %q{name}, %mask_{name}, %z{name} : tensor<{full}x!tt.ptr<{t}>>")
    add(f"      %d = tt.dot %ta, %tb, %acc{precision} : tensor<{bm}x{bk}x{t}> * tensor<{bk}x{bn}x{t}> -> {tc}")
    add(f"      %na = tt.addptr %qa, %st_a : {ta}, tensor<{bm}x{bk}xi32>")
    add(f"      %nb = tt.addptr %qb, %st_b : {tb}, tensor<{bk}x{bn}xi32>")
    add(f"      scf.yield %na, %nb, %d : {ta}, {tb}, {tc}")
    add("    }")
    result = "loop#2"
    if acc != out:
        add(f"    %res = arith.truncf %loop#2 : {tc} to tensor<{bm}x{bn}x{out}>")
        result = "res"
    pointers("pc", "c", out, "om2", sm, "on2", sn, bm, bn, "ldc", False)
    add(f"    %cm = tt.broadcast %in_m : tensor<{sm}xi1> -> tensor<{bm}x{bn}xi1>")
    add(f"    %cn = tt.broadcast %in_n : tensor<{sn}xi1> -> tensor<{bm}x{bn}xi1>")
    add(f"    %mask_c = arith.andi %cm, %cn : tensor<{bm}x{bn}xi1>")
    add(f"    tt.store %pc, %{result}, %mask_c : tensor<{bm}x{bn}x!tt.ptr<{out}>>")
    return "\n".join(p + ["    tt.return", "  }", "}", ""])


def arguments(kind, m, n, k, bm, bn, trans_a=False, trans_b=False, aligned=True):
    """Of tessera run. Rows are longer than they need to be where the kernel does not promise sizes."""
    t, _, out = KINDS[kind]
    more = 16 if aligned else 3
    lda, ldb, ldc = (m if trans_a else k) + more, (k if trans_b else n) + more, n + more
    a = f"{k if trans_a else m}x{lda}"
    b = f"{n if trans_b else k}x{ldb}"
    s = ARGUMENT.get(t, t)
    return ["--grid", f"{-(-m // bm)},{-(-n // bn)}", f"rand:{s}[{a}]", f"rand:{s}[{b}]", f"out:{ARGUMENT.get(out, out)}[{m}x{ldc}]",
            *(f"i32:{x}" for x in (m, n, k, lda, ldb, ldc))]

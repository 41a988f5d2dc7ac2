# SPDX-License-Identifier: MIT
TITLE = "random linear layouts without a name: converted, reduced, transposed, reshaped, stored, against the interpreter"


def cases(kit, count):
    from kit import core, layout_kernels

    folder = kit.work / "layouts"
    folder.mkdir(exist_ok=True)
    made = []
    for i in range(count):
        text, args, warps, what = layout_kernels.make(kit.seed, i)
        file = folder / f"layouts_{kit.seed}_{i}.ttgir"
        file.write_text(text)
        # The file says how many warps; the option must not contradict it.
        made.append(core.Case(f"layouts {kit.seed}/{i} {what}", file, args, warps=warps, timeout=60))
    return made


def run(kit):
    kit.run_cases([c for c in cases(kit, kit.count or 200) if kit.a.only in c.name], title="kernels")
    keep_failed(kit)


def keep_failed(kit):
    """The text of the first kernels that failed goes into the log."""
    bad = [r["name"].split()[1] for r in kit.rows if r["part"] == "layouts" and r["state"] == "FAIL"]
    for name in bad[:3]:
        file = kit.work / "layouts" / f"layouts_{name.replace('/', '_')}.ttgir"
        kit.log(f"--- {file.name}\n{file.read_text()}")

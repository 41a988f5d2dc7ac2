# SPDX-License-Identifier: MIT
"""How often texts occur on standard input: TEXT=N, TEXT<=N or TEXT>=N each. A dot in TEXT is a dot; TEXT begins a word."""
import re
import sys

text = sys.stdin.read()
bad = 0 if text else 1
for condition in sys.argv[1:]:
    what, how, number = re.fullmatch(r"(.+?)(<=|>=|=)(\d+)", condition).groups()
    found = len(re.findall((r"(?<![A-Za-z0-9_])" if what[0].isalnum() else "") + re.escape(what), text))
    if not {"=": found == int(number), "<=": found <= int(number), ">=": found >= int(number)}[how]:
        print(f"'{what}' occurs {found} times, expected {how} {number}", file=sys.stderr)
        bad = 1
if not text:
    print("nothing to count in", file=sys.stderr)
if bad:
    print(text[:20000], file=sys.stderr)
sys.exit(bad)

"""Prints what came of the shared suite as a table: a row for each case, a column for each guest.

usage: matrix.py LOG   (LOG: guest TAB case TAB result, one line a cell)
"""
import sys

MARKS = {"pass": "ok", "skip": "-", "none": ".", "FAIL": "FAIL"}

cells, guests, cases = {}, [], []
for line in open(sys.argv[1], encoding="utf-8"):
    guest, case, result = line.rstrip("\n").split("\t")
    if guest not in guests:
        guests.append(guest)
    if case not in cases:
        cases.append(case)
    cells[case, guest] = MARKS[result]
if cells:
    guests.sort()
    cases.sort()
    titles = [case.replace("_", " ") for case in cases]
    left = max(map(len, titles))
    widths = [max(4, *(len(word) for word in guest.split())) for guest in guests]
    print("The shared suite, by language and client (-: not run here, reasons below; .: means nothing there):")
    for part in (0, 1):
        heads = (guest.split()[part].ljust(width) for guest, width in zip(guests, widths))
        print(" " * left, *heads, sep="  ")
    for case, title in zip(cases, titles):
        row = (cells.get((case, guest), "").ljust(width) for guest, width in zip(guests, widths))
        print(title.ljust(left), *row, sep="  ")

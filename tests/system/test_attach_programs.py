#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_programs - what an older kernel's verifier refuses is not in the BPF programs of `headroom attach`.

tests/kernels/run has them loaded by such kernels; this takes a second.
"""
import struct

import lab

SYMBOLS, FUNCTION = 2, 2  # SHT_SYMTAB, STT_FUNC
# Instructions (Documentation/bpf/standardization/instruction-set.rst of the kernel).
GOTO, CALL, EXIT, LOAD_64, MOVE, JUMP_IF_EQUAL, JUMPS = 0x05, 0x85, 0x95, 0x18, 0xb7, 0x15, (5, 6)


def functions(path):
    """{name: [(opcode, offset)]} of an object (elf(5), 64 bits, little endian)"""
    data = path.read_bytes()
    at, size, count = *struct.unpack_from("<40xQ", data), *struct.unpack_from("<58xHH", data)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * n) for n in range(count)]
    found = {}
    for section in sections:
        if section[1] != SYMBOLS:
            continue
        names = sections[section[6]][4]
        for place in range(section[4], section[4] + section[5], 24):
            name, info, _, number, value, length = struct.unpack_from("<IBBHQQ", data, place)
            if info & 15 == FUNCTION and length:
                begin = sections[number][4] + value
                text = data[names + name:data.index(b"\0", names + name)].decode()
                found[text] = [struct.unpack_from("<Bxh4x", data, begin + n) for n in range(0, length, 8)]
    return found


def fall_through_to_loop(code):
    """check_cfg() (kernel/bpf/verifier.c) before Linux 6.6: only a jump may lead back to where the walk is under way.

    Return: [(from, to)] of those that are no jump
    """
    def edges(at):
        opcode, offset = code[at]
        if opcode == EXIT:
            return []
        if opcode & 7 not in JUMPS or opcode == CALL:
            return [(at + (2 if opcode == LOAD_64 else 1), False)]
        to = (at + 1 + offset, True)
        return [to] if opcode == GOTO else [(at + 1, True), to]

    under_way, done, refused = {0}, set(), []
    stack = [(0, iter(edges(0)))]
    while stack:
        at, left = stack[-1]
        for to, is_jump in left:
            if to in done:
                continue
            if to not in under_way:
                under_way.add(to)
                stack.append((to, iter(edges(to))))
                break
            if not is_jump:
                refused.append((at, to))
        else:
            done.add(at)
            under_way.discard(at)
            stack.pop()
    return refused


def loops():
    path = lab.BUILD / "attach/attach.bpf.o"
    if not path.exists():
        raise lab.Skipped("no attaching here: this build is without it")
    found = functions(path)
    lab.equal("refused", {name: fall_through_to_loop(code) for name, code in found.items() if fall_through_to_loop(code)}, {})
    # The check itself: a loop that is entered at its middle.
    bad = [(GOTO, 1), (MOVE, 0), (JUMP_IF_EQUAL, -2), (EXIT, 0)]
    lab.equal("a bad one", fall_through_to_loop(bad), [(1, 2)])
    return f"{len(found)} functions"


lab.main([("loops", loops)])

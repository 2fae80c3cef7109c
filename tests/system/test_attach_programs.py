#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_programs - what an older kernel's verifier refuses is not in the BPF programs of `headroom attach`.

tests/kernels/run has them loaded by such kernels; this takes a second.
"""
import collections
import struct

import lab

SYMBOLS, RELOCATIONS, FUNCTION = 2, 9, 2  # SHT_SYMTAB, SHT_REL, STT_FUNC
# Instructions (Documentation/bpf/standardization/instruction-set.rst of the kernel).
GOTO, CALL, EXIT, LOAD_64, MOVE, JUMP_IF_EQUAL, JUMPS = 0x05, 0x85, 0x95, 0x18, 0xb7, 0x15, (5, 6)
COPY, ADD, LOADS, STORES = 0xbf, 0x07, (1,), (2, 3)
FRAME, OF_PROGRAM = 10, 1  # the register r10; in the place of a call's source: the callee is one of these functions
STACK_MAX, FRAME_ROUNDED = 512, 32  # MAX_BPF_STACK; check_max_stack_depth() before Linux 6.8

Instruction = collections.namedtuple("Instruction", "opcode to source offset value callee", defaults=(0, 0, 0, 0, None))


def symbols(data, section, sections):
    """[(its name, the section it is in, where there, length)] of the functions, None for other symbols"""
    found = []
    names = sections[section[6]][4]
    for place in range(section[4], section[4] + section[5], 24):
        name, info, _, number, value, length = struct.unpack_from("<IBBHQQ", data, place)
        text = data[names + name:data.index(b"\0", names + name)].decode()
        found.append((text, number, value, length) if info & 15 == FUNCTION and length else None)
    return found


def functions(path):
    """{name: [Instruction]} of an object (elf(5), 64 bits, little endian)"""
    data = path.read_bytes()
    at, size, count = *struct.unpack_from("<40xQ", data), *struct.unpack_from("<58xHH", data)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * n) for n in range(count)]
    known = next(symbols(data, section, sections) for section in sections if section[1] == SYMBOLS)
    callees = {}
    for section in sections:
        for place in range(section[4], section[4] + section[5], 16) if section[1] == RELOCATIONS else ():
            where, info = struct.unpack_from("<QQ", data, place)
            callees[section[7], where] = known[info >> 32]
    found = {}
    for name, number, value, length in filter(None, known):
        begin = sections[number][4] + value
        code = found[name] = []
        for n in range(0, length, 8):
            opcode, registers, offset, immediate = struct.unpack_from("<BBhi", data, begin + n)
            callee = callees.get((number, value + n))
            code.append(Instruction(opcode, registers & 15, registers >> 4, offset, immediate, callee and callee[0]))
    return found


def fall_through_to_loop(code):
    """check_cfg() (kernel/bpf/verifier.c) before Linux 6.6: only a jump may lead back to where the walk is under way.

    Return: [(from, to)] of those that are no jump
    """
    def edges(at):
        opcode, offset = code[at].opcode, code[at].offset
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


def frame(code):
    """Bytes of stack that a function reads or writes, or has the address of."""
    size, copies = 0, set()
    for one in code:
        base = one.source if one.opcode & 7 in LOADS else one.to if one.opcode & 7 in STORES else None
        if base == FRAME:
            size = max(size, -one.offset)
        if one.opcode == ADD and one.to in copies:
            size = max(size, -one.value)
        if one.opcode == COPY and one.source == FRAME:
            copies.add(one.to)
        elif one.opcode & 7 not in (*STORES, *JUMPS):
            copies.discard(one.to)
    return size


def deepest(found, name):
    """(bytes, names) of the calls below a function that take the most, and itself"""
    own = -(-max(frame(found[name]), 1) // FRAME_ROUNDED) * FRAME_ROUNDED
    called = {one.callee for one in found[name] if one.opcode == CALL and one.source == OF_PROGRAM}
    below, names = max((deepest(found, callee) for callee in called), default=(0, []))
    return own + below, [name, *names]


def programs():
    path = lab.BUILD / "attach/attach.bpf.o"
    if not path.exists():
        raise lab.Skipped("no attaching here: this build is without it")
    return functions(path)


def loops():
    found = programs()
    lab.equal("refused", {name: fall_through_to_loop(code) for name, code in found.items() if fall_through_to_loop(code)}, {})
    # The check itself: a loop that is entered at its middle.
    bad = [Instruction(GOTO, offset=1), Instruction(MOVE), Instruction(JUMP_IF_EQUAL, offset=-2), Instruction(EXIT)]
    lab.equal("a bad one", fall_through_to_loop(bad), [(1, 2)])
    return f"{len(found)} functions"


def stack():
    """Frames are rounded up to 32 bytes there, and to 16 since Linux 6.8: what a new kernel loads may be too deep for an old one."""
    found = programs()
    size, names = max(deepest(found, name) for name in found)
    if size > STACK_MAX:
        raise lab.Failed(f"{size} bytes, {STACK_MAX} at most: {[(name, frame(found[name])) for name in names]}")
    # The check itself: a store, and an address that is handed on.
    bad = {"a": [Instruction(0x7b, FRAME, 1, -40), Instruction(CALL, source=OF_PROGRAM, callee="b"), Instruction(EXIT)],
           "b": [Instruction(COPY, 1, FRAME), Instruction(ADD, 1, value=-8), Instruction(EXIT)]}
    lab.equal("a small one", deepest(bad, "a"), (64 + 32, ["a", "b"]))
    return f"{size} bytes, {' > '.join(names)}"


lab.main([("loops", loops), ("stack", stack)])

//! eBPF as far as a cgroup's device filter needs it: a small assembler, and loading and attaching
//! (`man 2 bpf`, Documentation/bpf/standardization/instruction-set.rst).
//!
//! The attribute block that the kernel is given is always full-size and zeroed: from 6.17 to 7.1
//! BPF_PROG_QUERY wrote 8 bytes behind a short one (security rule R19).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::syscall::{descriptor, done};
use super::{Errno, Result};

/// One instruction, as the kernel takes it (`struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    /// Destination in the low four bits, source in the high four.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// R0 is the program's answer, R1 its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
}

/// A place further down, to jump to.
#[derive(Debug, Clone, Copy)]
pub struct Label(usize);

const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const MOVE_IMMEDIATE: u8 = 0xb4;
const MOVE: u8 = 0xbc;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL_IMMEDIATE: u8 = 0x16;
const JUMP_IF_NOT_EQUAL_IMMEDIATE: u8 = 0x56;
const JUMP_IF_NOT_EQUAL: u8 = 0x5e;
const EXIT: u8 = 0x95;

/// Puts a program together. All arithmetic and comparisons are of 32 bits.
#[derive(Debug, Default)]
pub struct Assembler {
    code: Vec<Instruction>,
    /// Where each label is, once it is known.
    labels: Vec<Option<usize>>,
    /// Which jump goes to which label.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    pub fn new() -> Self {
        Self::default()
    }

    /// `to = *(u32 *)(from + offset)`
    pub fn load(&mut self, to: Register, from: Register, offset: i16) {
        self.emit(LOAD_WORD, to, from, offset, 0);
    }

    /// `to = from`
    pub fn copy(&mut self, to: Register, from: Register) {
        self.emit(MOVE, to, from, 0, 0);
    }

    /// `register = value`
    pub fn set(&mut self, register: Register, value: u32) {
        self.emit(MOVE_IMMEDIATE, register, Register::R0, 0, value);
    }

    /// `register &= mask`
    pub fn and(&mut self, register: Register, mask: u32) {
        self.emit(AND, register, Register::R0, 0, mask);
    }

    /// `register >>= bits`
    pub fn shift_right(&mut self, register: Register, bits: u32) {
        self.emit(SHIFT_RIGHT, register, Register::R0, 0, bits);
    }

    /// A label for a place that `place` sets later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here, at the next instruction.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    /// `goto label`
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.emit(JUMP, Register::R0, Register::R0, 0, 0);
    }

    /// `if register == value goto label`
    pub fn jump_if_equal(&mut self, register: Register, value: u32, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.emit(JUMP_IF_EQUAL_IMMEDIATE, register, Register::R0, 0, value);
    }

    /// `if register != value goto label`
    pub fn jump_unless_equal(&mut self, register: Register, value: u32, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.emit(JUMP_IF_NOT_EQUAL_IMMEDIATE, register, Register::R0, 0, value);
    }

    /// `if one != other goto label`
    pub fn jump_unless_same(&mut self, one: Register, other: Register, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.emit(JUMP_IF_NOT_EQUAL, one, other, 0, 0);
    }

    /// `return R0`
    pub fn exit(&mut self) {
        self.emit(EXIT, Register::R0, Register::R0, 0, 0);
    }

    /// The program, jumps resolved. EINVAL: a label was never placed; ERANGE: a jump is too far.
    pub fn finish(mut self) -> Result<Vec<Instruction>> {
        for (from, label) in self.jumps {
            let to = self.labels[label.0].ok_or(Errno::EINVAL)?;
            // Counted from the instruction behind the jump.
            let distance = to.checked_sub(from + 1).ok_or(Errno::EINVAL)?;
            self.code[from].offset = i16::try_from(distance).map_err(|_| Errno::ERANGE)?;
        }
        Ok(self.code)
    }

    fn emit(&mut self, code: u8, to: Register, from: Register, offset: i16, immediate: u32) {
        let registers = to as u8 | (from as u8) << 4;
        self.code.push(Instruction { code, registers, offset, immediate: immediate.cast_signed() });
    }
}

const PROG_LOAD: u32 = 5;
const PROG_ATTACH: u32 = 8;
const PROG_DETACH: u32 = 9;
const PROG_GET_FD_BY_ID: u32 = 13;
const PROG_QUERY: u32 = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;

/// The kernel allows 64 programs a cgroup and type.
const MOST_PROGRAMS: usize = 64;

/// `union bpf_attr`: larger than any kernel's, for the kernel wants what it does not know to be zero.
#[repr(C, align(8))]
struct Attributes([u32; 64]);

impl Attributes {
    fn new() -> Self {
        Self([0; 64])
    }

    /// `offset` in bytes, as in the uapi header's layout.
    fn with(mut self, offset: usize, value: u32) -> Self {
        self.0[offset / 4] = value;
        self
    }

    fn with_pointer<T>(mut self, offset: usize, pointer: *const T) -> Self {
        let bytes = (pointer as u64).to_ne_bytes();
        self.0[offset / 4] = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.0[offset / 4 + 1] = u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        self
    }

    /// # Safety
    /// The pointers among the attributes must be what `command` wants, and live.
    unsafe fn call(&mut self, command: u32) -> libc::c_long {
        // SAFETY: the block is the whole size that is claimed; the caller answers for the pointers in it.
        unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), size_of::<Self>()) }
    }
}

/// Loads a program that decides on each access to a device (BPF_PROG_TYPE_CGROUP_DEVICE).
///
/// # Errors
/// EPERM without CAP_BPF; EACCES or EINVAL where the verifier does not like it.
pub fn load_device_filter(program: &[Instruction]) -> Result<OwnedFd> {
    const LICENSE: &CStr = c"Apache-2.0";
    let count = u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let attributes = Attributes::new().with(0, TYPE_CGROUP_DEVICE).with(4, count);
    let mut attributes = attributes.with_pointer(8, program.as_ptr()).with_pointer(16, LICENSE.as_ptr());
    // SAFETY: the kernel reads `count` instructions and a C string, both of which outlive the call; a new
    // descriptor comes out.
    unsafe { descriptor(attributes.call(PROG_LOAD)) }
}

/// Makes a program the only device filter of a cgroup: put in the old one's place in one go where there is
/// one, so that at no moment nothing decides.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN or below a filter that does not allow others; EBADF where `cgroup` is no
/// cgroup2 directory.
pub fn replace_device_filter(cgroup: BorrowedFd, program: BorrowedFd) -> Result<()> {
    let old = attached(cgroup)?;
    if let [only] = old[..] {
        return attach(cgroup, program, ALLOW_MULTI | REPLACE, Some(by_id(only)?));
    }
    attach(cgroup, program, ALLOW_MULTI, None)?;
    old.into_iter().try_for_each(|id| detach(cgroup, by_id(id)?))
}

/// Whether anything filters the devices of this very cgroup.
pub fn has_device_filter(cgroup: BorrowedFd) -> Result<bool> {
    attached(cgroup).map(|ids| !ids.is_empty())
}

fn attach(cgroup: BorrowedFd, program: BorrowedFd, flags: u32, replaced: Option<OwnedFd>) -> Result<()> {
    let mut attributes =
        target(cgroup).with(4, number(&program)).with(8, ATTACH_CGROUP_DEVICE).with(12, flags);
    if let Some(replaced) = &replaced {
        attributes = attributes.with(16, number(replaced));
    }
    // SAFETY: numbers only, and the descriptors outlive the call.
    done(unsafe { attributes.call(PROG_ATTACH) })
}

fn detach(cgroup: BorrowedFd, program: OwnedFd) -> Result<()> {
    let mut attributes = target(cgroup).with(4, number(&program)).with(8, ATTACH_CGROUP_DEVICE);
    // SAFETY: numbers only, and the descriptors outlive the call.
    done(unsafe { attributes.call(PROG_DETACH) })
}

/// The ids of the device filters of a cgroup.
fn attached(cgroup: BorrowedFd) -> Result<Vec<u32>> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut attributes = target(cgroup)
        .with(4, ATTACH_CGROUP_DEVICE)
        .with_pointer(16, ids.as_mut_ptr())
        .with(24, MOST_PROGRAMS as u32);
    // SAFETY: the kernel writes at most as many ids as it is told there is room for, and `ids` outlives the
    // call.
    done(unsafe { attributes.call(PROG_QUERY) })?;
    let count = attributes.0[24 / 4] as usize;
    Ok(ids.into_iter().take(count).collect())
}

fn by_id(id: u32) -> Result<OwnedFd> {
    // SAFETY: a number in, a new descriptor out.
    unsafe { descriptor(Attributes::new().with(0, id).call(PROG_GET_FD_BY_ID)) }
}

fn target(cgroup: BorrowedFd) -> Attributes {
    Attributes::new().with(0, number(&cgroup))
}

fn number(descriptor: &impl AsRawFd) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// Whether the verifier can get to every instruction, as it demands, and out again.
    pub fn is_whole(program: &[Instruction]) -> bool {
        let mut reached = vec![false; program.len()];
        let mut ways = vec![0];
        while let Some(at) = ways.pop() {
            let Some(instruction) = program.get(at) else { return false };
            if std::mem::replace(&mut reached[at], true) {
                continue;
            }
            let jumps = [JUMP, JUMP_IF_EQUAL_IMMEDIATE, JUMP_IF_NOT_EQUAL_IMMEDIATE, JUMP_IF_NOT_EQUAL];
            if jumps.contains(&instruction.code) {
                ways.push(at + 1 + usize::try_from(instruction.offset).unwrap());
            }
            if instruction.code != JUMP && instruction.code != EXIT {
                ways.push(at + 1);
            }
        }
        reached.into_iter().all(|reached| reached)
    }

    /// What the program answers to `context`: the kernel's semantics of the instructions above, and a panic
    /// on any other.
    pub fn run(program: &[Instruction], context: [u32; 3]) -> u32 {
        let mut registers = [0_u32; 6];
        let mut next = 0;
        loop {
            let Instruction { code, registers: both, offset, immediate } = program[next];
            let (to, from) = (usize::from(both & 15), usize::from(both >> 4));
            let value = immediate.cast_unsigned();
            next += 1;
            let mut jump_if =
                |condition: bool| next += if condition { usize::try_from(offset).unwrap() } else { 0 };
            match code {
                LOAD_WORD => registers[to] = context[usize::try_from(offset).unwrap() / 4],
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                MOVE_IMMEDIATE => registers[to] = value,
                MOVE => registers[to] = registers[from],
                JUMP => jump_if(true),
                JUMP_IF_EQUAL_IMMEDIATE => jump_if(registers[to] == value),
                JUMP_IF_NOT_EQUAL_IMMEDIATE => jump_if(registers[to] != value),
                JUMP_IF_NOT_EQUAL => jump_if(registers[to] != registers[from]),
                EXIT => return registers[0],
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_has_the_kernels_layout() {
        assert_eq!(size_of::<Instruction>(), 8);
        let mut assembler = Assembler::new();
        assembler.load(Register::R2, Register::R1, 4);
        assembler.set(Register::R0, u32::MAX);
        let program = assembler.finish().unwrap();
        assert_eq!(program[0], Instruction { code: 0x61, registers: 0x12, offset: 4, immediate: 0 });
        assert_eq!(program[1], Instruction { code: 0xb4, registers: 0, offset: 0, immediate: -1 });
    }

    #[test]
    fn a_jump_goes_to_its_label_and_only_there() {
        let mut assembler = Assembler::new();
        let (end, unused) = (assembler.label(), assembler.label());
        assembler.load(Register::R2, Register::R1, 0);
        assembler.set(Register::R0, 7);
        assembler.jump_if_equal(Register::R2, 5, end);
        assembler.set(Register::R0, 8);
        assembler.place(end);
        assembler.exit();
        let program = assembler.finish().unwrap();
        assert_eq!((testing::run(&program, [5, 0, 0]), testing::run(&program, [6, 0, 0])), (7, 8));

        let mut lost = Assembler::new();
        lost.label();
        lost.label();
        lost.jump_if_equal(Register::R2, 5, unused);
        assert_eq!(lost.finish(), Err(Errno::EINVAL));
    }

    #[test]
    fn a_jump_that_is_too_far_is_an_error() {
        let mut assembler = Assembler::new();
        let end = assembler.label();
        assembler.jump_if_equal(Register::R2, 5, end);
        (0..40_000).for_each(|_| assembler.exit());
        assembler.place(end);
        assembler.exit();
        assert_eq!(assembler.finish(), Err(Errno::ERANGE));
    }

    #[test]
    fn what_is_no_cgroup_takes_no_filter() {
        let nothing = std::fs::File::open("/dev/null").unwrap();
        use std::os::fd::AsFd;
        assert_eq!(has_device_filter(nothing.as_fd()), Err(Errno::EBADF));
    }
}

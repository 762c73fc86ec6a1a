//! Classic BPF (linux/bpf_common.h) as far as filters are made of it, on struct seccomp_data (linux/seccomp.h).

/// The codes of instructions.
pub mod code {
    pub const LOAD_WORD: u16 = 0x20;
    pub const AND: u16 = 0x54;
    pub const JUMP: u16 = 0x05;
    pub const JUMP_IF_EQUAL: u16 = 0x15;
    pub const JUMP_IF_GREATER: u16 = 0x25;
    pub const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    pub const JUMP_IF_ANY_BIT: u16 = 0x45;
    pub const RETURN: u16 = 0x06;
}

/// Offsets into struct seccomp_data.
pub const NUMBER: u32 = 0;
pub const ARCHITECTURE: u32 = 4;

/// __X32_SYSCALL_BIT: tells x32 from x86-64, which have one audit architecture.
pub const X32_BIT: u32 = 0x4000_0000;

/// `struct sock_filter`: a code, two short jumps, an operand.
pub type Instruction = (u16, u8, u8, u32);
/// Its bytes.
pub const INSTRUCTION: usize = 8;

pub fn encode((code, yes, no, operand): &Instruction) -> [u8; INSTRUCTION] {
    let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), operand.to_ne_bytes());
    [a, b, *yes, *no, c, d, e, f]
}

/// None where the bytes are no whole number of instructions.
pub fn decode(program: &[u8]) -> Option<Vec<Instruction>> {
    let (instructions, rest) = program.as_chunks::<INSTRUCTION>();
    let decode = |[a, b, yes, no, operand @ ..]: &[u8; INSTRUCTION]| {
        (u16::from_ne_bytes([*a, *b]), *yes, *no, u32::from_ne_bytes(*operand))
    };
    rest.is_empty().then(|| instructions.iter().map(decode).collect())
}

//! A program is run here on what the kernel would give it: for tests and fuzz targets.

use super::{Filter, INSTRUCTION};

/// What the filter answers to a call of this number with these arguments on this architecture.
pub fn answer(filter: &Filter, arch: u32, number: u32, args: &[u64]) -> u32 {
    // struct seccomp_data: nr, arch, instruction pointer, six arguments.
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    (0..6).for_each(|index| data.extend(args.get(index).copied().unwrap_or(0).to_ne_bytes()));
    run(&filter.program, &data)
}

/// The classic BPF instructions that libseccomp makes (linux/bpf_common.h).
fn run(program: &[u8], data: &[u8]) -> u32 {
    let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap());
    let (mut pc, mut accumulator) = (0, 0_u32);
    loop {
        let instruction = &program[pc * INSTRUCTION..][..INSTRUCTION];
        let code = u16::from_ne_bytes(instruction[..2].try_into().unwrap());
        let (yes, no, operand) = (instruction[2] as usize, instruction[3] as usize, word(&instruction[4..]));
        let jump = |holds: bool| 1 + if holds { yes } else { no };
        pc += match code {
            0x20 => {
                accumulator = word(&data[operand as usize..][..4]);
                1
            }
            0x54 => {
                accumulator &= operand;
                1
            }
            0x05 => 1 + operand as usize,
            0x45 => jump(accumulator & operand != 0),
            0x15 => jump(accumulator == operand),
            0x25 => jump(accumulator > operand),
            0x35 => jump(accumulator >= operand),
            0x06 => return operand,
            other => panic!("instruction {other:#x} is not expected"),
        };
    }
}

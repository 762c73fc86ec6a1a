//! A program is run here on what the kernel would give it: for tests and fuzz targets.

use std::collections::BTreeSet;

use super::Filter;
use super::bpf::{self, INSTRUCTION, X32_BIT};

/// What the kernel calls architectures (AUDIT_ARCH_* of linux/audit.h).
pub const X86_64: u32 = 0xc000_003e;
pub const I386: u32 = 0x4000_0003;
#[cfg(test)]
pub const AARCH64: u32 = 0xc000_00b7;
/// What filters answer (SECCOMP_RET_* of linux/seccomp.h).
#[cfg(test)]
pub const KILL_PROCESS: u32 = 0x8000_0000;
pub const KILL_THREAD: u32 = 0;
pub const ERRNO: u32 = 0x0005_0000;
pub const ALLOW: u32 = 0x7fff_0000;

/// What the filter answers to a call of this number with these arguments on this architecture.
pub fn answer(filter: &Filter, arch: u32, number: u32, args: &[u64]) -> u32 {
    answer_of(&filter.program, arch, number, args)
}

fn answer_of(program: &[u8], arch: u32, number: u32, args: &[u64]) -> u32 {
    // struct seccomp_data: nr, arch, instruction pointer, six arguments.
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    (0..6).for_each(|index| data.extend(args.get(index).copied().unwrap_or(0).to_ne_bytes()));
    run(program, &data)
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

/// Both programs answer the same, whatever is asked: on every architecture that either names and one that neither
/// does, for the numbers about each constant of theirs, with arguments made of these constants.
pub fn assert_same(one: &[u8], other: &[u8]) {
    let constants = constants(&[one, other]);
    // AUDIT_ARCH_*: a machine, and two bits.
    let is_architecture = |constant: &u32| constant & 0xc000_0000 != 0 && constant & 0x3fff_0000 == 0;
    let architectures = constants.iter().copied().filter(is_architecture).chain([7]);
    let of_x32 = constants.iter().filter(|constant| **constant < 1024).map(|constant| constant | X32_BIT);
    let numbers: BTreeSet<u32> =
        constants.iter().copied().chain(of_x32).flat_map(|number| [number, number.wrapping_add(1)]).collect();
    for architecture in architectures {
        for number in numbers.iter().copied() {
            let seed = u64::from(constants[number as usize % constants.len()]);
            for arguments in [[seed; 6], [seed << 32 | seed; 6]] {
                let asked = [one, other].map(|program| answer_of(program, architecture, number, &arguments));
                assert_eq!(asked[0], asked[1], "{number:#x} of {architecture:#x} with {arguments:x?}");
            }
        }
    }
}

fn constants(programs: &[&[u8]]) -> Vec<u32> {
    let instructions = programs.iter().flat_map(|program| bpf::decode(program).unwrap());
    let compared = instructions.filter(|(code, ..)| *code != bpf::code::RETURN).map(|(.., operand)| operand);
    let mut constants: Vec<u32> = compared.chain([0, u32::MAX]).collect();
    constants.sort_unstable();
    constants.dedup();
    constants
}

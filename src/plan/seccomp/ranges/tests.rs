use serde_json::{Value, json};

use super::super::bpf::{INSTRUCTION, decode, encode};
use super::super::interpreter::{AARCH64, ALLOW, I386, X86_64, answer, assert_same};
use super::super::program;
use super::*;

fn compiled(profile: Value) -> Vec<u8> {
    program(&serde_json::from_value(profile).unwrap()).unwrap()
}

fn names(number_is_in: fn(i32) -> bool) -> Vec<String> {
    let numbers = (0..450).filter(|number| number_is_in(*number));
    numbers.filter_map(|number| libseccomp::ScmpSyscall::from_raw_syscall(number).get_name().ok()).collect()
}

const ALL: [&str; 3] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];

/// Of the size and kind of the one that engines ship: most calls allowed, some on conditions, holes between them.
fn of_an_engine() -> Value {
    let equals = |index: u32, value: u64| json!([{"index": index, "value": value, "op": "SCMP_CMP_EQ"}]);
    let masked = json!([{"index": 0, "value": 0x7e02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]);
    let above = json!([{"index": 2, "value": 1_u64 << 40, "op": "SCMP_CMP_GT"}]);
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ALL,
        "syscalls": [
            {"names": names(|number| number % 24 > 3 && ![56, 135].contains(&number)), "action": "SCMP_ACT_ALLOW"},
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": equals(0, 8)},
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": equals(0, 0xffff_ffff)},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": masked},
            {"names": ["ftruncate"], "action": "SCMP_ACT_KILL", "args": above},
            {"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    })
}

#[test]
fn it_answers_as_the_long_one() {
    let one = json!({"names": ["mkdir", "read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5});
    let every_one_another: Vec<Value> = names(|_| true)
        .into_iter()
        .enumerate()
        .map(|(errno, name)| json!({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno + 1}))
        .collect();
    for (case, profile) in [
        of_an_engine(),
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [one]}),
        json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ALL, "syscalls": [one]}),
        json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [one]}),
        // Jumps that are too long for their instruction.
        json!({"defaultAction": "SCMP_ACT_TRAP", "syscalls": every_one_another}),
        json!({"defaultAction": "SCMP_ACT_LOG"}),
    ]
    .into_iter()
    .enumerate()
    {
        let long = compiled(profile);
        let short = decode(&long).and_then(|instructions| by_ranges(&instructions));
        let short = short.unwrap_or_else(|| panic!("case {case} was not understood"));
        let short: Vec<u8> = short.iter().flat_map(encode).collect();
        assert_same(&long, &short);
    }
}

#[test]
fn a_profile_of_an_engines_size_becomes_a_third_of_it() {
    let long = compiled(of_an_engine());
    let short = shortened(long.clone());
    assert!(long.len() > 800 * INSTRUCTION, "{}", long.len() / INSTRUCTION);
    assert!(short.len() * 3 < long.len(), "{} of {}", short.len() / INSTRUCTION, long.len() / INSTRUCTION);
}

#[test]
fn every_number_is_in_its_range() {
    let long = compiled(of_an_engine());
    let short = shortened(long.clone());
    let filter = |program: &[u8]| super::super::Filter {
        program: program.to_vec(),
        flags: 0,
        notifies_sendmsg: false,
    };
    let (long, short) = (filter(&long), filter(&short));
    for architecture in [X86_64, I386, AARCH64] {
        for number in (0..1000).flat_map(|number| [number, number | X32_BIT, number | 1 << 31, !number]) {
            let [one, other] = [&long, &short].map(|filter| answer(filter, architecture, number, &[8]));
            assert_eq!(one, other, "{number:#x} of {architecture:#x}");
        }
    }
}

#[test]
fn what_is_not_understood_is_left_as_it_is() {
    const LOAD_NUMBER: Instruction = (code::LOAD_WORD, 0, 0, NUMBER);
    const GRANT: Instruction = (code::RETURN, 0, 0, ALLOW);
    const KILL: Instruction = (code::RETURN, 0, 0, 0);
    // Enough of the like for anything to be shorter.
    let padding = [(code::JUMP_IF_EQUAL, 0, 0, 1); 20];
    let cases: [(&str, &[Instruction]); 8] = [
        ("a question before anything is loaded", &[(code::JUMP_IF_EQUAL, 0, 1, 0), GRANT, KILL]),
        ("other bits of a number", &[LOAD_NUMBER, (code::JUMP_IF_ANY_BIT, 0, 1, 4), GRANT, KILL]),
        (
            "arithmetic on a number",
            &[LOAD_NUMBER, (code::AND, 0, 0, 1), (code::JUMP_IF_EQUAL, 0, 1, 1), GRANT, KILL],
        ),
        (
            "an order of architectures",
            &[(code::LOAD_WORD, 0, 0, ARCHITECTURE), (code::JUMP_IF_GREATER, 0, 1, 9), GRANT, KILL],
        ),
        ("an answer from the accumulator", &[LOAD_NUMBER, (0x16, 0, 0, 0)]),
        ("an instruction that no filter has", &[LOAD_NUMBER, (0x87, 0, 0, 0), GRANT]),
        ("an end that is missing", &[LOAD_NUMBER]),
        ("a jump out of it", &[LOAD_NUMBER, (code::JUMP, 0, 0, u32::MAX), GRANT]),
    ];
    for (what, instructions) in cases {
        assert_eq!(by_ranges(instructions), None, "{what}");
        let program: Vec<u8> = instructions.iter().chain(&padding).flat_map(encode).collect();
        assert_eq!(shortened(program.clone()), program, "{what}");
    }
    assert_eq!(shortened(vec![6, 0, 0]), [6, 0, 0], "half an instruction");
}

#[test]
fn many_questions_about_arguments_end() {
    // Each way parts and meets again: followed one by one, there would be two to the power of fifty.
    let mut instructions = Vec::new();
    for question in 0..50 {
        instructions.push((code::LOAD_WORD, 0, 0, 16 + 8 * (question % 6)));
        instructions.push((code::JUMP_IF_ANY_BIT, 1, 0, 1 << (question % 32)));
        instructions.push((code::LOAD_WORD, 0, 0, 20));
        instructions.push((code::JUMP_IF_EQUAL, 0, 0, question));
    }
    instructions.push((code::RETURN, 0, 0, ALLOW));
    let short = by_ranges(&instructions).unwrap();
    assert!(short.len() <= instructions.len(), "{}", short.len());
    // And where they are nested too deep for us, they are left.
    instructions.splice(0..0, instructions.clone().into_iter().take(200));
    assert_eq!(by_ranges(&instructions), None);
}

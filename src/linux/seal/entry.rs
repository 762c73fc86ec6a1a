//! The program's entry point on x86_64: the seal's first turn without a C library.
//!
//! Most of what the first turn costs is a start that is thrown away: libc relocates a quarter of a megabyte, makes a
//! heap, may ask the processor about itself. So what is executed first is this, before all that: where the command is
//! one that enters a container, it clones the directory's mount, makes it read-only, and opens the file from there. While
//! nothing has been written to the program's pages they can still be mapped anew from that file, each where it is; then
//! nothing of the first one is mapped, and the kernel lets us name the other as what this process executes
//! (PR_SET_MM_MAP, `man 2 prctl`: with CAP_SYS_ADMIN, on kernels that can checkpoint). It refuses while a page of
//! the first is left: no file but the sealed one is reached through this process then, as after an execve. Where it
//! refuses for another reason, the file is executed again from there.
//!
//! It only tries. On any doubt or error it goes on to libc's own `_start` with the stack as the kernel left it, and
//! `seal::ensure`, which believes none of this and looks for itself, seals as it does on other processors.
//!
//! It is assembly since nothing is relocated yet: it must use no address but its own, and write no memory but its
//! stack's. The reads of eight bytes from strings stay on the stack: the kernel ends it with the file's name and eight
//! zeros.

use std::arch::global_asm;
use std::mem::offset_of;

global_asm!(
    r#"
    .pushsection .text.trug_entry, "ax", @progbits
    .globl  trug_entry
    .hidden trug_entry
    .type   trug_entry, @function
trug_entry:
    endbr64
    mov     rbx, rsp                    # for libc, as it is
    mov     rbp, rdx
    mov     rcx, [rbx]                  # argc
    lea     r12, [rbx + 8]              # argv
    lea     r13, [r12 + rcx*8 + 8]      # envp
    sub     rsp, {frame}

    # Is a word of the command line "run", "exec", "create" or "restore"? More than the command may be: no harm.
    cmp     rcx, 2
    jb      .Ltrug_libc
    lea     rsi, [r12 + 8]
    movabs  r8, {restore}
    movabs  r9, {create}
    movabs  r10, {exec}
.Ltrug_word:
    mov     rdi, [rsi]
    test    rdi, rdi
    jz      .Ltrug_libc
    add     rsi, 8
    mov     rax, [rdi]
    cmp     rax, r8
    je      .Ltrug_environment
    cmp     eax, {run}
    je      .Ltrug_environment
    shl     rax, 8
    cmp     rax, r9
    je      .Ltrug_environment
    shl     rax, 16
    cmp     rax, r10
    jne     .Ltrug_word

    # TRUG_SEAL asks for something else, _TRUG_SEAL_TURN is for seal::ensure.
.Ltrug_environment:
    mov     rsi, r13
    movabs  r8, {choice}
    movabs  r9, {turn}
.Ltrug_variable:
    mov     rdi, [rsi]
    add     rsi, 8
    test    rdi, rdi
    jz      .Ltrug_auxiliary
    mov     rax, [rdi]
    cmp     rax, r8
    je      .Ltrug_libc
    cmp     rax, r9
    je      .Ltrug_libc
    jmp     .Ltrug_variable

    # The path that we were executed by: AT_EXECFN. None if by descriptor, as in the second turn; not with more rights
    # than the caller's (AT_SECURE). And AT_ENTRY: where the kernel says that this is.
.Ltrug_auxiliary:
    xor     r14d, r14d
    xor     r8d, r8d
.Ltrug_entry_of_auxv:
    mov     rax, [rsi]
    mov     rdx, [rsi + 8]
    add     rsi, 16
    cmp     rax, {at_null}
    je      .Ltrug_path
    cmp     rax, {at_execfn}
    cmove   r14, rdx
    cmp     rax, {at_entry}
    cmove   r8, rdx
    cmp     rax, {at_secure}
    jne     .Ltrug_entry_of_auxv
    test    rdx, rdx
    jz      .Ltrug_entry_of_auxv
    jmp     .Ltrug_libc
.Ltrug_path:
    test    r14, r14
    jz      .Ltrug_libc
    movabs  rax, {dev_fd}
    cmp     rax, [r14]
    je      .Ltrug_libc
    mov     [rsp + {executed}], r14
    mov     [rsp + {entry}], r8

    # Its directory (with the last slash) goes to the stack; r15 is its name there.
    mov     r15, r14
    mov     rdi, r14
.Ltrug_byte:
    mov     al, [rdi]
    inc     rdi
    cmp     al, '/'
    cmove   r15, rdi
    test    al, al
    jnz     .Ltrug_byte
    mov     rcx, r15
    sub     rcx, r14
    cmp     rcx, {most}
    ja      .Ltrug_libc
    lea     rdi, [rsp + {directory}]
    mov     word ptr [rdi], '.'         # where there is no slash
    test    rcx, rcx
    jz      .Ltrug_look
    mov     rsi, r14
    rep movsb
    mov     byte ptr [rdi], 0

    # Nothing to do on a read-only mount: sealed.
.Ltrug_look:
    mov     eax, {sys_statfs}
    lea     rdi, [rip + .Ltrug_self]
    lea     rsi, [rsp + {buffer}]
    syscall
    test    eax, eax
    jnz     .Ltrug_libc
    test    dword ptr [rsp + {buffer} + {f_flags}], {st_rdonly}
    jnz     .Ltrug_libc
    mov     eax, {sys_newfstatat}
    mov     edi, {at_fdcwd}
    lea     rsi, [rip + .Ltrug_self]
    lea     rdx, [rsp + {own}]
    xor     r10d, r10d
    syscall
    test    eax, eax
    jnz     .Ltrug_libc

    # The tree's descriptor goes to r14, the file's to r15.
    mov     eax, {sys_open_tree}
    mov     edi, {at_fdcwd}
    lea     rsi, [rsp + {directory}]
    mov     edx, {open_tree_flags}
    syscall
    test    eax, eax
    js      .Ltrug_libc
    mov     r14d, eax

    mov     qword ptr [rsp + {attributes}], {mount_attributes}
    mov     qword ptr [rsp + {attributes} + 8], 0
    mov     qword ptr [rsp + {attributes} + 16], 0
    mov     qword ptr [rsp + {attributes} + 24], 0
    mov     eax, {sys_mount_setattr}
    mov     edi, r14d
    lea     rsi, [rip + .Ltrug_empty]
    mov     edx, {at_empty_path}
    lea     r10, [rsp + {attributes}]
    mov     r8d, 32
    syscall
    test    eax, eax
    jnz     .Ltrug_close_tree

    mov     eax, {sys_openat}
    mov     edi, r14d
    mov     rsi, r15
    mov     edx, {open_flags}
    xor     r10d, r10d
    syscall
    test    eax, eax
    js      .Ltrug_close_tree
    mov     r15d, eax

    # Another file may have that name by now, or below a mount on ours.
    mov     eax, {sys_newfstatat}
    mov     edi, r15d
    lea     rsi, [rip + .Ltrug_empty]
    lea     rdx, [rsp + {buffer}]
    mov     r10d, {at_empty_path}
    syscall
    test    eax, eax
    jnz     .Ltrug_close_file
    mov     rax, [rsp + {buffer}]       # st_dev
    cmp     rax, [rsp + {own}]
    jne     .Ltrug_close_file
    mov     rax, [rsp + {buffer} + 8]   # st_ino
    cmp     rax, [rsp + {own} + 8]
    jne     .Ltrug_close_file

    # Each loaded segment is mapped anew. r13: where the file begins, at address 0 of its own; r12: a program header.
    lea     r13, [rip + __ehdr_start]
    mov     rax, [r13 + {e_entry}]
    add     rax, r13
    cmp     rax, [rsp + {entry}]
    jne     .Ltrug_execute
    mov     r12, [r13 + {e_phoff}]
    add     r12, r13
    movzx   eax, word ptr [r13 + {e_phnum}]
    imul    eax, eax, {phdr}
    add     rax, r12
    mov     [rsp + {headers_end}], rax
.Ltrug_header:
    cmp     r12, [rsp + {headers_end}]
    jae     .Ltrug_mapped
    cmp     dword ptr [r12 + {p_type}], {pt_load}
    jne     .Ltrug_next_header
    mov     rdi, [r12 + {p_vaddr}]
    add     rdi, r13
    mov     rsi, [r12 + {p_filesz}]
    add     rsi, rdi                    # the end of what is from the file
    mov     eax, [r12 + {p_flags}]
    test    eax, {pf_x}
    jz      .Ltrug_no_code
    mov     [rsp + {map} + {start_code}], rdi
    mov     [rsp + {map} + {end_code}], rsi
.Ltrug_no_code:                         # the last is data
    mov     [rsp + {map} + {start_data}], rdi
    mov     [rsp + {map} + {end_data}], rsi

    mov     r9, [r12 + {p_offset}]
    mov     ecx, edi
    and     ecx, {page_mask}
    sub     r9, rcx
    sub     rdi, rcx
    sub     rsi, rdi
    mov     edx, eax                    # PF_X PF_W PF_R are 1 2 4; PROT_READ PROT_WRITE PROT_EXEC are
    and     edx, {pf_w}
    mov     ecx, eax
    and     ecx, {pf_x}
    lea     edx, [rdx + rcx*4]
    shr     eax, 2
    and     eax, 1
    or      edx, eax
    mov     r10d, {map_flags}
    mov     r8d, r15d
    mov     eax, {sys_mmap}
    syscall
    cmp     rax, rdi
    jne     .Ltrug_execute

    # As the kernel does: what is behind the file's part in its last page is zero.
    mov     rax, [r12 + {p_filesz}]
    cmp     rax, [r12 + {p_memsz}]
    jae     .Ltrug_next_header
    test    dword ptr [r12 + {p_flags}], {pf_w}
    jz      .Ltrug_next_header
    mov     rdi, [r12 + {p_vaddr}]
    add     rdi, r13
    add     rdi, rax
    mov     ecx, edi
    neg     ecx
    and     ecx, {page_mask}
    xor     eax, eax
    rep stosb
.Ltrug_next_header:
    add     r12, {phdr}
    jmp     .Ltrug_header

    # The kernel takes the file together with all that it keeps of the memory's order: as it is, read off where execve
    # put it. Arguments lie before the environment, and that before the path.
.Ltrug_mapped:
    mov     eax, {sys_brk}
    xor     edi, edi
    syscall
    mov     [rsp + {map} + {start_brk}], rax
    mov     [rsp + {map} + {brk}], rax
    mov     [rsp + {map} + {start_stack}], rbx
    mov     rax, [rbx + 8]
    mov     [rsp + {map} + {arg_start}], rax
    mov     rcx, [rbx]
    mov     rdx, [rsp + {executed}]
    mov     [rsp + {map} + {env_end}], rdx
    mov     rax, [rbx + rcx*8 + 16]
    test    rax, rax
    cmovz   rax, rdx
    mov     [rsp + {map} + {arg_end}], rax
    mov     [rsp + {map} + {env_start}], rax
    mov     qword ptr [rsp + {map} + {auxv}], 0
    mov     dword ptr [rsp + {map} + {auxv_size}], 0
    mov     [rsp + {map} + {exe_fd}], r15d
    mov     eax, {sys_prctl}
    mov     edi, {pr_set_mm}
    mov     esi, {pr_set_mm_map}
    lea     rdx, [rsp + {map}]
    mov     r10d, {map_size}
    xor     r8d, r8d
    syscall
    test    eax, eax
    jz      .Ltrug_close_file

.Ltrug_execute:
    mov     eax, {sys_execveat}         # returns only to say no
    mov     edi, r15d
    lea     rsi, [rip + .Ltrug_empty]
    lea     rdx, [rbx + 8]
    mov     rcx, [rbx]
    lea     r10, [rbx + rcx*8 + 16]
    mov     r8d, {at_empty_path}
    syscall

.Ltrug_close_file:
    mov     eax, {sys_close}
    mov     edi, r15d
    syscall
.Ltrug_close_tree:
    mov     eax, {sys_close}
    mov     edi, r14d
    syscall
.Ltrug_libc:
    mov     rsp, rbx
    mov     rdx, rbp
    xor     ebp, ebp
    jmp     _start

.Ltrug_self:
    .asciz  "/proc/self/exe"
.Ltrug_empty:
    .asciz  ""
    .size   trug_entry, . - trug_entry
    .popsection
"#,
    // The words, as the processor reads them; what is shorter than eight bytes is compared shifted to the top.
    restore = const u64::from_le_bytes(*b"restore\0"),
    create = const u64::from_le_bytes(*b"create\0\0") << 8,
    exec = const u64::from_le_bytes(*b"exec\0\0\0\0") << 24,
    run = const u32::from_le_bytes(*b"run\0"),
    choice = const u64::from_le_bytes(*b"TRUG_SEA"),
    turn = const u64::from_le_bytes(*b"_TRUG_SE"),
    dev_fd = const u64::from_le_bytes(*b"/dev/fd/"),
    at_null = const libc::AT_NULL,
    at_execfn = const libc::AT_EXECFN,
    at_entry = const libc::AT_ENTRY,
    at_secure = const libc::AT_SECURE,
    at_fdcwd = const libc::AT_FDCWD,
    at_empty_path = const libc::AT_EMPTY_PATH,
    sys_statfs = const libc::SYS_statfs,
    sys_newfstatat = const libc::SYS_newfstatat,
    sys_open_tree = const libc::SYS_open_tree,
    sys_mount_setattr = const libc::SYS_mount_setattr,
    sys_openat = const libc::SYS_openat,
    sys_execveat = const libc::SYS_execveat,
    sys_close = const libc::SYS_close,
    open_tree_flags = const libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC,
    mount_attributes = const libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    open_flags = const libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW,
    sys_mmap = const libc::SYS_mmap,
    sys_brk = const libc::SYS_brk,
    sys_prctl = const libc::SYS_prctl,
    map_flags = const libc::MAP_PRIVATE | libc::MAP_FIXED,
    page_mask = const 4095,
    pr_set_mm = const libc::PR_SET_MM,
    pr_set_mm_map = const libc::PR_SET_MM_MAP,
    e_entry = const offset_of!(libc::Elf64_Ehdr, e_entry),
    e_phoff = const offset_of!(libc::Elf64_Ehdr, e_phoff),
    e_phnum = const offset_of!(libc::Elf64_Ehdr, e_phnum),
    phdr = const size_of::<libc::Elf64_Phdr>(),
    p_type = const offset_of!(libc::Elf64_Phdr, p_type),
    p_flags = const offset_of!(libc::Elf64_Phdr, p_flags),
    p_offset = const offset_of!(libc::Elf64_Phdr, p_offset),
    p_vaddr = const offset_of!(libc::Elf64_Phdr, p_vaddr),
    p_filesz = const offset_of!(libc::Elf64_Phdr, p_filesz),
    p_memsz = const offset_of!(libc::Elf64_Phdr, p_memsz),
    pt_load = const libc::PT_LOAD,
    pf_x = const libc::PF_X,
    pf_w = const libc::PF_W,
    start_code = const offset_of!(MemoryMap, start_code),
    end_code = const offset_of!(MemoryMap, end_code),
    start_data = const offset_of!(MemoryMap, start_data),
    end_data = const offset_of!(MemoryMap, end_data),
    start_brk = const offset_of!(MemoryMap, start_brk),
    brk = const offset_of!(MemoryMap, brk),
    start_stack = const offset_of!(MemoryMap, start_stack),
    arg_start = const offset_of!(MemoryMap, arg_start),
    arg_end = const offset_of!(MemoryMap, arg_end),
    env_start = const offset_of!(MemoryMap, env_start),
    env_end = const offset_of!(MemoryMap, env_end),
    auxv = const offset_of!(MemoryMap, auxv),
    auxv_size = const offset_of!(MemoryMap, auxv_size),
    exe_fd = const offset_of!(MemoryMap, exe_fd),
    map_size = const size_of::<MemoryMap>(),
    f_flags = const offset_of!(libc::statfs, f_frsize) + 8,
    st_rdonly = const libc::ST_RDONLY,
    // The frame: a `struct mount_attr`, two buffers for `struct stat` or `struct statfs`, what is kept for later, a
    // `struct prctl_mm_map`, the directory's path.
    attributes = const ATTRIBUTES,
    own = const OWN,
    buffer = const BUFFER,
    executed = const EXECUTED,
    entry = const ENTRY,
    headers_end = const HEADERS_END,
    map = const MAP,
    directory = const DIRECTORY,
    most = const MOST,
    frame = const DIRECTORY + MOST + 16,
);

const ATTRIBUTES: usize = 0;
const OWN: usize = 32;
const BUFFER: usize = OWN + 160;
const EXECUTED: usize = BUFFER + 160;
const ENTRY: usize = EXECUTED + 8;
const HEADERS_END: usize = ENTRY + 8;
const MAP: usize = HEADERS_END + 8;
const DIRECTORY: usize = MAP + size_of::<MemoryMap>();
/// Bytes of a directory's path that there is room for: `PATH_MAX`.
const MOST: usize = 4096;

/// `struct prctl_mm_map` (linux/prctl.h).
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

const _: () = {
    assert!(libc::PF_X == 1 && libc::PF_W == 2 && libc::PF_R == 4);
    assert!(libc::PROT_READ == 1 && libc::PROT_WRITE == 2 && libc::PROT_EXEC == 4);
    assert!(size_of::<libc::stat>() <= 160 && size_of::<libc::statfs>() <= 160);
    assert!(offset_of!(libc::stat, st_dev) == 0 && offset_of!(libc::stat, st_ino) == 8);
    assert!((DIRECTORY + MOST + 16).is_multiple_of(16));
};

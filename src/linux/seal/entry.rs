//! The program's entry point on x86_64: the seal's first turn without a C library.
//!
//! Most of what the first turn costs is a start that is thrown away: libc asks the processor about itself, relocates a
//! quarter of a megabyte, makes a heap. So what is executed first is this, before all that: where the command is one
//! that enters a container, it clones the directory's mount, makes it read-only, and executes the file again from there.
//! It only tries. On any doubt or error it goes on to libc's own `_start` with the stack as the kernel left it, and
//! `seal::ensure`, which believes none of this and looks for itself, seals as it does on other processors.
//!
//! It is assembly since nothing is relocated yet: it must use no address but its own, and no memory but its stack's.
//! The reads of eight bytes from strings stay on the stack: the kernel ends it with the file's name and eight zeros.

use std::arch::global_asm;

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
    # than the caller's (AT_SECURE).
.Ltrug_auxiliary:
    xor     r14d, r14d
.Ltrug_entry_of_auxv:
    mov     rax, [rsi]
    mov     rdx, [rsi + 8]
    add     rsi, 16
    cmp     rax, {at_null}
    je      .Ltrug_path
    cmp     rax, {at_execfn}
    cmove   r14, rdx
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

    # r13 is not needed but for the execution: envp. The tree's descriptor goes to r14, the file's to r12.
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

    mov     eax, {sys_execveat}         # returns only to say no
    mov     edi, r15d
    lea     rsi, [rip + .Ltrug_empty]
    mov     rdx, r12
    mov     r10, r13
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
    open_flags = const libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW,
    f_flags = const std::mem::offset_of!(libc::statfs, f_frsize) + 8,
    st_rdonly = const libc::ST_RDONLY,
    // The frame: a `struct mount_attr`, two buffers for `struct stat` or `struct statfs`, the directory's path.
    attributes = const ATTRIBUTES,
    own = const OWN,
    buffer = const BUFFER,
    directory = const DIRECTORY,
    most = const MOST,
    frame = const DIRECTORY + MOST + 16,
);

const ATTRIBUTES: usize = 0;
const OWN: usize = 32;
const BUFFER: usize = OWN + 160;
const DIRECTORY: usize = BUFFER + 160;
/// Bytes of a directory's path that there is room for: `PATH_MAX`.
const MOST: usize = 4096;

const _: () = {
    assert!(size_of::<libc::stat>() <= 160 && size_of::<libc::statfs>() <= 160);
    assert!(std::mem::offset_of!(libc::stat, st_dev) == 0 && std::mem::offset_of!(libc::stat, st_ino) == 8);
    assert!((DIRECTORY + MOST + 16).is_multiple_of(16));
};

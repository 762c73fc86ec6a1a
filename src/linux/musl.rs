//! What musl does not do, or not as we need it.

use std::ffi::c_void;
use std::ptr::NonNull;

use nix::sys::mman::{ProtFlags, mprotect};

use super::{Errno, Result};

unsafe extern "C" {
    /// Where the program's file lies in memory (the linker's name for its first byte).
    static __ehdr_start: libc::Elf64_Ehdr;
}

/// Makes read-only what nothing writes but relocation, at the start (PT_GNU_RELRO): tables of functions first of all.
/// In a static program glibc does so before main, and musl never.
pub fn protect_relocated() -> Result<()> {
    // SAFETY: it only asks.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| Errno::EINVAL)?;
    let file = &raw const __ehdr_start;
    // SAFETY: the file's first segment has its headers, `e_phnum` of them from `e_phoff` on, and nobody writes it.
    let headers = unsafe {
        let first = file.byte_add((*file).e_phoff as usize).cast::<libc::Elf64_Phdr>();
        std::slice::from_raw_parts(first, (*file).e_phnum.into())
    };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_GNU_RELRO) {
        // A page that it shares with what is written stays as it is; the linker lets it end with a page.
        let start = header.p_vaddr as usize / page * page;
        let end = (header.p_vaddr + header.p_memsz) as usize / page * page;
        // SAFETY: addresses count from the file's beginning, and the segment is a part of it.
        let place = unsafe { file.cast::<c_void>().cast_mut().byte_add(start) };
        let place = NonNull::new(place).ok_or(Errno::EINVAL)?;
        // SAFETY: whole pages, which nothing writes once the program has begun.
        unsafe { mprotect(place, end - start, ProtFlags::PROT_READ) }?;
    }
    Ok(())
}

/// What Debian's libseccomp.a, built for glibc, wants and musl lacks: `fprintf` with `_FORTIFY_SOURCE`. Its printer of
/// filters as text (`seccomp_export_pfc`) alone refers to it, and nothing of ours calls that.
///
/// The rest of what the library wants, of 2.5.4 as of 2.6.1, are functions that both have, with arguments that are
/// numbers and pointers: no structure of glibc's is read, a FILE only passed on, errno asked for by
/// `__errno_location`; the stack's canary lies at %fs:0x28 in both. A name that a later version may want besides is an
/// error of the linker's.
///
/// The arguments, whose number varies, are not declared: they are never looked at.
#[unsafe(no_mangle)]
extern "C" fn __fprintf_chk() -> ! {
    abort()
}

/// For musl's abort. That one sends SIGABRT to the thread whose number it wrote down when the program began: in a child
/// of clone3 this is the parent's, which would end, or in another pid namespace a stranger's. The standard library
/// aborts where there is no memory, and a container's RLIMIT_AS can see to that.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    // SAFETY: numbers alone. The thread's is asked of the kernel, here and now: musl's gettid has what was known at the
    // start.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), libc::SIGABRT)
    };
    // It is blocked, handled, or we are the first process of a pid namespace.
    super::process::exit_now(128 + libc::SIGABRT)
}

//! Two functions of the C library that musl does not have, or not as we need it.

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
    // SAFETY: two numbers; it is asked for here and now, and not what was known at the start.
    unsafe { libc::kill(libc::getpid(), libc::SIGABRT) };
    // It is blocked, handled, or we are the first process of a pid namespace.
    super::process::exit_now(128 + libc::SIGABRT)
}

//! The heap of a program that has one thread: dlmalloc without the lock that would be taken and given back for each of
//! the thousand and more pieces that a start asks for.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use dlmalloc::Dlmalloc;

thread_local! {
    /// Its address tells threads apart. A clone that shares no memory has it where its parent has it.
    static HERE: u8 = const { 0 };
}

/// For `#[global_allocator]`. It belongs to the thread that uses it first; the process ends where another one does.
pub struct Heap {
    owner: AtomicUsize,
    memory: UnsafeCell<Dlmalloc>,
}

// SAFETY: `memory` is reached by `enter` alone, which no second thread comes back from.
unsafe impl Sync for Heap {}

impl Heap {
    #[expect(clippy::new_without_default, reason = "a static is made by a constant function")]
    pub const fn new() -> Self {
        Self { owner: AtomicUsize::new(0), memory: UnsafeCell::new(Dlmalloc::new()) }
    }

    #[inline]
    fn enter(&self) -> *mut Dlmalloc {
        let here = HERE.with(|here| std::ptr::from_ref(here).addr());
        if self.owner.load(Ordering::Relaxed) != here {
            self.claim(here);
        }
        self.memory.get()
    }

    #[cold]
    fn claim(&self, here: usize) {
        if self.owner.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            std::process::abort();
        }
    }
}

// Not inlined: in all places where something is allocated, these are half a megabyte of program.
//
// SAFETY: each call is handed to dlmalloc, which keeps the same contract; `enter` says why nobody else is in there.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: above.
        unsafe { (*self.enter()).malloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: above.
        unsafe { (*self.enter()).calloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: above; the caller has `at` from here, with this layout.
        unsafe { (*self.enter()).free(at, layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: above; the caller has `at` from here, with this layout.
        unsafe { (*self.enter()).realloc(at, layout.size(), layout.align(), size) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::super::clone::{CloneArgs, Cloned, clone3};
    use super::super::pidfd::{Exit, reap};
    use super::super::process::exit_now;
    use super::super::testing::in_child;
    use super::*;

    /// Writes all of a piece, lets it grow, and reads it; the address.
    fn use_once(heap: &Heap) -> usize {
        let layout = Layout::array::<u8>(100).unwrap();
        // SAFETY: sizes above zero, and every piece is given back as it was got.
        unsafe {
            let piece = heap.alloc(layout);
            piece.write_bytes(7, 100);
            let piece = heap.realloc(piece, layout, 100_000);
            assert_eq!((*piece, *piece.add(99)), (7, 7));
            heap.dealloc(piece, Layout::array::<u8>(100_000).unwrap());
            let zeroed = heap.alloc_zeroed(layout);
            assert!((0..100).all(|at| *zeroed.add(at) == 0));
            heap.dealloc(zeroed, layout);
            zeroed.addr()
        }
    }

    #[test]
    fn one_thread_and_its_clones_get_memory() {
        let heap = Heap::new();
        assert_eq!(use_once(&heap), use_once(&heap), "what is given back is not used again");
        in_child(|| match clone3(&CloneArgs { namespaces: &[], cgroup: None, sibling: false }).unwrap() {
            Cloned::Child => {
                use_once(&heap);
                exit_now(0)
            }
            Cloned::Parent { pidfd, .. } => assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Code(0))),
        });
    }

    #[test]
    fn a_second_thread_gets_none() {
        in_child(|| match clone3(&CloneArgs { namespaces: &[], cgroup: None, sibling: false }).unwrap() {
            Cloned::Child => {
                let heap = Heap::new();
                use_once(&heap);
                let second = std::thread::scope(|scope| scope.spawn(|| use_once(&heap)).join());
                exit_now(i32::from(second.is_err()))
            }
            Cloned::Parent { pidfd, .. } => {
                assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Signal(libc::SIGABRT)));
            }
        });
    }
}

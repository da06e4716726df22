//! The heap, which counts, and the sizes of the other parts of the memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::RefCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use cortex_m_rt::STACK_PAINT_VALUE;
use critical_section::Mutex;
use talc::{ErrOnOom, Span, Talc};

/// A heap that counts the bytes in use.
///
/// It shrinks allocations in place: a complete frame is shrunk to its length. A heap that copies it
/// for that needs memory for two.
pub struct Heap(Mutex<RefCell<State>>);

struct State {
    heap: Talc<ErrOnOom>,
    used: usize,
    peak: usize,
}

impl Heap {
    /// A heap without memory.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is for a static")]
    pub const fn new() -> Self {
        Self(Mutex::new(RefCell::new(State {
            heap: Talc::new(ErrOnOom),
            used: 0,
            peak: 0,
        })))
    }

    /// Adds memory to the heap. It must be more than about 1 KB.
    pub fn add(&self, memory: &'static mut [MaybeUninit<u8>]) {
        let span = Span::from_base_size(memory.as_mut_ptr().cast(), memory.len());
        // SAFETY: the memory is borrowed for ever.
        let added = self.with(|state| unsafe { state.heap.claim(span) });
        added.unwrap_or_else(|()| crate::fail("the memory for the heap is too small"));
    }

    /// Returns the largest number of bytes that were in use at one time.
    pub fn peak(&self) -> usize {
        self.with(|state| state.peak)
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        critical_section::with(|section| action(&mut self.0.borrow_ref_mut(section)))
    }
}

// SAFETY: the requests are passed on to an allocator.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|state| {
            state.used += layout.size();
            state.peak = state.peak.max(state.used);
            // SAFETY: callers of `alloc` promise that the size is not 0.
            let allocated = unsafe { state.heap.malloc(layout) };
            allocated.map_or(ptr::null_mut(), NonNull::as_ptr)
        })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.with(|state| {
            state.used -= layout.size();
            // SAFETY: `pointer` came from `alloc` with the same layout, so it is not null.
            unsafe { state.heap.free(NonNull::new_unchecked(pointer), layout) };
        });
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() {
            // SAFETY: as in `dealloc`, and callers promise that the new layout is valid. The new
            // memory has more than `layout.size()` bytes.
            return unsafe {
                let larger = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !larger.is_null() {
                    ptr::copy_nonoverlapping(pointer, larger, layout.size());
                    self.dealloc(pointer, layout);
                }
                larger
            };
        }
        self.with(|state| {
            state.used -= layout.size() - size;
            // SAFETY: as in `dealloc`, and callers promise that the new size is not 0.
            unsafe {
                state
                    .heap
                    .shrink(NonNull::new_unchecked(pointer), layout, size)
            };
        });
        pointer
    }
}

unsafe extern "C" {
    static __sdata: u8;
    static __edata: u8;
    static __sbss: u8;
    static __ebss: u8;
    static __erodata: u8;
    static _stack_end: u8;
    static _stack_start: u8;
}

/// Returns the bytes of the program in flash: code, constants and the first values of variables.
#[must_use]
pub fn flash() -> usize {
    // The flash starts at address 0.
    (&raw const __erodata) as usize + distance(&raw const __sdata, &raw const __edata)
}

/// Returns the bytes of static variables.
#[must_use]
pub fn statics() -> usize {
    distance(&raw const __sdata, &raw const __edata)
        + distance(&raw const __sbss, &raw const __ebss)
}

/// Returns the largest depth of the stack so far, in bytes.
#[must_use]
pub fn stack_peak() -> usize {
    let start = &raw const _stack_start;
    let mut lowest = (&raw const _stack_end).cast::<u32>();
    // SAFETY: the linker script places the stack from `_stack_start` down to `_stack_end`, which is
    // aligned. cortex-m-rt has painted the words below the stack pointer. The search ends at the
    // first word in use, at the latest in the frame of this function.
    while unsafe { ptr::read_volatile(lowest) } == STACK_PAINT_VALUE {
        lowest = lowest.wrapping_add(1);
    }
    distance(lowest.cast(), start)
}

fn distance(from: *const u8, to: *const u8) -> usize {
    to as usize - from as usize
}

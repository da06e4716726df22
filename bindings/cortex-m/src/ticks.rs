//! The number of instructions, if QEMU runs with `-icount shift=0`.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// A tick of the system timer: 40 ns at 25 MHz. With `-icount shift=0`, an instruction takes 1 ns.
const INSTRUCTIONS: u32 = 40;

const RELOAD: u32 = 0xff_ffff;

/// The system timer.
pub struct Ticks(SYST);

impl Ticks {
    /// Starts the timer. Returns `None` at the second call.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut timer = Peripherals::take()?.SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_counter();
        Some(Self(timer))
    }

    /// Runs `action`, and adds its instructions to `sum`. They must be less than 600 million.
    pub fn count<T>(&self, sum: &mut u64, action: impl FnOnce() -> T) -> T {
        let before = SYST::get_current();
        let result = action();
        let ticks = before.wrapping_sub(SYST::get_current()) & RELOAD;
        *sum += u64::from(ticks) * u64::from(INSTRUCTIONS);
        result
    }
}

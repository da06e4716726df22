//! `cargo xtask soak`.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "the default seed is the time, and is printed"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!("soak: this program needs Linux");
        ExitCode::FAILURE
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use soak::{Options, Result, run};

    const HELP: &str = "\
Usage: soak [--minutes N | --seconds N] [--seed N] [--write FILE]

  --minutes N   The length of the run [default: 10]
  --seconds N   The same in seconds, at least 35
  --seed N      Determines the faults and the viewers [default: the time]
  --write FILE  Write the page with the results
";

    const SHORTEST: Duration = Duration::from_secs(35);

    const INTRODUCTION: &str = include_str!("introduction.md");

    struct Arguments {
        options: Options,
        page: Option<PathBuf>,
    }

    fn arguments() -> Option<Arguments> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Built together with this program.
        let program = std::env::current_exe().ok()?.with_file_name("tutk");
        let mut options = Options {
            program,
            duration: Duration::from_secs(600),
            seed: now.map_or(0, |now| now.as_secs()),
        };
        let mut page = None;
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            let value = arguments.next()?;
            match option.as_str() {
                "--minutes" => {
                    options.duration = Duration::from_secs(60 * value.parse::<u64>().ok()?)
                }
                "--seconds" => options.duration = Duration::from_secs(value.parse().ok()?),
                "--seed" => options.seed = value.parse().ok()?,
                "--write" => page = Some(PathBuf::from(value)),
                _ => return None,
            }
        }
        (options.duration >= SHORTEST).then_some(Arguments { options, page })
    }

    pub(crate) fn main() -> ExitCode {
        let Some(arguments) = arguments() else {
            eprint!("{HELP}");
            return ExitCode::from(2);
        };
        match soak(&arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("soak: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Prints the results. Returns `true` if all limits were kept.
    fn soak(arguments: &Arguments) -> Result<bool> {
        let options = &arguments.options;
        println!("seed {}, {} s", options.seed, options.duration.as_secs());
        let report = run(options)?;
        println!("\n{}", report.markdown());
        for failure in report.failures() {
            eprintln!("missed: {failure}");
        }
        if let Some(page) = &arguments.page {
            let seconds = options.duration.as_secs();
            let command = format!(
                "cargo xtask soak --seconds {seconds} --seed {} --write",
                options.seed
            );
            let text = format!("{INTRODUCTION}\n`{command}`\n\n{}", report.markdown());
            std::fs::write(page, text)?;
            println!("wrote {}", page.display());
        }
        Ok(report.passed())
    }
}
